// The AVX-512 path: its table of functions, plane split and join, and CRC32C by carry-less multiplication.
#include "cpu/avx512.h"

#if defined(__x86_64__)

#include <algorithm>

#include "cpu/avx512-crc.h"
#include "cpu/planes.h"

namespace swarm {

namespace avx512 {

namespace {

constexpr size_t foldBytes = 256;
/** Joined at once, into the nearest cache. */
constexpr size_t pieceElements = 2048;

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

/** 16 elements at a time: the planes' bytes side by side in one register, and one permutation. */
SWARM_AVX512 void join32(const uint8_t* const* planes, size_t count, uint8_t* elements) {
  const __m512i places = _mm512_set_epi32(0x0F1F2F3F, 0x0E1E2E3E, 0x0D1D2D3D, 0x0C1C2C3C, 0x0B1B2B3B, 0x0A1A2A3A,
                                          0x09192939, 0x08182838, 0x07172737, 0x06162636, 0x05152535, 0x04142434,
                                          0x03132333, 0x02122232, 0x01112131, 0x00102030);
  const auto load = [](const uint8_t* from) SWARM_AVX512 {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  };
  size_t index = 0;
  for (; index + 16 <= count; index += 16) {
    const __m256i upper = _mm256_inserti128_si256(_mm256_castsi128_si256(load(planes[0] + index)), load(planes[1] + index), 1);
    const __m256i lower = _mm256_inserti128_si256(_mm256_castsi128_si256(load(planes[2] + index)), load(planes[3] + index), 1);
    const __m512i bytes = _mm512_inserti64x4(_mm512_castsi256_si512(upper), lower, 1);
    const __m512i rotated = _mm512_permutexvar_epi8(places, bytes);
    _mm512_storeu_si512(elements + 4 * index, _mm512_ror_epi32(rotated, 1));
  }
  const uint8_t* const rest[] = {planes[0] + index, planes[1] + index, planes[2] + index, planes[3] + index};
  plane_loops::join32(rest, count - index, elements + 4 * index);
}

SWARM_AVX512 void join(Element element, const uint8_t* const* planes, const size_t* steps, size_t count,
                       uint8_t* elements) {
  if (element == Element::fp32) return plane_loops::join32AnyStep(planes, steps, count, elements, join32);
  plane_loops::join(element, planes, steps, count, elements);
}

/** Past the caches, which saves reading what is overwritten. Others see it after a fence. */
SWARM_AVX512 void copyPastCaches(const uint8_t* from, size_t size, uint8_t* to) {
  const size_t unaligned = std::min(size, -reinterpret_cast<uintptr_t>(to) % 64);
  std::memcpy(to, from, unaligned);
  size_t at = unaligned;
  for (; at + 64 <= size; at += 64)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to + at), _mm512_loadu_si512(from + at));
  std::memcpy(to + at, from + at, size - at);
}

SWARM_AVX512 uint32_t joinAndSum(Element element, const uint8_t* const* planes, const size_t* steps, size_t count,
                                 uint8_t* elements, uint32_t crc) {
  alignas(64) uint8_t joined[pieceElements * planeCountMax];
  const size_t width = elementWidth(element);
  for (size_t first = 0; first < count; first += pieceElements) {
    const size_t size = std::min(pieceElements, count - first);
    const uint8_t* piece[planeCountMax] = {};
    for (size_t plane = 0; plane < width; plane++) piece[plane] = planes[plane] + steps[plane] * first;
    join(element, piece, steps, size, joined);
    crc = updateCrc(crc, joined, size * width);
    copyPastCaches(joined, size * width, elements + first * width);
  }
  _mm_sfence();
  return crc;
}

/** 64 lookups among 256 flags: one among the 128 lower symbols, one among the upper, and the symbol's highest bit decides. */
SWARM_AVX512 size_t findNew(const SymbolSet& seen, const uint8_t* bytes, size_t size) {
  __m512i flags[4];
  for (size_t part = 0; part < 4; part++) flags[part] = _mm512_load_si512(seen.flags.data() + 64 * part);
  size_t index = 0;
  for (; index + 64 <= size; index += 64) {
    const __m512i symbols = _mm512_loadu_si512(bytes + index);
    const __m512i lower = _mm512_permutex2var_epi8(flags[0], symbols, flags[1]);
    const __m512i upper = _mm512_permutex2var_epi8(flags[2], symbols, flags[3]);
    const __m512i found = _mm512_mask_mov_epi8(lower, _mm512_movepi8_mask(symbols), upper);
    const __mmask64 isNew = _mm512_testn_epi8_mask(found, found);
    if (isNew != 0) return index + static_cast<size_t>(__builtin_ctzll(isNew));
  }
  return index + findNewScalar(seen, bytes + index, size - index);
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

const Kernels avx512Kernels = {avx512::split,       avx512::join,        avx512::joinAndSum, avx512::decodeRows,
                               avx512::encodeRows,  avx512::decodeFixed, avx512::joinFixed,  avx512::encodeFixed,
                               avx512::findNew,     avx512::updateCrc};

}  // namespace swarm
#endif
