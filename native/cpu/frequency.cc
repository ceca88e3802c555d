// Frequencies from counts.
#include <algorithm>
#include <memory>

#include "cpu/statistics.h"

namespace swarm {

namespace {

constexpr uint32_t log2Max = 16384;

/** Bit by bit: squaring a number in [1, 2) doubles its logarithm. */
constexpr uint16_t computeLog2(uint32_t value) {
  unsigned whole = 0;
  while (value >> whole > 1) whole++;
  uint64_t mantissa = uint64_t{value} << (31 - whole);
  uint32_t result = whole;
  for (int bit = 0; bit < 8; bit++) {
    mantissa = (mantissa * mantissa) >> 31;
    const uint32_t carry = static_cast<uint32_t>(mantissa >> 32);
    mantissa >>= carry;
    result = result << 1 | carry;
  }
  return static_cast<uint16_t>(result);
}

std::unique_ptr<uint16_t[]> makeLog2Table() {
  std::unique_ptr<uint16_t[]> table(new uint16_t[log2Max + 1]);
  table[0] = 0;
  for (uint32_t value = 1; value <= log2Max; value++) table[value] = computeLog2(value);
  return table;
}

/**
 * Sorts at most 256 keys by their bits from `lowest` up to `end`, rising; equal ones stay in order. Digit by digit: for so few
 * keys a comparing sort spends most of its time on wrong guesses of the comparisons.
 */
void sortByBits(uint32_t* keys, size_t count, unsigned lowest, unsigned end) {
  constexpr unsigned digitBits = 7;
  constexpr uint32_t digitMask = (uint32_t{1} << digitBits) - 1;
  std::array<uint32_t, 256> sorted;
  for (unsigned shift = lowest; shift < end; shift += digitBits) {
    std::array<uint16_t, digitMask + 2> starts{};
    for (size_t index = 0; index < count; index++) starts[(keys[index] >> shift & digitMask) + 1]++;
    for (size_t digit = 1; digit <= digitMask; digit++)
      starts[digit] = static_cast<uint16_t>(starts[digit] + starts[digit - 1]);
    for (size_t index = 0; index < count; index++) sorted[starts[keys[index] >> shift & digitMask]++] = keys[index];
    std::copy_n(sorted.begin(), count, keys);
  }
}

constexpr unsigned symbolBits = 8;
constexpr uint32_t symbolMask = (uint32_t{1} << symbolBits) - 1;
/** Counts reach 2^20, the symbols of a segment. */
constexpr unsigned countBits = segmentBits + 1;
constexpr uint32_t countLimit = uint32_t{1} << countBits;

/** Hands `spare` slots to the entries with the largest remainders (below 2^20); earlier entries first where equal. */
void addSlots(uint32_t* frequencies, const uint32_t* remainders, size_t entryCount, uint32_t spare) {
  std::array<uint32_t, 256> keys;
  for (size_t index = 0; index < entryCount; index++)
    keys[index] = (countLimit - 1 - remainders[index]) << symbolBits | static_cast<uint32_t>(index);
  sortByBits(keys.data(), entryCount, symbolBits, symbolBits + countBits);
  for (size_t index = 0; index < spare; index++) frequencies[keys[index] & symbolMask]++;
}

/**
 * Takes `excess` slots one at a time from the largest frequency; from the earliest of those where equal. As frequencies do not
 * rise, the largest ones are in front, and they give in turn until the next one is as large.
 */
void removeSlots(uint32_t* frequencies, size_t entryCount, uint32_t excess) {
  size_t givers = 0;
  for (uint32_t largest = frequencies[0]; excess > 0; largest--) {
    while (givers < entryCount && frequencies[givers] == largest) givers++;
    for (size_t index = 0; index < givers && excess > 0; index++, excess--) frequencies[index]--;
  }
}

}  // namespace

uint32_t log2Fixed(uint32_t value) {
  static const std::unique_ptr<uint16_t[]> table = makeLog2Table();
  return table[value];
}

SymbolOrder orderSymbols(const Counts& counts) {
  SymbolOrder order{};
  std::array<uint32_t, 256> keys;
  for (uint32_t symbol = 0; symbol < counts.size(); symbol++)
    if (counts[symbol] != 0) keys[order.symbolCount++] = (countLimit - 1 - counts[symbol]) << symbolBits | symbol;
  sortByBits(keys.data(), order.symbolCount, symbolBits, symbolBits + countBits);
  for (size_t index = 0; index < order.symbolCount; index++)
    order.symbols[index] = static_cast<uint8_t>(keys[index] & symbolMask);
  return order;
}

FrequencyTable makeFrequencyTable(const Counts& counts, const SymbolOrder& order, size_t total,
                                  unsigned probabilityBits) {
  const uint32_t slots = uint32_t{1} << probabilityBits;
  const size_t entryCount = order.symbolCount;
  std::array<uint32_t, 256> frequencies;
  std::array<uint32_t, 256> remainders;
  uint32_t sum = 0;
  for (size_t index = 0; index < entryCount; index++) {
    const uint64_t scaled = uint64_t{counts[order.symbols[index]]} * slots;
    frequencies[index] = std::max<uint32_t>(1, static_cast<uint32_t>(scaled / total));
    remainders[index] = static_cast<uint32_t>(scaled % total);
    sum += frequencies[index];
  }
  if (sum < slots) addSlots(frequencies.data(), remainders.data(), entryCount, slots - sum);
  if (sum > slots) removeSlots(frequencies.data(), entryCount, sum - slots);
  std::array<uint32_t, 256> keys;
  for (size_t index = 0; index < entryCount; index++)
    keys[index] = (slots - frequencies[index]) << symbolBits | static_cast<uint32_t>(index);
  sortByBits(keys.data(), entryCount, 0, symbolBits + probabilityBits);
  FrequencyTable table{};
  table.probabilityBits = probabilityBits;
  table.symbolCount = entryCount;
  for (size_t index = 0; index < entryCount; index++) {
    table.symbols[index] = order.symbols[keys[index] & symbolMask];
    table.frequencies[index] = static_cast<uint16_t>(slots - (keys[index] >> symbolBits));
  }
  return table;
}

}  // namespace swarm
