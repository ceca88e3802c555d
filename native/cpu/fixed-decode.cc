// Decoder of FIX planes: the scalar reference, and what a kernel needs to know of a plane and its streams.
#include "cpu/fixed.h"

#include <algorithm>

namespace swarm {

namespace {

constexpr size_t groupSymbols = 64;

/** The next 64 bits of every bit plane; none past the block's last symbol. */
struct Group {
  std::array<uint64_t, codeBitsMax> bits;
  uint64_t escapes;
};

inline Group loadGroup(const FixedBlock& block, unsigned codeBits, size_t first) {
  const size_t left = block.size - first;
  const uint64_t used = left < groupSymbols ? (uint64_t{1} << left) - 1 : UINT64_MAX;
  Group group{};
  group.escapes = used;
  for (size_t plane = 0; plane < codeBits; plane++) {
    std::memcpy(&group.bits[plane], block.bits[plane] + first / 8, sizeof group.bits[plane]);
    group.bits[plane] &= used;
    group.escapes &= group.bits[plane];
  }
  return group;
}

size_t countEscapes(const FixedBlock& block, unsigned codeBits) {
  size_t count = 0;
  for (size_t first = 0; first < block.size; first += groupSymbols)
    count += static_cast<size_t>(__builtin_popcountll(loadGroup(block, codeBits, first).escapes));
  return count;
}

/** Bit i of `bits` (only the lowest eight) in the lowest bit of byte i. */
inline uint64_t spreadBits(uint64_t bits) {
  const uint64_t selected = (bits & 0xFF) * 0x0101010101010101 & 0x8040201008040201;
  return (selected + 0x7F7F7F7F7F7F7F7F) >> 7 & 0x0101010101010101;
}

constexpr uint16_t refused = 0x100;
/** What each code stands for; `refused` is set in those that stand for nothing. */
using CodeMeanings = std::array<uint16_t, size_t{1} << codeBitsMax>;

CodeMeanings makeMeanings(const FixedTable& table) {
  CodeMeanings meanings{};
  const size_t escape = (size_t{1} << table.codeBits) - 1;
  for (size_t code = 0; code < escape; code++) {
    const bool isEntry = code < table.symbolCount;
    meanings[code] = isEntry ? table.symbols[code] : refused;
  }
  return meanings;
}

/** Symbols of eight codes, one a byte; what is wrong with them is gathered in `seen`. */
inline uint64_t lookUpEight(const CodeMeanings& meanings, uint64_t codes, uint16_t& seen) {
  uint64_t symbols = 0;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    const uint16_t meaning = meanings[codes >> shift & 0xF];
    seen = static_cast<uint16_t>(seen | meaning);
    symbols |= uint64_t{meaning & 0xFFu} << shift;
  }
  return symbols;
}

}  // namespace

Status decodeFixedScalar(const FixedTable& table, const FixedBlock& block, uint8_t* symbols) {
  if (countEscapes(block, table.codeBits) != block.escapeCount) return Status::escapes;
  const CodeMeanings meanings = makeMeanings(table);
  const uint8_t* next = block.escapes;
  uint16_t seen = 0;
  for (size_t first = 0; first < block.size; first += groupSymbols) {
    const Group group = loadGroup(block, table.codeBits, first);
    uint8_t decoded[groupSymbols];
    const size_t count = std::min(groupSymbols, block.size - first);
    for (size_t index = 0; index < count; index += 8) {
      uint64_t codes = 0;
      for (size_t plane = 0; plane < table.codeBits; plane++)
        codes |= spreadBits(group.bits[plane] >> index) << plane;
      const uint64_t eight = lookUpEight(meanings, codes, seen);
      std::memcpy(decoded + index, &eight, sizeof eight);
    }
    for (uint64_t left = group.escapes; left != 0; left &= left - 1) decoded[__builtin_ctzll(left)] = *next++;
    std::memcpy(symbols + first, decoded, count);
  }
  return (seen & refused) == 0 ? Status::ok : Status::code;
}

FixedTable makeFixedTable(const PlanePlan& plane) {
  FixedTable table{codeBitsOf(plane.mode), plane.symbolCount, {}};
  std::copy_n(plane.data, table.symbolCount, table.symbols.begin());
  return table;
}

FixedBlock fixedBlock(const PlanePlan& plane, size_t stream, size_t size) {
  const size_t start = stream == 0 ? 0 : load32(plane.streamEnds + 4 * (stream - 1));
  const size_t end = load32(plane.streamEnds + 4 * stream);
  FixedBlock block{{}, plane.escapes + start, end - start, plane.dataEnd, size};
  for (size_t bit = 0; bit < codeBitsOf(plane.mode); bit++)
    block.bits[bit] = plane.bits + bit * plane.bitPlaneBytes + (stream << plane.streamBits) / 8;
  return block;
}

}  // namespace swarm
