// What the NEON files share. Every 64-bit ARM processor has these instructions, so that nothing is asked at run time.
#pragma once

#if defined(__aarch64__)
#include <arm_neon.h>

#include "cpu/kernels.h"

#define SWARM_NEON_INLINE inline __attribute__((always_inline))

namespace swarm::neon {

void decodeRows(const DecodeTable& table, DecodeStream* streams, size_t count, const uint8_t* readableEnd);
void encodeRows(const EncodeTable& table, EncodeStream* streams, size_t count);

/** Lanes whose states are worked on together, and how many such groups make a row. */
constexpr size_t groupLanes = 8;
constexpr size_t groupsPerRow = laneCount / groupLanes;

/** Entry m: from which byte of a register each byte of 8 words of 16 bits comes, for the lanes whose bit is set in m. */
using WordOrders = std::array<std::array<uint8_t, 2 * groupLanes>, 256>;

/** Which of a row's lanes take or give a word. */
struct RowWords {
  /** Byte g: the lanes of group g, lowest lane in bit 0. */
  uint32_t masks;
  /** Byte g: bytes of the words of groups 0 to g. */
  uint32_t ends;

  uint8_t mask(size_t group) const { return static_cast<uint8_t>(masks >> 8 * group); }
  size_t end(size_t group) const { return ends >> 8 * group & 0xFF; }
};

/** From registers that hold all ones in the lanes that take or give a word. One trip to the other registers serves the whole row. */
SWARM_NEON_INLINE RowWords countWords(uint16x8_t first, uint16x8_t second, uint16x8_t third, uint16x8_t fourth) {
  const uint8x16_t weights = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
  const auto bits = [weights](uint16x8_t even, uint16x8_t odd) {
    return vandq_u8(vuzp1q_u8(vreinterpretq_u8_u16(even), vreinterpretq_u8_u16(odd)), weights);
  };
  const uint8x16_t pairs = vpaddq_u8(bits(first, second), bits(third, fourth));
  const uint8x16_t fours = vpaddq_u8(pairs, pairs);
  const uint8x8_t masks = vget_low_u8(vpaddq_u8(fours, fours));
  const uint32_t counts = vget_lane_u32(vreinterpret_u32_u8(vcnt_u8(masks)), 0);
  // The multiplication adds up bytes from the lowest on; 32 words are 64 bytes, so that no sum overflows its byte.
  return {vget_lane_u32(vreinterpret_u32_u8(masks), 0), counts * 0x02020202};
}

}  // namespace swarm::neon
#endif
