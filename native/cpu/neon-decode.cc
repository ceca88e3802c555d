// rANS decoder for NEON: the rows of two streams are interleaved, tables are looked up in memory. States lie as their upper and
// lower 16 bits in registers of their own, which needs half as many instructions as whole ones: eight lanes a register, and
// refilling a lane is a move from one half to the other.
#include "cpu/neon.h"

#if defined(__aarch64__)

namespace swarm::neon {

namespace {

/** wordOfLane[m]: which word each lane in m gets, lanes ascending; zero for the others. */
constexpr WordOrders makeWordOfLane() {
  WordOrders orders{};
  for (size_t mask = 0; mask < orders.size(); mask++) {
    uint8_t below = 0;
    for (size_t lane = 0; lane < groupLanes; lane++) {
      const bool takes = (mask >> lane & 1) != 0;
      // vqtbl1q_u8 gives zero for a byte from outside.
      orders[mask][2 * lane] = takes ? static_cast<uint8_t>(2 * below) : 0xFF;
      orders[mask][2 * lane + 1] = takes ? static_cast<uint8_t>(2 * below + 1) : 0xFF;
      below = static_cast<uint8_t>(below + takes);
    }
  }
  return orders;
}

alignas(64) constexpr WordOrders wordOfLane = makeWordOfLane();

struct Stream {
  uint16x8_t low[groupsPerRow];
  uint16x8_t high[groupsPerRow];
  const uint8_t* next;
  uint8_t* symbols;
};

/** Entries of DecodeTable::slots for eight lanes, cut in two like the states. */
struct Entries {
  uint16x8_t low;
  uint16x8_t high;
};

/** Put together in the other registers, which have less to do. */
SWARM_NEON_INLINE uint64x1_t lookUpTwo(const uint32_t* slots, uint64_t at) {
  return vcreate_u64(slots[at & 0xFFFF] | uint64_t{slots[at >> 16 & 0xFFFF]} << 32);
}

SWARM_NEON_INLINE uint16x8_t lookUpFour(const uint32_t* slots, uint64_t at) {
  return vreinterpretq_u16_u64(vcombine_u64(lookUpTwo(slots, at), lookUpTwo(slots, at >> 32)));
}

SWARM_NEON_INLINE Entries lookUp(const uint32_t* slots, uint16x8_t at) {
  const uint64x2_t halves = vreinterpretq_u64_u16(at);
  const uint16x8_t first = lookUpFour(slots, vgetq_lane_u64(halves, 0));
  const uint16x8_t second = lookUpFour(slots, vgetq_lane_u64(halves, 1));
  return {vuzp1q_u16(first, second), vuzp2q_u16(first, second)};
}

/** x = frequency * (x >> bits) + offset for eight lanes; the result is below 2^31. */
template <unsigned bits>
SWARM_NEON_INLINE void advance(uint16x8_t& low, uint16x8_t& high, const Entries& entries) {
  const uint16x8_t frequency = vshrq_n_u16(entries.high, 16 - bits);
  const uint16x8_t offset = vandq_u16(vsriq_n_u16(vshlq_n_u16(entries.high, 8), entries.low, 8), vdupq_n_u16(0xFFF));
  const uint16x8_t quotientLow = vsriq_n_u16(vshlq_n_u16(high, 16 - bits), low, bits);
  const uint16x8_t quotientHigh = vshrq_n_u16(high, bits);
  const uint16x8_t first = vreinterpretq_u16_u32(
      vmlal_u16(vmovl_u16(vget_low_u16(offset)), vget_low_u16(quotientLow), vget_low_u16(frequency)));
  const uint16x8_t second = vreinterpretq_u16_u32(vmlal_high_u16(vmovl_high_u16(offset), quotientLow, frequency));
  low = vuzp1q_u16(first, second);
  high = vmlaq_u16(vuzp2q_u16(first, second), quotientHigh, frequency);
}

/** What a group of lanes leaves for the row: its symbols in the even bytes, and which lanes need a word. */
struct Decoded {
  uint8x16_t symbols;
  uint16x8_t needs;
};

template <unsigned bits>
SWARM_NEON_INLINE Decoded decodeGroup(const uint32_t* slots, uint16x8_t& low, uint16x8_t& high) {
  const Entries entries = lookUp(slots, vandq_u16(low, vdupq_n_u16((1 << bits) - 1)));
  advance<bits>(low, high, entries);
  // Below 2^15: bits 15 to 30 are zero.
  return {vreinterpretq_u8_u16(entries.low), vceqzq_u16(vsriq_n_u16(vshlq_n_u16(high, 1), low, 15))};
}

/** Gives a word from `from` to every lane that needs one. */
SWARM_NEON_INLINE void refill(uint16x8_t& low, uint16x8_t& high, uint16x8_t needs, uint8_t mask, const uint8_t* from) {
  const uint16x8_t words = vreinterpretq_u16_u8(vqtbl1q_u8(vld1q_u8(from), vld1q_u8(wordOfLane[mask].data())));
  high = vbslq_u16(needs, low, high);
  low = vbslq_u16(needs, words, low);
}

/** Groups one by one instead of loops, which compilers do not unroll here: the states would live in memory. */
template <unsigned bits>
SWARM_NEON_INLINE void decodeRow(const uint32_t* slots, Stream& stream) {
  static_assert(groupsPerRow == 4);
  const Decoded first = decodeGroup<bits>(slots, stream.low[0], stream.high[0]);
  const Decoded second = decodeGroup<bits>(slots, stream.low[1], stream.high[1]);
  const Decoded third = decodeGroup<bits>(slots, stream.low[2], stream.high[2]);
  const Decoded fourth = decodeGroup<bits>(slots, stream.low[3], stream.high[3]);
  const RowWords words = countWords(first.needs, second.needs, third.needs, fourth.needs);
  refill(stream.low[0], stream.high[0], first.needs, words.mask(0), stream.next);
  refill(stream.low[1], stream.high[1], second.needs, words.mask(1), stream.next + words.end(0));
  refill(stream.low[2], stream.high[2], third.needs, words.mask(2), stream.next + words.end(1));
  refill(stream.low[3], stream.high[3], fourth.needs, words.mask(3), stream.next + words.end(2));
  stream.next += words.end(3);
  vst1q_u8(stream.symbols, vuzp1q_u8(first.symbols, second.symbols));
  vst1q_u8(stream.symbols + 2 * groupLanes, vuzp1q_u8(third.symbols, fourth.symbols));
  stream.symbols += laneCount;
}

SWARM_NEON_INLINE Stream load(const DecodeStream& stream) {
  Stream local;
  for (size_t group = 0; group < groupsPerRow; group++) {
    const uint32_t* const states = stream.states + group * groupLanes;
    const uint16x8_t first = vreinterpretq_u16_u32(vld1q_u32(states));
    const uint16x8_t second = vreinterpretq_u16_u32(vld1q_u32(states + groupLanes / 2));
    local.low[group] = vuzp1q_u16(first, second);
    local.high[group] = vuzp2q_u16(first, second);
  }
  local.next = stream.next;
  local.symbols = stream.symbols;
  return local;
}

SWARM_NEON_INLINE void store(const Stream& local, size_t rows, DecodeStream& stream) {
  for (size_t group = 0; group < groupsPerRow; group++) {
    uint32_t* const states = stream.states + group * groupLanes;
    vst1q_u32(states, vreinterpretq_u32_u16(vzip1q_u16(local.low[group], local.high[group])));
    vst1q_u32(states + groupLanes / 2, vreinterpretq_u32_u16(vzip2q_u16(local.low[group], local.high[group])));
  }
  stream.next = local.next;
  stream.symbols = local.symbols;
  stream.size -= rows * laneCount;
}

/** Decodes `rows` rows of `count` streams, one or two, or fewer: until one of them comes near `readableEnd`. */
template <size_t count, unsigned bits>
void decodeInterleaved(const uint32_t* slots, DecodeStream* streams, size_t rows, const uint8_t* readableEnd) {
  Stream local[count];
  for (size_t index = 0; index < count; index++) local[index] = load(streams[index]);
  size_t row = 0;
  for (; row < rows; row++) {
    bool isNear = false;
    for (size_t index = 0; index < count; index++)
      isNear |= readableEnd - local[index].next < static_cast<std::ptrdiff_t>(rowWordBytes);
    if (isNear) break;
    decodeRow<bits>(slots, local[0]);
    if constexpr (count == 2) decodeRow<bits>(slots, local[1]);
  }
  for (size_t index = 0; index < count; index++) store(local[index], row, streams[index]);
}

template <unsigned bits>
void decodeBits(const DecodeTable& table, DecodeStream* streams, size_t count, const uint8_t* readableEnd) {
  const uint32_t* const slots = table.slots.data();
  for (size_t index = 0; index + 2 <= count; index += 2)
    decodeInterleaved<2, bits>(slots, streams + index, streams[index + 1].size / laneCount, readableEnd);
  for (size_t index = 0; index < count; index++)
    decodeInterleaved<1, bits>(slots, streams + index, streams[index].size / laneCount, readableEnd);
}

}  // namespace

void decodeRows(const DecodeTable& table, DecodeStream* streams, size_t count, const uint8_t* readableEnd) {
  switch (table.probabilityBits) {
    case 10: return decodeBits<10>(table, streams, count, readableEnd);
    case 11: return decodeBits<11>(table, streams, count, readableEnd);
    default: return decodeBits<12>(table, streams, count, readableEnd);
  }
}

}  // namespace swarm::neon
#endif
