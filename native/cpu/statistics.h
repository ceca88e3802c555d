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

/** Which symbols occurred so far. */
struct SymbolSet {
  /** By symbol: 0xFF if it did, else 0. */
  alignas(64) std::array<uint8_t, 256> flags{};
  /** The same for lookups by 4 bits: bit h of entry l stands for symbol 16 h + l, in `upper` for 16 (h + 8) + l. */
  alignas(16) std::array<uint8_t, 16> lower{};
  alignas(16) std::array<uint8_t, 16> upper{};

  void add(uint8_t symbol);
};

/** Counts bytes by value. */
class Histogram {
 public:
  void add(const uint8_t* bytes, size_t size);
  Counts counts() const;

 private:
  std::array<Counts, 4> tables_{};
};

/** Elements that are split, counted and summed at a time, while they lie in the nearest caches. */
constexpr size_t pieceSymbols = 8192;
/** How many of them are counted when a plane is counted by sample. */
constexpr size_t countedSymbols = 1024;
/** Larger planes are counted by sample. */
constexpr size_t exactSymbolsMax = 65536;

/** Counts a plane piece by piece: all of it, or a sample, and one for each symbol that the sample does not hold. */
class PlaneCounter {
 public:
  explicit PlaneCounter(bool isSampled = false) : isSampled_(isSampled) {}

  /** Adds the next `size` symbols: pieceSymbols, or fewer at the end. */
  void add(const Kernels& kernels, const uint8_t* piece, size_t size);

  Counts counts() const;

 private:
  bool isSampled_;
  size_t pieces_ = 0;
  Histogram histogram_;
  SymbolSet seen_;
};

SymbolOrder orderSymbols(const Counts& counts);

/** Scales counts (at least two of them not zero, sum `total`, at most 2^20) to frequencies. `order` is that of the counts. */
FrequencyTable makeFrequencyTable(const Counts& counts, const SymbolOrder& order, size_t total,
                                  unsigned probabilityBits);

/** Mode, table and all for a plane of `size` symbols, at least one; `counts` are of all of them for Profile::fast. */
PlaneChoice choosePlane(const Counts& counts, size_t size, unsigned streamBits, Profile profile);

/** Element type and phase for a segment, and which planes to store, by sampling it. */
ElementChoice chooseElement(const Kernels& kernels, ByteSpan segment, Element hint);

}  // namespace swarm
