// rANS encoder, scalar reference. Symbols go in last to first, so words are written from the end of a buffer towards its start.
#include <algorithm>

#include "cpu/rans.h"

namespace swarm {

namespace {

/** What encoding one symbol needs; division by the frequency is a multiplication by its reciprocal. */
struct SymbolStep {
  uint32_t reciprocal;
  uint32_t emitFrom;  // states from here on give up a word first
  uint16_t start;
  uint16_t complement;  // 2^bits - frequency
  uint8_t shift;
};

using Steps = std::array<SymbolStep, 256>;

/**
 * q = (x * reciprocal) >> shift equals x / frequency for every x < 2^31, because reciprocal = ceil(2^(31+k) / frequency)
 * with 2^k >= frequency (T. Granlund and P. Montgomery, "Division by invariant integers", 1994).
 */
Steps makeSteps(const FrequencyTable& table, unsigned probabilityBits) {
  Steps steps{};
  uint32_t start = 0;
  for (size_t index = 0; index < table.symbolCount; index++) {
    const uint32_t frequency = table.frequencies[index];
    unsigned k = 0;
    while (uint32_t{1} << k < frequency) k++;
    SymbolStep& step = steps[table.symbols[index]];
    step.shift = static_cast<uint8_t>(31 + k);
    step.reciprocal = static_cast<uint32_t>(((uint64_t{1} << step.shift) + frequency - 1) / frequency);
    step.emitFrom = frequency << (31 - probabilityBits);
    step.start = static_cast<uint16_t>(start);
    step.complement = static_cast<uint16_t>((uint32_t{1} << probabilityBits) - frequency);
    start += frequency;
  }
  return steps;
}

/** Encodes one row, lanes 31 to 0. Returns the new start of the words. */
inline uint16_t* encodeRow(const Steps& steps, const uint8_t* row, uint32_t* states, uint16_t* words) {
  for (size_t lane = laneCount; lane-- > 0;) {
    const SymbolStep& step = steps[row[lane]];
    uint32_t state = states[lane];
    const uint32_t emits = state >= step.emitFrom;
    words[-1] = static_cast<uint16_t>(state);
    words -= emits;
    state >>= emits * 16;
    const auto quotient = static_cast<uint32_t>(uint64_t{state} * step.reciprocal >> step.shift);
    states[lane] = state + step.start + quotient * step.complement;
  }
  return words;
}

/** Encodes up to streamSymbols symbols; words end at `wordsEnd`. Returns where they start. */
uint16_t* encodeStream(const Steps& steps, uint8_t filler, const uint8_t* symbols, size_t size, uint32_t* states,
                       uint16_t* wordsEnd) {
  std::fill(states, states + laneCount, stateMin);
  uint16_t* words = wordsEnd;
  const size_t rest = size % laneCount;
  if (rest != 0) {
    uint8_t row[laneCount];
    std::memset(row, filler, laneCount);
    std::memcpy(row, symbols + size - rest, rest);
    words = encodeRow(steps, row, states, words);
  }
  for (size_t position = size - rest; position > 0; position -= laneCount)
    words = encodeRow(steps, symbols + position - laneCount, states, words);
  return words;
}

void writeTable(const FrequencyTable& table, const RansLayout& layout, uint8_t* out) {
  std::memset(out, 0, layout.states);
  std::memcpy(out, table.symbols.data(), table.symbolCount);
  for (size_t index = 0; index < table.symbolCount; index++)
    store16(out + layout.frequencies + 2 * index, table.frequencies[index]);
}

}  // namespace

size_t encodeRansPlane(const uint8_t* symbols, size_t size, const FrequencyTable& table, unsigned probabilityBits,
                       uint8_t* out, size_t capacity, std::vector<uint16_t>& scratch, uint32_t& wordCount) {
  const RansLayout layout(size, table.symbolCount);
  if (layout.words > capacity) return 0;
  writeTable(table, layout, out);
  const Steps steps = makeSteps(table, probabilityBits);
  // One word per symbol at most, and one in front that encodeRow may write without keeping it.
  scratch.resize(streamSymbols + 1);
  uint16_t* const wordsEnd = scratch.data() + scratch.size();
  size_t position = layout.words;
  for (size_t stream = 0; stream < layout.streams; stream++) {
    const size_t first = stream << streamBits;
    const size_t count = std::min(streamSymbols, size - first);
    uint32_t states[laneCount];
    const uint16_t* words = encodeStream(steps, table.symbols[0], symbols + first, count, states, wordsEnd);
    const size_t bytes = static_cast<size_t>(wordsEnd - words) * 2;
    if (bytes > capacity - position) return 0;
    std::memcpy(out + position, words, bytes);
    std::memcpy(out + layout.states + stream * sizeof states, states, sizeof states);
    position += bytes;
    store32(out + layout.streamEnds + 4 * stream, static_cast<uint32_t>((position - layout.words) / 2));
  }
  wordCount = static_cast<uint32_t>((position - layout.words) / 2);
  return position;
}

}  // namespace swarm
