// The entropy coder: 32 interleaved range-ANS states per stream, 16-bit words. Method: J. Duda, "Asymmetric numeral systems"
// (2013); interleaving after F. Giesen, "Interleaved entropy coders" (2014).
//
// Streams are independent, so that several are worked on at once: one alone waits for its own arithmetic most of the time.
#pragma once

#include "cpu/statistics.h"
#include "format/parse.h"

namespace swarm {

struct Kernels;

/** Streams whose rows are interleaved. */
constexpr size_t streamsAtOnce = 4;
/** Symbols of that many streams: what is decoded, joined and summed while it lies in the nearest caches. */
constexpr size_t blockSymbols(unsigned streamBits) { return streamsAtOnce << streamBits; }
/** What a row of 32 lanes reads ahead at most. */
constexpr size_t rowWordBytes = 2 * laneCount;

/** Everything about the table of a plane that decoding needs. */
struct DecodeTable {
  /**
   * Per slot: symbol in bits 0..7, slot minus the symbol's first slot in 8..19, frequency in the highest `probabilityBits`. Cut
   * into halves of 16 bits, the upper one holds the frequency as the vector paths multiply by it, and above the lowest four.
   */
  alignas(64) std::array<uint32_t, size_t{1} << probabilityBitsMax> slots;
  unsigned probabilityBits;
  size_t symbolCount;
  const uint8_t* symbols;
  const uint8_t* frequencies;
};

/** A stream that is being decoded. The states are those in front of `symbols`. */
struct DecodeStream {
  alignas(64) uint32_t states[laneCount];
  const uint8_t* next;
  const uint8_t* end;
  uint8_t* symbols;
  size_t size;
  /** Null, or where the joined bf16 elements of `symbols` may go at once, and the plane to join them with. */
  uint8_t* elements;
  const uint8_t* lowPlane;
  /** Whether it is worth summing up the elements or, without those, the symbols, as they are decoded. */
  bool isSummed;
  /** Inverted CRC32C, started from 0, of the first `summedBytes` of them. */
  uint32_t crc;
  size_t summedBytes;
};

/** What becomes of decoded symbols. */
struct SymbolUse {
  /** For bf16: the plane that joins them, and where the elements go. Null: nothing is joined. */
  const uint8_t* lowPlane;
  uint8_t* elements;
  /** Null, or what is continued over the elements or, without those, over the symbols. */
  uint32_t* crc;
};

/**
 * What encoding one symbol needs. x / frequency is (x * reciprocal >> 32) >> shift for every x < 2^31, because reciprocal =
 * ceil(2^(32+shift) / frequency) with 2^(shift+1) >= frequency (T. Granlund and P. Montgomery, "Division by invariant
 * integers", 1994). For frequency 1 there is no such reciprocal; 2^32 - 1 gives x - 1, which `start` makes up for.
 */
struct SymbolStep {
  uint32_t reciprocal;
  /** Frequency in bits 0..11, first slot (plus 2^bits - 1 for frequency 1) in 12..24, shift in 25..28. */
  uint32_t packed;
};

struct EncodeTable {
  alignas(64) std::array<SymbolStep, 256> steps;
  unsigned probabilityBits;
  uint8_t filler;
  size_t symbolCount;
  /** In the order of the table. */
  std::array<uint8_t, 256> symbols;
};

/** A stream that is being encoded, from its end. Words grow downwards from `words`; rowWordBytes in front may be scribbled on. */
struct EncodeStream {
  alignas(64) uint32_t states[laneCount];
  const uint8_t* symbols;
  /** How many of `symbols` are not encoded yet. */
  size_t size;
  uint16_t* words;
};

/**
 * Writes a whole RANS plane (table, index, states, words) for `size` symbols, in streams of 2^streamBits, to `out`. Returns its
 * size without the padding that follows, or 0 when `capacity` bytes do not hold it. `wordCount` receives the number of words.
 */
size_t encodeRansPlane(const Kernels& kernels, const uint8_t* symbols, size_t size, const FrequencyTable& table,
                       unsigned streamBits, uint8_t* out, size_t capacity, std::vector<uint16_t>& scratch,
                       uint32_t& wordCount);

/** Encodes the full rows of one stream; the scalar reference. */
void encodeRowsScalar(const EncodeTable& table, EncodeStream* streams, size_t count);

/** Fills `table` for a plane whose plan parseSegments approved. */
void makeDecodeTable(const PlanePlan& plane, DecodeTable& table);

/**
 * Decodes up to streamsAtOnce streams of a plane, from `firstStream` on: `size` symbols, of which the last stream may be short.
 * Where elements are joined, not all of `symbols` are written.
 */
Status decodeStreams(const Kernels& kernels, const DecodeTable& table, const PlanePlan& plane, size_t firstStream,
                     uint8_t* symbols, size_t size, SymbolUse use);

}  // namespace swarm
