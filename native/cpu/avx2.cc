// The AVX2 path: its table of functions, plane split and join.
#include "cpu/avx2.h"

#if defined(__x86_64__)

#include "cpu/crc32c.h"
#include "cpu/planes.h"

namespace swarm {

namespace avx2 {

namespace {

SWARM_AVX2 void split(Element element, const uint8_t* elements, size_t count, uint8_t* const* planes) {
  plane_loops::split(element, elements, count, planes);
}

SWARM_AVX2 void join(Element element, const uint8_t* const* planes, const size_t* steps, size_t count,
                     uint8_t* elements) {
  plane_loops::join(element, planes, steps, count, elements);
}

SWARM_AVX2_INLINE __m256i twice(const void* from) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(from)));
}

/** 32 lookups by the lower four bits give eight bits, of which the upper four choose the table and the bit. */
SWARM_AVX2 size_t findNew(const SymbolSet& seen, const uint8_t* bytes, size_t size) {
  alignas(16) constexpr uint8_t bitOf[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const __m256i lower = twice(seen.lower.data());
  const __m256i upper = twice(seen.upper.data());
  const __m256i bits = twice(bitOf);
  const __m256i nibble = _mm256_set1_epi8(15);
  size_t index = 0;
  for (; index + 32 <= size; index += 32) {
    const __m256i symbols = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + index));
    const __m256i low = _mm256_and_si256(symbols, nibble);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(symbols, 4), nibble);
    const __m256i found =
        _mm256_blendv_epi8(_mm256_shuffle_epi8(lower, low), _mm256_shuffle_epi8(upper, low), symbols);
    const __m256i isNew = _mm256_cmpeq_epi8(_mm256_and_si256(found, _mm256_shuffle_epi8(bits, high)),
                                            _mm256_setzero_si256());
    const auto mask = static_cast<uint32_t>(_mm256_movemask_epi8(isNew));
    if (mask != 0) return index + static_cast<size_t>(__builtin_ctz(mask));
  }
  return index + findNewScalar(seen, bytes + index, size - index);
}

}  // namespace

}  // namespace avx2

const Kernels avx2Kernels = {avx2::split,       avx2::join, nullptr,           avx2::decodeRows, avx2::encodeRows,
                             avx2::decodeFixed, nullptr,    avx2::encodeFixed, avx2::findNew,    updateCrc};

}  // namespace swarm
#endif
