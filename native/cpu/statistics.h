// What the encoder decides from counts: frequencies, which mode a plane gets, which element type a segment gets.
// Integers only, so that every encoder on every machine decides alike (protocols/chunk.md, "What the encoder decides").
#pragma once

#include <array>

#include <vector>

#include "format/layout.h"

namespace swarm {

struct Kernels;

using Counts = std::array<uint32_t, 256>;

/** A table in slot order: entry i is symbols[i] with frequencies[i]. */
struct FrequencyTable {
  size_t symbolCount;
  std::array<uint8_t, 256> symbols;
  std::array<uint16_t, 256> frequencies;
};

struct ElementChoice {
  Element element;
  uint8_t phase;
};

/** log2(value) in 1/256 bits, rounded down bit by bit as the format defines it; `value` in 1..16384. */
uint32_t log2Fixed(uint32_t value);

/** Counts the values of `size` bytes. */
void countSymbols(const uint8_t* bytes, size_t size, Counts& counts);

/** Counts the planes of a segment's elements, piece by piece. */
class PlaneCounter {
 public:
  /** For `count` elements in all. `scratch` is kept between segments, all zero. */
  PlaneCounter(Element element, size_t count, std::vector<uint32_t>& scratch);

  /** Adds elements that have been split to `planes`. */
  void add(const uint8_t* elements, size_t count, const uint8_t* const* planes);

  /** The counts of each plane. Called once. */
  const std::array<Counts, planeCountMax>& finish();

 private:
  const Element element_;
  const bool isJoint_;
  std::vector<uint32_t>& joint_;
  std::array<Counts, planeCountMax> counts_{};
};

/** Scales counts (at least two of them not zero, sum `total`) to frequencies that sum to 2^probabilityBits. */
FrequencyTable makeFrequencyTable(const Counts& counts, size_t total, unsigned probabilityBits);

/** Whether a plane with these counts is worth coding with `table`: estimated size at most 98 % of `total`. */
bool isWorthCoding(const Counts& counts, const FrequencyTable& table, size_t total, unsigned probabilityBits);

/** Element type and phase for a segment, by sampling it. */
ElementChoice chooseElement(const Kernels& kernels, ByteSpan segment, Element hint);

}  // namespace swarm
