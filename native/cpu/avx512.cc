// The AVX-512 path: its table of functions, plane split and join, and CRC32C by carry-less multiplication.
#include "cpu/avx512.h"

#if defined(__x86_64__)

#include "cpu/avx512-crc.h"
#include "cpu/planes.h"

namespace swarm {

namespace avx512 {

namespace {

constexpr size_t foldBytes = 256;

/** 64 elements at a time: two permutations take the upper and the lower bytes of both registers. */
template <bool rotated>
SWARM_AVX512 void split16(const uint8_t* elements, size_t count, uint8_t* high, uint8_t* low) {
  const __m512i ascending =
      _mm512_set_epi64(0x3F3E3D3C3B3A3938, 0x3736353433323130, 0x2F2E2D2C2B2A2928, 0x2726252423222120,
                       0x1F1E1D1C1B1A1918, 0x1716151413121110, 0x0F0E0D0C0B0A0908, 0x0706050403020100);
  const __m512i lowPlaces = _mm512_add_epi8(ascending, ascending);
  const __m512i highPlaces = _mm512_add_epi8(lowPlaces, _mm512_set1_epi8(1));
  size_t index = 0;
  for (; index + 64 <= count; index += 64) {
    __m512i first = _mm512_loadu_si512(elements + 2 * index);
    __m512i second = _mm512_loadu_si512(elements + 2 * index + 64);
    if (rotated) {
      first = _mm512_shldi_epi16(first, first, 1);
      second = _mm512_shldi_epi16(second, second, 1);
    }
    _mm512_storeu_si512(high + index, _mm512_permutex2var_epi8(first, highPlaces, second));
    _mm512_storeu_si512(low + index, _mm512_permutex2var_epi8(first, lowPlaces, second));
  }
  plane_loops::split16<rotated>(elements + 2 * index, count - index, high + index, low + index);
}

SWARM_AVX512 void split(Element element, const uint8_t* elements, size_t count, uint8_t* const* planes) {
  if (element == Element::bf16) return split16<true>(elements, count, planes[0], planes[1]);
  if (element == Element::fp16) return split16<false>(elements, count, planes[0], planes[1]);
  plane_loops::split(element, elements, count, planes);
}

SWARM_AVX512 void join(Element element, const uint8_t* const* planes, const size_t* steps, size_t count,
                       uint8_t* elements) {
  plane_loops::join(element, planes, steps, count, elements);
}

}  // namespace

/** The bytes are folded, 256 at a time, into 64 that have the same CRC; the processor's instruction finishes them. */
SWARM_AVX512 uint32_t updateCrc(uint32_t crc, const uint8_t* data, size_t size) {
  constexpr Fold farFold = makeFold(foldBytes);
  constexpr Fold nearFold = makeFold(64);
  if (size < 2 * foldBytes) return swarm::updateCrc(crc, data, size);
  const __m512i start = _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(crc)));
  __m512i sum0 = _mm512_xor_si512(_mm512_loadu_si512(data), start);
  __m512i sum1 = _mm512_loadu_si512(data + 64);
  __m512i sum2 = _mm512_loadu_si512(data + 128);
  __m512i sum3 = _mm512_loadu_si512(data + 192);
  const __m512i farFactors = factorsOf(farFold);
  for (data += foldBytes, size -= foldBytes; size >= foldBytes; data += foldBytes, size -= foldBytes) {
    sum0 = fold(sum0, farFactors, _mm512_loadu_si512(data));
    sum1 = fold(sum1, farFactors, _mm512_loadu_si512(data + 64));
    sum2 = fold(sum2, farFactors, _mm512_loadu_si512(data + 128));
    sum3 = fold(sum3, farFactors, _mm512_loadu_si512(data + 192));
  }
  const __m512i nearFactors = factorsOf(nearFold);
  sum1 = fold(sum0, nearFactors, sum1);
  sum2 = fold(sum1, nearFactors, sum2);
  sum3 = fold(sum2, nearFactors, sum3);
  return swarm::updateCrc(crcOf(sum3), data, size);
}

}  // namespace avx512

const Kernels avx512Kernels = {avx512::split,       avx512::join,      avx512::decodeRows,  avx512::encodeRows,
                               avx512::decodeFixed, avx512::joinFixed, avx512::encodeFixed, avx512::updateCrc};

}  // namespace swarm
#endif
