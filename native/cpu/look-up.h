// Looking up slots of a decode table in memory, for the x86 paths.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

#include "format/layout.h"

namespace swarm {

/** The entries of four slots. Single loads: gather instructions take longer, and far longer where their leak is mended. */
__attribute__((target("sse4.1"), always_inline)) inline __m128i lookUpFour(const uint32_t* entries, const uint16_t* slots) {
  uint32_t low;
  uint32_t high;
  std::memcpy(&low, slots, sizeof low);
  std::memcpy(&high, slots + 2, sizeof high);
  __m128i four = _mm_cvtsi32_si128(static_cast<int>(entries[low & 0xFFFF]));
  four = _mm_insert_epi32(four, static_cast<int>(entries[low >> 16]), 1);
  four = _mm_insert_epi32(four, static_cast<int>(entries[high & 0xFFFF]), 2);
  return _mm_insert_epi32(four, static_cast<int>(entries[high >> 16]), 3);
}

}  // namespace swarm
#endif
