// One row of 32 lanes with AVX2: its states, the arithmetic of a step, refills, and where the symbols go.
#pragma once

#include "cpu/avx2.h"

#if defined(__x86_64__)

namespace swarm::avx2 {

/** 32 values of 16 bits: lanes 0 to 7 and 16 to 23, then 8 to 15 and 24 to 31. Packing both to bytes gives them in order. */
struct Halves {
  __m256i first;
  __m256i second;
};

/** The states' upper and lower 16 bits. */
struct Row {
  Halves upper;
  Halves lower;
};

struct Stream {
  Row states;
  const uint8_t* next;
};

/** Where the rows of several streams go; those of the next stream are one stream further on. */
struct Target {
  uint8_t* symbols;
  const uint8_t* lowPlane;
  uint8_t* elements;
};

/** The slots of a row that tables in memory look up, in the order of the registers. */
struct Slots {
  alignas(32) uint16_t of[laneCount];
};

/** wordOfLane[m]: moves the words of eight lanes to those that are set in m, and zero to the others. */
constexpr std::array<std::array<uint8_t, 16>, 256> makeWordOfLane() {
  std::array<std::array<uint8_t, 16>, 256> orders{};
  for (size_t mask = 0; mask < 256; mask++) {
    uint8_t word = 0;
    for (size_t lane = 0; lane < 8; lane++) {
      const bool isSet = (mask >> lane & 1) != 0;
      orders[mask][2 * lane] = isSet ? static_cast<uint8_t>(2 * word) : uint8_t{0x80};
      orders[mask][2 * lane + 1] = isSet ? static_cast<uint8_t>(2 * word + 1) : uint8_t{0x80};
      if (isSet) word++;
    }
  }
  return orders;
}

alignas(64) inline constexpr auto wordOfLane = makeWordOfLane();

SWARM_AVX2_INLINE __m128i loadXmm(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }

SWARM_AVX2_INLINE __m256i loadTwo(const void* low, const void* high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(loadXmm(low)), loadXmm(high), 1);
}

SWARM_AVX2_INLINE Row loadRow(const uint32_t* states) {
  const __m256i lowMask = _mm256_set1_epi32(0xFFFF);
  Row row;
  const auto pack = [&](const uint32_t* from, __m256i& upper, __m256i& lower) SWARM_AVX2 {
    const __m256i one = loadTwo(from, from + 16);
    const __m256i two = loadTwo(from + 4, from + 20);
    upper = _mm256_packus_epi32(_mm256_srli_epi32(one, 16), _mm256_srli_epi32(two, 16));
    lower = _mm256_packus_epi32(_mm256_and_si256(one, lowMask), _mm256_and_si256(two, lowMask));
  };
  pack(states, row.upper.first, row.lower.first);
  pack(states + 8, row.upper.second, row.lower.second);
  return row;
}

SWARM_AVX2_INLINE void storeRow(const Row& row, uint32_t* states) {
  const auto unpack = [](__m256i upper, __m256i lower, uint32_t* to) SWARM_AVX2 {
    const __m256i one = _mm256_unpacklo_epi16(lower, upper);
    const __m256i two = _mm256_unpackhi_epi16(lower, upper);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(one));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 4), _mm256_castsi256_si128(two));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16), _mm256_extracti128_si256(one, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 20), _mm256_extracti128_si256(two, 1));
  };
  unpack(row.upper.first, row.lower.first, states);
  unpack(row.upper.second, row.lower.second, states + 8);
}

template <unsigned bits>
SWARM_AVX2_INLINE void storeSlots(const Halves& lower, Slots& slots) {
  const __m256i mask = _mm256_set1_epi16((1 << bits) - 1);
  auto* const to = reinterpret_cast<__m256i*>(slots.of);
  _mm256_store_si256(to, _mm256_and_si256(lower.first, mask));
  _mm256_store_si256(to + 1, _mm256_and_si256(lower.second, mask));
  // Reading them back from memory is what makes lookups fast; compilers would take them out of the registers one by one.
  asm volatile("" : "+m"(slots));
}

/**
 * state = frequency * (state >> bits) + offset in 16-bit halves. `scaled` is frequency * 2^(16 - bits): `upper` times it is what
 * the upper half adds to the product; `high`, the lower half without the slot, adds the upper half of its own product. That and
 * the offset together stay below 2^16. `offset` comes plus 2^15, which turns the signed comparison into an unsigned one: the
 * sum carries where it is below what was added.
 */
