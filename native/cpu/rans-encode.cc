// rANS encoder: tables, the scalar reference, and the frame around the faster loops. Symbols go in last to first, so words are
// written from the end of a buffer towards its start.
#include <algorithm>

#include "cpu/kernels.h"

namespace swarm {

namespace {

EncodeTable makeEncodeTable(const FrequencyTable& table) {
  EncodeTable made{};
  const unsigned probabilityBits = table.probabilityBits;
  made.probabilityBits = probabilityBits;
  made.filler = table.symbols[0];
  made.symbolCount = table.symbolCount;
  made.symbols = table.symbols;
  uint32_t start = 0;
  for (size_t index = 0; index < table.symbolCount; index++) {
    const uint32_t frequency = table.frequencies[index];
    SymbolStep& step = made.steps[table.symbols[index]];
    unsigned shift = 0;
    while (uint32_t{2} << shift < frequency) shift++;
    const bool single = frequency == 1;
    step.reciprocal = single ? UINT32_MAX
                             : static_cast<uint32_t>(((uint64_t{1} << (32 + shift)) + frequency - 1) / frequency);
    const uint32_t addend = single ? start + (uint32_t{1} << probabilityBits) - 1 : start;
    step.packed = frequency | addend << 12 | shift << 25;
    start += frequency;
  }
  return made;
}

/** Encodes one row, lanes 31 to 0. */
inline void encodeRow(const EncodeTable& table, const uint8_t* row, EncodeStream& stream) {
  const unsigned bits = table.probabilityBits;
  uint16_t* words = stream.words;
  for (size_t lane = laneCount; lane-- > 0;) {
    const SymbolStep step = table.steps[row[lane]];
    const uint32_t frequency = step.packed & 0xFFF;
    uint32_t state = stream.states[lane];
    const uint32_t emits = state >= frequency << (31 - bits);
    words[-1] = static_cast<uint16_t>(state);
    words -= emits;
    state >>= emits * 16;
    const uint32_t quotient = static_cast<uint32_t>(uint64_t{state} * step.reciprocal >> 32) >> (step.packed >> 25);
    stream.states[lane] = state + (step.packed >> 12 & 0x1FFF) + quotient * ((uint32_t{1} << bits) - frequency);
  }
  stream.words = words;
}

/** Starts a stream at its end, with the row that needs fillers, if there is one. */
void beginStream(const EncodeTable& table, const uint8_t* symbols, size_t size, uint16_t* wordsEnd,
                 EncodeStream& stream) {
  std::fill(stream.states, stream.states + laneCount, stateMin);
  stream.words = wordsEnd;
  stream.symbols = symbols;
  const size_t rest = size % laneCount;
  stream.size = size - rest;
  if (rest == 0) return;
  uint8_t row[laneCount];
  std::memset(row, table.filler, laneCount);
  std::memcpy(row, symbols + stream.size, rest);
  encodeRow(table, row, stream);
}

void writeTable(const FrequencyTable& table, const RansLayout& layout, uint8_t* out) {
  std::memset(out, 0, layout.states);
  std::memcpy(out, table.symbols.data(), table.symbolCount);
  for (size_t index = 0; index < table.symbolCount; index++)
    store16(out + layout.frequencies + 2 * index, table.frequencies[index]);
}

}  // namespace

void encodeRowsScalar(const EncodeTable& table, EncodeStream* streams, size_t count) {
  for (size_t index = 0; index < count; index++) {
    EncodeStream& stream = streams[index];
    for (; stream.size > 0; stream.size -= laneCount)
      encodeRow(table, stream.symbols + stream.size - laneCount, stream);
  }
}

size_t encodeRansPlane(const Kernels& kernels, const uint8_t* symbols, size_t size, const FrequencyTable& table,
                       unsigned streamBits, uint8_t* out, size_t capacity, std::vector<uint16_t>& scratch,
                       uint32_t& wordCount) {
  const RansLayout layout(size, table.symbolCount, streamBits);
  if (layout.words > capacity) return 0;
  writeTable(table, layout, out);
  const EncodeTable encodeTable = makeEncodeTable(table);
  // One word per symbol at most, and a row in front that may be scribbled on.
  const size_t streamSymbols = size_t{1} << streamBits;
  const size_t streamWords = streamSymbols + laneCount;
  scratch.resize(streamsAtOnce * streamWords);
  size_t position = layout.words;
  for (size_t stream = 0; stream < layout.streams;) {
    // Full streams in groups; the last one, which may be short, alone.
    const size_t full = size / streamSymbols - std::min(stream, size / streamSymbols);
    const size_t count = std::max<size_t>(1, std::min(full, streamsAtOnce));
    EncodeStream streams[streamsAtOnce];
    for (size_t index = 0; index < count; index++) {
      const size_t first = (stream + index) << streamBits;
      beginStream(encodeTable, symbols + first, std::min(streamSymbols, size - first),
                  scratch.data() + (index + 1) * streamWords, streams[index]);
    }
    kernels.encodeRows(encodeTable, streams, count);
    for (size_t index = 0; index < count; index++, stream++) {
      const uint16_t* words = streams[index].words;
      const size_t bytes = static_cast<size_t>(scratch.data() + (index + 1) * streamWords - words) * 2;
      if (bytes > capacity - position) return 0;
      std::memcpy(out + position, words, bytes);
      std::memcpy(out + layout.states + stream * sizeof streams[index].states, streams[index].states,
                  sizeof streams[index].states);
      position += bytes;
      store32(out + layout.streamEnds + 4 * stream, static_cast<uint32_t>((position - layout.words) / 2));
    }
  }
  wordCount = static_cast<uint32_t>((position - layout.words) / 2);
  return position;
}

}  // namespace swarm
