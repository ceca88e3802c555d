// The loops that take the codec's time, once per code path. Every path gives the same results on the same input; what is
// decided (tables, modes, layout, checks) is shared code around them.
#pragma once

#include "cpu/fixed.h"
#include "cpu/rans.h"

namespace swarm {

struct Kernels {
  /** Splits `count` elements into elementWidth(element) planes of `count` bytes each. */
  void (*splitPlanes)(Element element, const uint8_t* elements, size_t count, uint8_t* const* planes);

  /** Inverse of splitPlanes. A plane whose entry in `steps` is 0 is a single byte that stands for all; else its step is 1. */
  void (*joinPlanes)(Element element, const uint8_t* const* planes, const size_t* steps, size_t count,
                     uint8_t* elements);

  /**
   * joinPlanes and updateCrc in one, for elements that nobody reads soon. Null where a path does them one after the other.
   */
  uint32_t (*joinAndSum)(Element element, const uint8_t* const* planes, const size_t* steps, size_t count,
                         uint8_t* elements, uint32_t crc);

  /**
   * Decodes as many full rows of `count` (at most streamsAtOnce) streams as it likes; none for scalar. Reads words in front
   * of `readableEnd` only, but may consume more than the stream has: finishStream refuses that. Where a stream has
   * `elements`, it may write and advance these instead of the symbols, and sum some of them up.
   */
  void (*decodeRows)(const DecodeTable& table, DecodeStream* streams, size_t count, const uint8_t* readableEnd);

  /** Encodes all full rows that are left of `count` (at most streamsAtOnce) streams, which have equally many. */
  void (*encodeRows)(const EncodeTable& table, EncodeStream* streams, size_t count);

  /**
   * Decodes a block of a FIX plane to exactly block.size bytes at `symbols`. Its codes must hold block.escapeCount escapes,
   * else `escapes`, and no code that stands for nothing, else `code`; where both are broken, `escapes`. Escapes that the block
   * does not have are not read.
   */
  Status (*decodeFixed)(const FixedTable& table, const FixedBlock& block, uint8_t* symbols);

  /**
   * decodeFixed, joinPlanes and updateCrc of bf16 elements in one: the symbols stay in registers. Null where a path does them
   * one after the other.
   */
  Status (*joinFixed)(const FixedTable& table, const FixedBlock& block, const SymbolUse& join);

  /** Writes the codes of a block and its escapes; returns how many. `codes` are those of makeFixedCodes. */
  size_t (*encodeFixed)(const FixedTable& table, const std::array<uint8_t, 256>& codes, const FixedTarget& target);

  /** Where the first of `size` bytes stands that is not in `seen`; `size` if all are. */
  size_t (*findNew)(const SymbolSet& seen, const uint8_t* bytes, size_t size);

  /** Continues the inverted CRC32C `crc` over `size` bytes. */
  uint32_t (*updateCrc)(uint32_t crc, const uint8_t* data, size_t size);
};

size_t findNewScalar(const SymbolSet& seen, const uint8_t* bytes, size_t size);

/** The loops of a path that isAvailable says yes to. */
const Kernels& kernelsOf(CodePath path);

extern const Kernels scalarKernels;
#if defined(__x86_64__)
extern const Kernels avx2Kernels;
extern const Kernels avx512Kernels;
#elif defined(__aarch64__)
extern const Kernels neonKernels;
#endif

}  // namespace swarm
