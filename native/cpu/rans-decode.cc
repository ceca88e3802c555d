// rANS decoder, scalar reference. The words that a stream consumes are the one thing that parsing cannot prove, so each row
// checks them; everything else it reads has been checked.
#include <algorithm>

#include "cpu/rans.h"

namespace swarm {

namespace {

/** Per slot: symbol in bits 24..31, frequency in 12..23, slot minus the symbol's first slot in 0..11. */
using SlotTable = std::array<uint32_t, size_t{1} << probabilityBitsMax>;

void fillSlots(const PlanePlan& plane, SlotTable& slots) {
  size_t slot = 0;
  for (size_t index = 0; index < plane.symbolCount; index++) {
    const uint32_t frequency = load16(plane.frequencies + 2 * index);
    const uint32_t entry = uint32_t{plane.data[index]} << 24 | frequency << 12;
    for (uint32_t offset = 0; offset < frequency; offset++) slots[slot++] = entry | offset;
  }
}

struct Words {
  const uint8_t* next;
  const uint8_t* end;
};

inline uint32_t advance(const SlotTable& slots, unsigned bits, uint32_t state, uint8_t& symbol) {
  const uint32_t entry = slots[state & ((uint32_t{1} << bits) - 1)];
  symbol = static_cast<uint8_t>(entry >> 24);
  return (entry >> 12 & 0xFFF) * (state >> bits) + (entry & 0xFFF);
}

/** A row for which 32 words are known to be left. Without branches: a lane's need of a word cannot be predicted. */
template <unsigned bits>
inline void decodeRow(const SlotTable& slots, uint32_t* states, Words& words, uint8_t* row) {
  const uint8_t* next = words.next;
  for (size_t lane = 0; lane < laneCount; lane++) {
    const uint32_t state = advance(slots, bits, states[lane], row[lane]);
    const uint32_t needs = (state - stateMin) >> 31;
    states[lane] = state << (needs * 16) | (load16(next) & (0 - needs));
    next += needs * 2;
  }
  words.next = next;
}

/** A row near the end of the words. False when one is missing. */
template <unsigned bits>
bool decodeRowChecked(const SlotTable& slots, uint32_t* states, Words& words, uint8_t* row) {
  for (size_t lane = 0; lane < laneCount; lane++) {
    uint32_t state = advance(slots, bits, states[lane], row[lane]);
    if (state < stateMin) {
      if (words.next == words.end) return false;
      state = state << 16 | load16(words.next);
      words.next += 2;
    }
    states[lane] = state;
  }
  return true;
}

template <unsigned bits>
Status decodeStream(const SlotTable& slots, uint8_t filler, const uint8_t* stateBytes, Words words, uint8_t* symbols,
                    size_t size) {
  uint32_t states[laneCount];
  std::memcpy(states, stateBytes, sizeof states);
  const size_t rest = size % laneCount;
  for (size_t position = 0; position < size - rest; position += laneCount) {
    if (static_cast<size_t>(words.end - words.next) >= 2 * laneCount)
      decodeRow<bits>(slots, states, words, symbols + position);
    else if (!decodeRowChecked<bits>(slots, states, words, symbols + position))
      return Status::words;
  }
  if (rest != 0) {
    uint8_t row[laneCount];
    if (!decodeRowChecked<bits>(slots, states, words, row)) return Status::words;
    std::memcpy(symbols + size - rest, row, rest);
    for (size_t lane = rest; lane < laneCount; lane++)
      if (row[lane] != filler) return Status::paddingSymbol;
  }
  if (words.next != words.end) return Status::words;
  const bool ended = std::all_of(states, states + laneCount, [](uint32_t state) { return state == stateMin; });
  return ended ? Status::ok : Status::finalState;
}

template <unsigned bits>
Status decodeStreams(const PlanePlan& plane, uint8_t* symbols, size_t size) {
  SlotTable slots;
  fillSlots(plane, slots);
  size_t wordStart = 0;
  for (size_t stream = 0; stream < plane.streams; stream++) {
    const size_t wordEnd = load32(plane.streamEnds + 4 * stream);
    const size_t first = stream << streamBits;
    const Status status = decodeStream<bits>(slots, plane.data[0], plane.states + stream * 4 * laneCount,
                                             {plane.words + 2 * wordStart, plane.words + 2 * wordEnd}, symbols + first,
                                             std::min(streamSymbols, size - first));
    if (status != Status::ok) return status;
    wordStart = wordEnd;
  }
  return Status::ok;
}

}  // namespace

Status decodeRansPlane(const PlanePlan& plane, unsigned probabilityBits, uint8_t* symbols, size_t size) {
  switch (probabilityBits) {
    case 10: return decodeStreams<10>(plane, symbols, size);
    case 11: return decodeStreams<11>(plane, symbols, size);
    default: return decodeStreams<12>(plane, symbols, size);
  }
}

}  // namespace swarm