SWARM_AVX2_INLINE void advance(__m256i& upper, __m256i& lower, __m256i high, __m256i scaled, __m256i offset,
                               __m256i signBit) {
  const __m256i added = _mm256_add_epi16(_mm256_mulhi_epu16(high, scaled), offset);
  const __m256i sum = _mm256_add_epi16(_mm256_mullo_epi16(upper, scaled), added);
  const __m256i carry = _mm256_cmpgt_epi16(added, sum);
  upper = _mm256_sub_epi16(_mm256_mulhi_epu16(upper, scaled), carry);
  lower = _mm256_xor_si256(sum, signBit);
}

SWARM_AVX2_INLINE __m256i needsWord(__m256i upper, __m256i lower, __m256i signBit) {
  const __m256i top = _mm256_and_si256(lower, signBit);
  return _mm256_cmpeq_epi16(_mm256_or_si256(upper, top), _mm256_setzero_si256());
}

SWARM_AVX2_INLINE void refillHalf(__m256i& upper, __m256i& lower, __m256i needs, __m256i words, __m256i order) {
  // Where a word is needed `upper` is zero, where none is, what the shuffle gives.
  upper = _mm256_or_si256(upper, _mm256_and_si256(lower, needs));
  lower = _mm256_or_si256(_mm256_andnot_si256(needs, lower), _mm256_shuffle_epi8(words, order));
}

/** Gives a word to every lane whose state is below 2^15, lanes ascending. */
SWARM_AVX2_INLINE void refill(Stream& stream, __m256i signBit) {
  Row& row = stream.states;
  const __m256i first = needsWord(row.upper.first, row.lower.first, signBit);
  const __m256i second = needsWord(row.upper.second, row.lower.second, signBit);
  const auto lanes = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_packs_epi16(first, second)));
  const auto wordsOfLowest = [lanes, &stream](unsigned count) SWARM_AVX2 {
    return stream.next + 2 * static_cast<size_t>(_mm_popcnt_u32(lanes << (laneCount - count)));
  };
  const auto orderOf = [lanes](unsigned firstLane) SWARM_AVX2 {
    const uint32_t at = (firstLane == 0 ? lanes << 4 : lanes >> (firstLane - 4)) & 0xFF0;
    return reinterpret_cast<const uint8_t*>(wordOfLane.data()) + at;
  };
  const __m256i firstWords = loadTwo(stream.next, wordsOfLowest(16));
  const __m256i secondWords = loadTwo(wordsOfLowest(8), wordsOfLowest(24));
  refillHalf(row.upper.first, row.lower.first, first, firstWords, loadTwo(orderOf(0), orderOf(16)));
  refillHalf(row.upper.second, row.lower.second, second, secondWords, loadTwo(orderOf(8), orderOf(24)));
  stream.next = wordsOfLowest(32);
}

SWARM_AVX2_INLINE void storeElements(__m256i symbols, const uint8_t* lowPlane, uint8_t* elements) {
  const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lowPlane));
  const __m256i one = _mm256_unpacklo_epi8(low, symbols);
  const __m256i two = _mm256_unpackhi_epi8(low, symbols);
  const __m256i first = _mm256_or_si256(_mm256_srli_epi16(one, 1), _mm256_slli_epi16(one, 15));
  const __m256i second = _mm256_or_si256(_mm256_srli_epi16(two, 1), _mm256_slli_epi16(two, 15));
  auto* const to = reinterpret_cast<__m128i*>(elements);
  _mm_storeu_si128(to, _mm256_castsi256_si128(first));
  _mm_storeu_si128(to + 1, _mm256_castsi256_si128(second));
  _mm_storeu_si128(to + 2, _mm256_extracti128_si256(first, 1));
  _mm_storeu_si128(to + 3, _mm256_extracti128_si256(second, 1));
}

template <bool joined>
SWARM_AVX2_INLINE void store(__m256i symbols, const Target& target, size_t first) {
  if (joined) return storeElements(symbols, target.lowPlane + first, target.elements + 2 * first);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(target.symbols + first), symbols);
}

}  // namespace swarm::avx2
#endif
