// Which mode a plane gets, from the exact counts of its symbols.
#include <algorithm>

#include "cpu/statistics.h"

namespace swarm {

namespace {

/** A plane is coded when that saves at least 2 %. */
bool isWorthCoding(uint64_t bytes, size_t size) { return bytes * 50 <= uint64_t{size} * 49; }

/** Estimated size of a RANS plane of `size` symbols, of which `counted` were. */
uint64_t estimateBytes(const Counts& counts, size_t counted, const FrequencyTable& table, size_t size,
                       unsigned streamBits) {
  uint64_t cost = 0;
  for (size_t index = 0; index < table.symbolCount; index++) {
    const uint32_t bits = table.probabilityBits * 256 - log2Fixed(table.frequencies[index]);
    cost += uint64_t{counts[table.symbols[index]]} * bits;
  }
  // Both factors are below 2^33 and 2^21.
  const uint64_t whole = uint64_t{counted} * 2048;
  return RansLayout(size, table.symbolCount, streamBits).words + (cost * size + whole - 1) / whole;
}

/** Twelve bits are what decoders are slower with: they must save 1 byte in 512. */
void chooseRans(const Counts& counts, const SymbolOrder& order, size_t size, unsigned streamBits,
                PlaneChoice& choice) {
  size_t counted = 0;
  for (const uint32_t count : counts) counted += count;
  choice.frequencies = makeFrequencyTable(counts, order, counted, 11);
  uint64_t bytes = estimateBytes(counts, counted, choice.frequencies, size, streamBits);
  const FrequencyTable finer = makeFrequencyTable(counts, order, counted, 12);
  const uint64_t finerBytes = estimateBytes(counts, counted, finer, size, streamBits);
  if (finerBytes * 512 < bytes * 511) {
    choice.frequencies = finer;
    bytes = finerBytes;
  }
  if (isWorthCoding(bytes, size)) choice.mode = PlaneMode::rans;
}

void chooseFixed(const Counts& counts, const SymbolOrder& order, size_t size, unsigned streamBits,
                 PlaneChoice& choice) {
  size_t best = SIZE_MAX;
  for (const PlaneMode mode : {PlaneMode::fix3e, PlaneMode::fix4e}) {
    const unsigned codeBits = codeBitsOf(mode);
    FixedTable table{codeBits, std::min(order.symbolCount, (size_t{1} << codeBits) - 1), {}};
    size_t escapeCount = size;
    for (size_t index = 0; index < table.symbolCount; index++) {
      table.symbols[index] = order.symbols[index];
      escapeCount -= counts[order.symbols[index]];
    }
    const size_t bytes = FixedLayout(size, table.symbolCount, codeBits, streamBits).escapes + escapeCount;
    if (bytes >= best) continue;
    best = bytes;
    choice.fixed = table;
    choice.escapeCount = escapeCount;
    if (isWorthCoding(bytes, size)) choice.mode = mode;
  }
}

}  // namespace

PlaneChoice choosePlane(const Counts& counts, size_t size, unsigned streamBits, Profile profile) {
  PlaneChoice choice{};
  choice.mode = PlaneMode::raw;
  const SymbolOrder order = orderSymbols(counts);
  if (order.symbolCount == 1) {
    choice.mode = PlaneMode::constant;
    choice.symbol = order.symbols[0];
  } else if (profile == Profile::rans) {
    chooseRans(counts, order, size, streamBits, choice);
  } else {
    chooseFixed(counts, order, size, streamBits, choice);
  }
  return choice;
}

}  // namespace swarm
