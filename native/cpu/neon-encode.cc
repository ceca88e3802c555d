// rANS encoder for NEON: a row of 32 lanes is eight registers of states; the rows of two streams are interleaved.
#include "cpu/neon.h"

#if defined(__aarch64__)

namespace swarm::neon {

namespace {

/** laneOfWord[m]: the lanes in m, ascending, at the end; zeros in front. */
constexpr WordOrders makeLaneOfWord() {
  WordOrders orders{};
  for (size_t mask = 0; mask < orders.size(); mask++) {
    size_t place = 2 * groupLanes;
    for (size_t lane = groupLanes; lane-- > 0;) {
      if ((mask >> lane & 1) == 0) continue;
      orders[mask][--place] = static_cast<uint8_t>(2 * lane + 1);
      orders[mask][--place] = static_cast<uint8_t>(2 * lane);
    }
    while (place > 0) orders[mask][--place] = 0xFF;
  }
  return orders;
}

alignas(64) constexpr WordOrders laneOfWord = makeLaneOfWord();

struct Stream {
  /** Two registers for each group of lanes. */
  uint32x4_t states[2 * groupsPerRow];
  uint8_t* words;
  const uint8_t* symbolsEnd;
};

/** Steps of four lanes. */
struct Steps {
  uint32x4_t reciprocals;
  uint32x4_t packed;
};

SWARM_NEON_INLINE Steps loadSteps(const SymbolStep* steps, const uint8_t* symbols) {
  // Both fields of a step at once.
  const auto step = [steps, symbols](size_t lane) { return vld1_u32(&steps[symbols[lane]].reciprocal); };
  const uint32x4_t lower = vcombine_u32(step(0), step(1));
  const uint32x4_t upper = vcombine_u32(step(2), step(3));
  return {vuzp1q_u32(lower, upper), vuzp2q_u32(lower, upper)};
}

/** `emits`: all ones in the lanes that give a word first. */
template <unsigned bits>
SWARM_NEON_INLINE uint32x4_t advance(uint32x4_t states, uint32x4_t emits, const Steps& steps) {
  const uint32x4_t kept = vbslq_u32(emits, vshrq_n_u32(states, 16), states);
  const uint32x4_t lower = vreinterpretq_u32_u64(vmull_u32(vget_low_u32(kept), vget_low_u32(steps.reciprocals)));
  const uint32x4_t upper = vreinterpretq_u32_u64(vmull_high_u32(kept, steps.reciprocals));
  const int32x4_t shift = vreinterpretq_s32_u32(vshrq_n_u32(steps.packed, 25));
  const uint32x4_t quotients = vshlq_u32(vuzp2q_u32(lower, upper), vnegq_s32(shift));
  const uint32x4_t frequency = vandq_u32(steps.packed, vdupq_n_u32(0xFFF));
  const uint32x4_t start = vandq_u32(vshrq_n_u32(steps.packed, 12), vdupq_n_u32(0x1FFF));
  return vmlaq_u32(vaddq_u32(kept, start), quotients, vsubq_u32(vdupq_n_u32(1 << bits), frequency));
}

template <unsigned bits>
SWARM_NEON_INLINE uint32x4_t mustEmit(uint32x4_t states, const Steps& steps) {
  return vcgeq_u32(states, vshlq_n_u32(vandq_u32(steps.packed, vdupq_n_u32(0xFFF)), 31 - bits));
}

/** The lower halves of eight lanes. */
SWARM_NEON_INLINE uint16x8_t lowHalves(uint32x4_t first, uint32x4_t second) {
  return vuzp1q_u16(vreinterpretq_u16_u32(first), vreinterpretq_u16_u32(second));
}

/** What a group of lanes leaves for the row: the words it may give, and which lanes do. */
struct Encoded {
  uint16x8_t words;
  uint16x8_t emits;
};

template <unsigned bits>
SWARM_NEON_INLINE Encoded encodeGroup(const SymbolStep* steps, const uint8_t* symbols, uint32x4_t& first,
                                      uint32x4_t& second) {
  const Steps firstSteps = loadSteps(steps, symbols);
  const Steps secondSteps = loadSteps(steps, symbols + groupLanes / 2);
  const uint32x4_t firstEmits = mustEmit<bits>(first, firstSteps);
  const uint32x4_t secondEmits = mustEmit<bits>(second, secondSteps);
  const Encoded encoded = {lowHalves(first, second), lowHalves(firstEmits, secondEmits)};
  first = advance<bits>(first, firstEmits, firstSteps);
  second = advance<bits>(second, secondEmits, secondSteps);
  return encoded;
}

/** Puts the words of the lanes in `mask` in front of `end`, and scribbles on what lies in front of them. */
SWARM_NEON_INLINE void emit(uint16x8_t words, uint8_t mask, uint8_t* end) {
  const uint8x16_t order = vld1q_u8(laneOfWord[mask].data());
  vst1q_u8(end - 2 * groupLanes, vqtbl1q_u8(vreinterpretq_u8_u16(words), order));
}

/** Groups one by one instead of loops, which compilers do not unroll here: the states would live in memory. */
template <unsigned bits>
SWARM_NEON_INLINE void encodeRow(const SymbolStep* steps, Stream& stream) {
  static_assert(groupsPerRow == 4);
  stream.symbolsEnd -= laneCount;
  const uint8_t* const symbols = stream.symbolsEnd;
  uint32x4_t* const states = stream.states;
  const Encoded first = encodeGroup<bits>(steps, symbols, states[0], states[1]);
  const Encoded second = encodeGroup<bits>(steps, symbols + groupLanes, states[2], states[3]);
  const Encoded third = encodeGroup<bits>(steps, symbols + 2 * groupLanes, states[4], states[5]);
  const Encoded fourth = encodeGroup<bits>(steps, symbols + 3 * groupLanes, states[6], states[7]);
  const RowWords words = countWords(first.emits, second.emits, third.emits, fourth.emits);
  uint8_t* const start = stream.words - words.end(3);
  // From the last group on: each overwrites what the one behind it wrote in front of its words.
  emit(fourth.words, words.mask(3), start + words.end(3));
  emit(third.words, words.mask(2), start + words.end(2));
  emit(second.words, words.mask(1), start + words.end(1));
  emit(first.words, words.mask(0), start + words.end(0));
  stream.words = start;
}

template <size_t count, unsigned bits>
void encodeInterleaved(const SymbolStep* steps, EncodeStream* streams) {
  constexpr size_t registerLanes = 4;
  Stream local[count];
  for (size_t index = 0; index < count; index++) {
    const EncodeStream& stream = streams[index];
    for (size_t part = 0; part < 2 * groupsPerRow; part++)
      local[index].states[part] = vld1q_u32(stream.states + part * registerLanes);
    local[index].words = reinterpret_cast<uint8_t*>(stream.words);
    local[index].symbolsEnd = stream.symbols + stream.size;
  }
  for (size_t rows = streams[0].size / laneCount; rows > 0; rows--) {
    encodeRow<bits>(steps, local[0]);
    if constexpr (count == 2) encodeRow<bits>(steps, local[1]);
  }
  for (size_t index = 0; index < count; index++) {
    EncodeStream& stream = streams[index];
    for (size_t part = 0; part < 2 * groupsPerRow; part++)
      vst1q_u32(stream.states + part * registerLanes, local[index].states[part]);
    stream.words = reinterpret_cast<uint16_t*>(local[index].words);
    stream.size = 0;
  }
}

template <unsigned bits>
void encodeBits(const EncodeTable& table, EncodeStream* streams, size_t count) {
  const SymbolStep* const steps = table.steps.data();
  size_t index = 0;
  for (; index + 2 <= count; index += 2) encodeInterleaved<2, bits>(steps, streams + index);
  if (index < count) encodeInterleaved<1, bits>(steps, streams + index);
}

}  // namespace

void encodeRows(const EncodeTable& table, EncodeStream* streams, size_t count) {
  switch (table.probabilityBits) {
    case 10: return encodeBits<10>(table, streams, count);
    case 11: return encodeBits<11>(table, streams, count);
    default: return encodeBits<12>(table, streams, count);
  }
}

}  // namespace swarm::neon
#endif
