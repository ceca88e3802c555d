// Summing up decoded bytes soon after they were stored, by the processor's own instruction for CRC32C: it runs beside the vector
// units, which are busy with decoding, and takes hardly any time of its own.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

#include "format/layout.h"

namespace swarm {

/** Bytes are summed this many rows after they were stored: loads that overtake a wider store wait for it. */
constexpr size_t sumDelayRows = 8;

/** Continues the inverted CRC32C `crc` over `size` bytes, a multiple of 8. */
template <size_t size>
__attribute__((target("sse4.2"), always_inline)) inline uint64_t sumBytes(uint64_t crc, const uint8_t* bytes) {
#pragma GCC unroll 8
  for (size_t at = 0; at < size; at += 8) {
    uint64_t eight;
    std::memcpy(&eight, bytes + at, sizeof eight);
    crc = _mm_crc32_u64(crc, eight);
  }
  return crc;
}

}  // namespace swarm
#endif
