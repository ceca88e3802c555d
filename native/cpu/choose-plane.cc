// Which mode a plane gets, from the exact counts of its symbols.
#include <algorithm>

#include "cpu/statistics.h"

namespace swarm {

namespace {

/** A plane is coded when that saves at least 2 %. */
bool isWorthCoding(uint64_t bytes, size_t total) { return bytes * 50 <= uint64_t{total} * 49; }

/** Estimated size of a RANS plane. */
uint64_t estimateBytes(const Counts& counts, const FrequencyTable& table, size_t total, unsigned streamBits) {
  uint64_t cost = 0;
  for (size_t index = 0; index < table.symbolCount; index++) {
    const uint32_t bits = table.probabilityBits * 256 - log2Fixed(table.frequencies[index]);
    cost += uint64_t{counts[table.symbols[index]]} * bits;
  }
  return RansLayout(total, table.symbolCount, streamBits).words + (cost + 2047) / 2048;
}

/** Twelve bits are what decoders are slower with: they must save 1 byte in 512. */
void chooseRans(const Counts& counts, const SymbolOrder& order, size_t total, unsigned streamBits,
                PlaneChoice& choice) {
  choice.frequencies = makeFrequencyTable(counts, order, total, 11);
  uint64_t bytes = estimateBytes(counts, choice.frequencies, total, streamBits);
  const FrequencyTable finer = makeFrequencyTable(counts, order, total, 12);
  const uint64_t finerBytes = estimateBytes(counts, finer, total, streamBits);
  if (finerBytes * 512 < bytes * 511) {
    choice.frequencies = finer;
    bytes = finerBytes;
  }
  if (isWorthCoding(bytes, total)) choice.mode = PlaneMode::rans;
}

void chooseFixed(const Counts& counts, const SymbolOrder& order, size_t total, unsigned streamBits,
                 PlaneChoice& choice) {
  size_t best = SIZE_MAX;
  for (const PlaneMode mode : {PlaneMode::fix3e, PlaneMode::fix4e}) {
    const unsigned codeBits = codeBitsOf(mode);
    FixedTable table{codeBits, std::min(order.symbolCount, (size_t{1} << codeBits) - 1), {}};
    size_t escapeCount = total;
    for (size_t index = 0; index < table.symbolCount; index++) {
      table.symbols[index] = order.symbols[index];
      escapeCount -= counts[order.symbols[index]];
    }
    const size_t bytes = FixedLayout(total, table.symbolCount, codeBits, streamBits).escapes + escapeCount;
    if (bytes >= best) continue;
    best = bytes;
    choice.fixed = table;
    choice.escapeCount = escapeCount;
    if (isWorthCoding(bytes, total)) choice.mode = mode;
  }
}

}  // namespace

PlaneChoice choosePlane(const Counts& counts, size_t total, unsigned streamBits, Profile profile) {
  PlaneChoice choice{};
  choice.mode = PlaneMode::raw;
  const SymbolOrder order = orderSymbols(counts);
  if (order.symbolCount == 1) {
    choice.mode = PlaneMode::constant;
    choice.symbol = order.symbols[0];
  } else if (profile == Profile::rans) {
    chooseRans(counts, order, total, streamBits, choice);
  } else {
    chooseFixed(counts, order, total, streamBits, choice);
  }
  return choice;
}

}  // namespace swarm
