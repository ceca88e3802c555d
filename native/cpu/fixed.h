// Planes of codes of fixed size: k bits a symbol for the most frequent 2^k - 1, an escape byte for each of the others. Codes
// lie in k bit planes, so that 64 of them are k registers of 64 bits, and the escapes of those are one AND of all k.
#pragma once

#include "cpu/statistics.h"
#include "format/parse.h"

namespace swarm {

struct SymbolUse;
struct Kernels;

/** The symbols of one stream as they are coded. Streams start at multiples of 16,384 symbols. */
struct FixedBlock {
  /**
   * Symbol i is bit i mod 8 of byte i / 8 in each of codeBits bit planes. Eight bytes at a time may be read from here up to
   * the last symbol, even if it is only in the first of these; bits past the last symbol of the plane are zero.
   */
  std::array<const uint8_t*, codeBitsMax> bits;
  /** `escapeCount` bytes. */
  const uint8_t* escapes;
  size_t escapeCount;
  /** Not before the end of the escapes; reading up to here is allowed, whatever the counts say. */
  const uint8_t* readableEnd;
  /** Symbols. */
  size_t size;
};

/** Where the codes of one stream go. Streams start at multiples of 16,384 symbols. */
struct FixedTarget {
  /** The bits of `size` symbols go here; in the last byte those past them are set to zero. */
  std::array<uint8_t*, codeBitsMax> bits;
  /** Room for as many escapes as there are; up to `writableEnd` anything may be written behind them. */
  uint8_t* escapes;
  uint8_t* writableEnd;
  const uint8_t* symbols;
  size_t size;
};

/** Codes of all 256 symbols: the entry in `table`, or all ones. */
std::array<uint8_t, 256> makeFixedCodes(const FixedTable& table);

/**
 * Writes a whole FIX plane for `size` symbols, `escapeCount` of which are not in the table, to `out`, in streams of 2^streamBits.
 * Returns its size without the padding that follows, or 0 when `capacity` bytes do not hold it.
 */
size_t encodeFixedPlane(const Kernels& kernels, const uint8_t* symbols, size_t size, const FixedTable& table,
                        size_t escapeCount, unsigned streamBits, uint8_t* out, size_t capacity);

/** The table of a plane whose plan parseSegments approved. */
FixedTable makeFixedTable(const PlanePlan& plane);

/** The codes of the `size` symbols of stream `stream`. */
FixedBlock fixedBlock(const PlanePlan& plane, size_t stream, size_t size);

/** The scalar references; see Kernels. */
Status decodeFixedScalar(const FixedTable& table, const FixedBlock& block, uint8_t* symbols);
size_t encodeFixedScalar(const FixedTable& table, const std::array<uint8_t, 256>& codes, const FixedTarget& target);

}  // namespace swarm
