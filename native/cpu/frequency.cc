// Frequencies from counts, and whether they are worth using.
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

struct Entry {
  uint8_t symbol;
  uint32_t count;
  uint32_t frequency;
  uint64_t remainder;
};

/** Hands `spare` slots to the entries with the largest remainders; earlier entries first where equal. */
void addSlots(Entry* entries, size_t entryCount, uint32_t spare) {
  std::array<uint16_t, 256> order;
  for (size_t index = 0; index < entryCount; index++) order[index] = static_cast<uint16_t>(index);
  std::stable_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(entryCount),
                   [&](uint16_t a, uint16_t b) { return entries[a].remainder > entries[b].remainder; });
  for (size_t index = 0; index < spare; index++) entries[order[index]].frequency++;
}

/** Takes `excess` slots one at a time from the largest frequency; from the earliest of those where equal. */
void removeSlots(Entry* entries, size_t entryCount, uint32_t excess) {
  for (; excess > 0; excess--) {
    Entry* largest = std::max_element(entries, entries + entryCount,
                                      [](const Entry& a, const Entry& b) { return a.frequency < b.frequency; });
    largest->frequency--;
  }
}

}  // namespace

uint32_t log2Fixed(uint32_t value) {
  static const std::unique_ptr<uint16_t[]> table = makeLog2Table();
  return table[value];
}

FrequencyTable makeFrequencyTable(const Counts& counts, size_t total, unsigned probabilityBits) {
  const uint32_t slots = uint32_t{1} << probabilityBits;
  std::array<Entry, 256> entries;
  size_t entryCount = 0;
  for (size_t symbol = 0; symbol < 256; symbol++)
    if (counts[symbol] != 0) entries[entryCount++] = {static_cast<uint8_t>(symbol), counts[symbol], 0, 0};
  const auto end = entries.begin() + static_cast<std::ptrdiff_t>(entryCount);
  std::stable_sort(entries.begin(), end, [](const Entry& a, const Entry& b) { return a.count > b.count; });
  uint32_t sum = 0;
  for (auto entry = entries.begin(); entry != end; ++entry) {
    const uint64_t scaled = uint64_t{entry->count} * slots;
    entry->frequency = std::max<uint32_t>(1, static_cast<uint32_t>(scaled / total));
    entry->remainder = scaled % total;
    sum += entry->frequency;
  }
  if (sum < slots) addSlots(entries.data(), entryCount, slots - sum);
  if (sum > slots) removeSlots(entries.data(), entryCount, sum - slots);
  std::sort(entries.begin(), end, [](const Entry& a, const Entry& b) {
    return a.frequency != b.frequency ? a.frequency > b.frequency : a.symbol < b.symbol;
  });
  FrequencyTable table{};
  table.symbolCount = entryCount;
  for (size_t index = 0; index < entryCount; index++) {
    table.symbols[index] = entries[index].symbol;
    table.frequencies[index] = static_cast<uint16_t>(entries[index].frequency);
  }
  return table;
}

bool isWorthCoding(const Counts& counts, const FrequencyTable& table, size_t total, unsigned probabilityBits) {
  uint64_t cost = 0;
  for (size_t index = 0; index < table.symbolCount; index++)
    cost += uint64_t{counts[table.symbols[index]]} * (probabilityBits * 256 - log2Fixed(table.frequencies[index]));
  const uint64_t estimate = RansLayout(total, table.symbolCount).words + (cost + 2047) / 2048;
  return estimate * 50 <= uint64_t{total} * 49;
}

}  // namespace swarm
