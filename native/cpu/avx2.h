// What the AVX2 files share. Functions are compiled for these instructions one by one, so that nothing else in the program can
// end up using them.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>

#include "cpu/kernels.h"

#define SWARM_AVX2 __attribute__((target("avx2,popcnt,sse4.2")))
#define SWARM_AVX2_INLINE SWARM_AVX2 inline __attribute__((always_inline))

namespace swarm::avx2 {

void decodeRows(const DecodeTable& table, DecodeStream* streams, size_t count, const uint8_t* readableEnd);
void encodeRows(const EncodeTable& table, EncodeStream* streams, size_t count);
Status decodeFixed(const FixedTable& table, const FixedBlock& block, uint8_t* symbols);
size_t encodeFixed(const FixedTable& table, const std::array<uint8_t, 256>& codes, const FixedTarget& target);

/** Position 8 m + i: which lane gets the word i, or which word the lane i gets, for the lanes whose bit is set in m. */
using LaneOrders = std::array<std::array<uint8_t, 8>, 256>;

}  // namespace swarm::avx2
#endif
