// What the encoder decides from counts: frequencies, which mode a plane gets, which element type a segment gets.
// Integers only, so that every encoder on every machine decides alike (protocols/chunk.md, "What the encoder decides").
#pragma once

#include <array>

#include <vector>

#include "format/layout.h"

namespace swarm {

struct Kernels;

using Counts = std::array<uint32_t, 256>;

/** The symbols that occur, by falling count; those of equal count by rising symbol. */
struct SymbolOrder {
  size_t symbolCount;
  std::array<uint8_t, 256> symbols;
};

/** A table in slot order: entry i is symbols[i] with frequencies[i], which sum to 2^probabilityBits. */
struct FrequencyTable {
  unsigned probabilityBits;
  size_t symbolCount;
  std::array<uint8_t, 256> symbols;
  std::array<uint16_t, 256> frequencies;
};

/** The table of a FIX plane and what follows from it. A code of all ones is an escape, one below symbolCount an entry. */
struct FixedTable {
  unsigned codeBits;
  size_t symbolCount;
  /** Entries from symbolCount on are zero. */
  alignas(16) std::array<uint8_t, size_t{1} << codeBitsMax> symbols;
};

struct ElementChoice {
  Element element;
  uint8_t phase;
  /** Bit p is set when the sample showed that plane p is not worth coding. */
  uint8_t storedPlanes;
};

/** How a plane is encoded. */
struct PlaneChoice {
  PlaneMode mode;
  /** constant */
  uint8_t symbol;
  /** rans */
  FrequencyTable frequencies;
  /** fixed */
  FixedTable fixed;
  size_t escapeCount;
};

/** log2(value) in 1/256 bits, rounded down bit by bit as the format defines it; `value` in 1..16384. */
uint32_t log2Fixed(uint32_t value);

/** Counts the values of `size` bytes. */
void countSymbols(const uint8_t* bytes, size_t size, Counts& counts);

/** Counts planes of a segment's elements, piece by piece. */
class PlaneCounter {
 public:
  /** For `count` elements in all, but not for the planes whose bit is set in `left`. `scratch` is kept, all zero. */
  PlaneCounter(Element element, size_t count, uint8_t left, std::vector<uint32_t>& scratch);

  /** Adds elements that have been split to `planes`. */
  void add(const uint8_t* elements, size_t count, const uint8_t* const* planes);

  /** The counts of each plane. Called once. */
  const std::array<Counts, planeCountMax>& finish();

 private:
  const Element element_;
  const uint8_t left_;
  const bool isJoint_;
  std::vector<uint32_t>& joint_;
  std::array<Counts, planeCountMax> counts_{};
};

SymbolOrder orderSymbols(const Counts& counts);

/** Scales counts (at least two of them not zero, sum `total`, at most 2^20) to frequencies. `order` is that of the counts. */
FrequencyTable makeFrequencyTable(const Counts& counts, const SymbolOrder& order, size_t total,
                                  unsigned probabilityBits);

/** Mode, table and all for a plane of `total` symbols, at least one. */
PlaneChoice choosePlane(const Counts& counts, size_t total, unsigned streamBits, Profile profile);

/** Element type and phase for a segment, and which planes to store, by sampling it. */
ElementChoice chooseElement(const Kernels& kernels, ByteSpan segment, Element hint);

}  // namespace swarm
