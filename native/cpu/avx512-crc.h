// CRC32C by carry-less multiplication: how a register of 64 bytes moves on over those that follow it. After V. Gopal et al.,
// "Fast CRC computation for generic polynomials using PCLMULQDQ" (2009).
#pragma once

#include "cpu/avx512.h"

#if defined(__x86_64__)
#include "cpu/crc32c.h"

namespace swarm::avx512 {

/** For moving a 128-bit value `bytes` bytes on: x^(8 bytes + 63) for its first half, x^(8 bytes - 1) for its second. */
struct Fold {
  uint64_t first;
  uint64_t second;
};

constexpr Fold makeFold(size_t bytes) {
  return {uint64_t{crcPower(8 * bytes + 63)} << 32, uint64_t{crcPower(8 * bytes - 1)} << 32};
}

SWARM_AVX512_INLINE __m512i fold(__m512i value, __m512i factors, __m512i next) {
  const __m512i first = _mm512_clmulepi64_epi128(value, factors, 0x00);
  const __m512i second = _mm512_clmulepi64_epi128(value, factors, 0x11);
  return _mm512_ternarylogic_epi64(first, second, next, 0x96);
}

SWARM_AVX512_INLINE __m512i factorsOf(const Fold& factors) {
  return _mm512_broadcast_i32x4(
      _mm_set_epi64x(static_cast<long long>(factors.second), static_cast<long long>(factors.first)));
}

/** The inverted CRC, started from 0, of 64 bytes. */
SWARM_AVX512_INLINE uint32_t crcOf(__m512i bytes) {
  alignas(64) uint8_t stored[64];
  _mm512_store_si512(stored, bytes);
  return swarm::updateCrc(0, stored, sizeof stored);
}

}  // namespace swarm::avx512
#endif
