// rANS decoder: the scalar reference, and around the faster loops what they leave over. The words that a stream consumes are
// the one thing that parsing cannot prove; everything else that is read here has been checked.
#include <algorithm>

#include "cpu/crc32c.h"
#include "cpu/kernels.h"

namespace swarm {

namespace {

using SlotTable = decltype(DecodeTable::slots);

inline uint32_t advance(const SlotTable& slots, unsigned bits, uint32_t state, uint8_t& symbol) {
  const uint32_t entry = slots[state & ((uint32_t{1} << bits) - 1)];
  symbol = static_cast<uint8_t>(entry);
  return (entry >> (32 - bits)) * (state >> bits) + (entry >> 8 & 0xFFF);
}

/**
 * Decodes all rows for which 32 words are sure to be left. Without branches: a lane's need of a word cannot be predicted. Nothing in
 * the loop is reached through `stream`, because a compiler must take each stored symbol for a change of that.
 */
template <unsigned bits>
void decodeSureRows(const SlotTable& slots, DecodeStream& stream) {
  uint32_t states[laneCount];
  std::memcpy(states, stream.states, sizeof states);
  const uint8_t* next = stream.next;
  uint8_t* symbols = stream.symbols;
  size_t size = stream.size;
  for (; size >= laneCount && static_cast<size_t>(stream.end - next) >= rowWordBytes; size -= laneCount) {
    uint8_t row[laneCount];
#pragma GCC unroll 4
    for (size_t lane = 0; lane < laneCount; lane++) {
      const uint32_t state = advance(slots, bits, states[lane], row[lane]);
      const uint32_t needs = (state - stateMin) >> 31;
      states[lane] = state << (needs * 16) | (load16(next) & (0 - needs));
      next += needs * 2;
    }
    std::memcpy(symbols, row, sizeof row);
    symbols += laneCount;
  }
  std::memcpy(stream.states, states, sizeof states);
  stream.next = next;
  stream.symbols = symbols;
  stream.size = size;
}

/** A row near the end of the words. False when one is missing. */
template <unsigned bits>
bool decodeRowChecked(const SlotTable& slots, DecodeStream& stream, uint8_t* row) {
  for (size_t lane = 0; lane < laneCount; lane++) {
    uint32_t state = advance(slots, bits, stream.states[lane], row[lane]);
    if (state < stateMin) {
      if (stream.next == stream.end) return false;
      state = state << 16 | load16(stream.next);
      stream.next += 2;
    }
    stream.states[lane] = state;
  }
  return true;
}

/** Decodes what is left of a stream, to its end, and checks that it is the end. */
template <unsigned bits>
Status finishStream(const DecodeTable& table, DecodeStream& stream) {
  if (stream.next > stream.end) return Status::words;
  decodeSureRows<bits>(table.slots, stream);
  while (stream.size >= laneCount) {
    if (!decodeRowChecked<bits>(table.slots, stream, stream.symbols)) return Status::words;
    stream.symbols += laneCount;
    stream.size -= laneCount;
  }
  if (stream.size != 0) {
    uint8_t row[laneCount];
    if (!decodeRowChecked<bits>(table.slots, stream, row)) return Status::words;
    std::memcpy(stream.symbols, row, stream.size);
    for (size_t lane = stream.size; lane < laneCount; lane++)
      if (row[lane] != table.symbols[0]) return Status::paddingSymbol;
  }
  if (stream.next != stream.end) return Status::words;
  const bool ended =
      std::all_of(stream.states, stream.states + laneCount, [](uint32_t state) { return state == stateMin; });
  return ended ? Status::ok : Status::finalState;
}

Status finish(const DecodeTable& table, DecodeStream& stream) {
  switch (table.probabilityBits) {
    case 10: return finishStream<10>(table, stream);
    case 11: return finishStream<11>(table, stream);
    default: return finishStream<12>(table, stream);
  }
}

/** Joins the elements of a stream, which start at `first`, from the symbol `reached` on or, if none are joined yet, all. */
void completeElements(const Kernels& kernels, const DecodeStream& stream, const uint8_t* symbols, const uint8_t* reached,
                      const uint8_t* first) {
  const uint8_t* const unjoined = stream.elements == first ? symbols : reached;
  const auto count = static_cast<size_t>(stream.symbols + stream.size - unjoined);
  const uint8_t* const planes[2] = {unjoined, stream.lowPlane};
  constexpr size_t steps[2] = {1, 1};
  kernels.joinPlanes(Element::bf16, planes, steps, count, stream.elements);
}

}  // namespace

void makeDecodeTable(const PlanePlan& plane, DecodeTable& table) {
  table.probabilityBits = plane.probabilityBits;
  table.symbolCount = plane.symbolCount;
  table.symbols = plane.data;
  table.frequencies = plane.frequencies;
  size_t slot = 0;
  for (size_t index = 0; index < plane.symbolCount; index++) {
    const uint32_t frequency = load16(plane.frequencies + 2 * index);
    const uint32_t entry = frequency << (32 - plane.probabilityBits) | plane.data[index];
    for (uint32_t offset = 0; offset < frequency; offset++) table.slots[slot++] = entry | offset << 8;
  }
}

Status decodeStreams(const Kernels& kernels, const DecodeTable& table, const PlanePlan& plane, size_t firstStream,
                     uint8_t* symbols, size_t size, SymbolUse use) {
  DecodeStream streams[streamsAtOnce];
  const unsigned streamBits = plane.streamBits;
  const size_t count = streamCount(size, streamBits);
  size_t wordStart = firstStream == 0 ? 0 : load32(plane.streamEnds + 4 * (firstStream - 1));
  for (size_t index = 0; index < count; index++) {
    const size_t wordEnd = load32(plane.streamEnds + 4 * (firstStream + index));
    const size_t first = index << streamBits;
    DecodeStream& stream = streams[index];
    std::memcpy(stream.states, plane.states + (firstStream + index) * sizeof stream.states, sizeof stream.states);
    stream.next = plane.words + 2 * wordStart;
    stream.end = plane.words + 2 * wordEnd;
    stream.symbols = symbols + first;
    stream.size = std::min(size_t{1} << streamBits, size - first);
    stream.elements = use.elements == nullptr ? nullptr : use.elements + 2 * first;
    stream.lowPlane = use.elements == nullptr ? nullptr : use.lowPlane + first;
    stream.isSummed = use.crc != nullptr;
    stream.crc = 0;
    stream.summedBytes = 0;
    wordStart = wordEnd;
  }
  const uint8_t* wordsEnd = plane.words + 2 * size_t{load32(plane.streamEnds + 4 * (plane.streams - 1))};
  kernels.decodeRows(table, streams, count, wordsEnd);
  for (size_t index = 0; index < count; index++) {
    DecodeStream& stream = streams[index];
    const uint8_t* const reached = stream.symbols;
    const Status status = finish(table, stream);
    if (status != Status::ok) return status;
    const size_t first = index << streamBits;
    const size_t streamSize = std::min(size_t{1} << streamBits, size - first);
    const bool isJoined = use.elements != nullptr;
    const uint8_t* const bytes = isJoined ? use.elements + 2 * first : symbols + first;
    if (isJoined) completeElements(kernels, stream, symbols + first, reached, bytes);
    if (use.crc == nullptr) continue;
    const size_t byteCount = isJoined ? 2 * streamSize : streamSize;
    const uint32_t crc = kernels.updateCrc(stream.crc, bytes + stream.summedBytes, byteCount - stream.summedBytes);
    *use.crc = joinCrc(*use.crc, crc, byteCount);
  }
  return Status::ok;
}

}  // namespace swarm
