// rANS encoder for AVX2: a row of 32 lanes is four registers of states, encoded from the highest lanes to the lowest.
#include "cpu/avx2.h"

#if defined(__x86_64__)

namespace swarm::avx2 {

namespace {

constexpr size_t registersPerRow = 4;
constexpr size_t lanesPerRegister = 8;

/** laneOfWord[m]: the lanes in m, ascending, at the end; lane 0 in front. */
constexpr LaneOrders makeLaneOfWord() {
  LaneOrders orders{};
  for (size_t mask = 0; mask < 256; mask++) {
    size_t place = lanesPerRegister;
    for (size_t lane = lanesPerRegister; lane-- > 0;)
      if ((mask >> lane & 1) != 0) orders[mask][--place] = static_cast<uint8_t>(lane);
  }
  return orders;
}

alignas(64) constexpr LaneOrders laneOfWord = makeLaneOfWord();

struct Stream {
  __m256i states[registersPerRow];
  uint16_t* words;
  const uint8_t* symbolsEnd;
};

/** Steps of eight lanes. */
struct Steps {
  __m256i reciprocals;
  __m256i packed;
};

SWARM_AVX2_INLINE __m256 loadFour(const SymbolStep* steps, const uint8_t* symbols, size_t second) {
  const auto step = [steps](uint8_t symbol) { return reinterpret_cast<const double*>(steps + symbol); };
  const __m128d low = _mm_loadh_pd(_mm_load_sd(step(symbols[0])), step(symbols[1]));
  const __m128d high = _mm_loadh_pd(_mm_load_sd(step(symbols[second])), step(symbols[second + 1]));
  return _mm256_castpd_ps(_mm256_insertf128_pd(_mm256_castpd128_pd256(low), high, 1));
}

SWARM_AVX2_INLINE Steps loadSteps(const SymbolStep* steps, const uint8_t* symbols) {
  const __m256 outer = loadFour(steps, symbols, 4);
  const __m256 inner = loadFour(steps, symbols + 2, 4);
  return {_mm256_castps_si256(_mm256_shuffle_ps(outer, inner, 0x88)),
          _mm256_castps_si256(_mm256_shuffle_ps(outer, inner, 0xDD))};
}

/** Puts the low halves of the lanes in `mask` in front of the words. */
SWARM_AVX2_INLINE void emit(__m256i states, unsigned mask, uint16_t*& words) {
  const __m256i order =
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(laneOfWord[mask].data())));
  const __m256i gathered = _mm256_and_si256(_mm256_permutevar8x32_epi32(states, order), _mm256_set1_epi32(0xFFFF));
  const __m128i eight = _mm_packus_epi32(_mm256_castsi256_si128(gathered), _mm256_extracti128_si256(gathered, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(words - lanesPerRegister), eight);
  words -= _mm_popcnt_u32(mask);
}

template <unsigned bits>
SWARM_AVX2_INLINE __m256i advance(__m256i states, const Steps& steps, uint16_t*& words) {
  const __m256i frequency = _mm256_and_si256(steps.packed, _mm256_set1_epi32(0xFFF));
  // All of these are below 2^31, so that the signed comparison does.
  const __m256i keeps = _mm256_cmpgt_epi32(_mm256_slli_epi32(frequency, 31 - bits), states);
  emit(states, ~static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(keeps))) & 0xFF, words);
  const __m256i kept = _mm256_blendv_epi8(_mm256_srli_epi32(states, 16), states, keeps);
  const __m256i evenProducts = _mm256_srli_epi64(_mm256_mul_epu32(kept, steps.reciprocals), 32);
  const __m256i oddProducts = _mm256_mul_epu32(_mm256_srli_epi64(kept, 32), _mm256_srli_epi64(steps.reciprocals, 32));
  const __m256i products = _mm256_blend_epi32(evenProducts, oddProducts, 0xAA);
  const __m256i quotients = _mm256_srlv_epi32(products, _mm256_srli_epi32(steps.packed, 25));
  const __m256i complement = _mm256_sub_epi32(_mm256_set1_epi32(1 << bits), frequency);
  const __m256i start = _mm256_and_si256(_mm256_srli_epi32(steps.packed, 12), _mm256_set1_epi32(0x1FFF));
  return _mm256_add_epi32(_mm256_add_epi32(kept, start), _mm256_mullo_epi32(quotients, complement));
}

template <unsigned bits>
SWARM_AVX2_INLINE void encodeRow(const SymbolStep* steps, Stream& stream) {
  stream.symbolsEnd -= laneCount;
  for (size_t part = registersPerRow; part-- > 0;) {
    const Steps own = loadSteps(steps, stream.symbolsEnd + part * lanesPerRegister);
    stream.states[part] = advance<bits>(stream.states[part], own, stream.words);
  }
}

template <size_t count, unsigned bits>
SWARM_AVX2 void encodeInterleaved(const SymbolStep* steps, EncodeStream* streams) {
  Stream local[count];
#pragma GCC unroll 4
  for (size_t index = 0; index < count; index++) {
    const EncodeStream& stream = streams[index];
    for (size_t part = 0; part < registersPerRow; part++)
      local[index].states[part] =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(stream.states + part * lanesPerRegister));
    local[index].words = stream.words;
    local[index].symbolsEnd = stream.symbols + stream.size;
  }
  for (size_t rows = streams[0].size / laneCount; rows > 0; rows--)
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) encodeRow<bits>(steps, local[index]);
#pragma GCC unroll 4
  for (size_t index = 0; index < count; index++) {
    EncodeStream& stream = streams[index];
    for (size_t part = 0; part < registersPerRow; part++)
      _mm256_store_si256(reinterpret_cast<__m256i*>(stream.states + part * lanesPerRegister),
                         local[index].states[part]);
    stream.words = local[index].words;
    stream.size = 0;
  }
}

template <unsigned bits>
SWARM_AVX2 void encodeBits(const EncodeTable& table, EncodeStream* streams, size_t count) {
  const SymbolStep* const steps = table.steps.data();
  size_t index = 0;
  for (; index + 2 <= count; index += 2) encodeInterleaved<2, bits>(steps, streams + index);
  if (index < count) encodeInterleaved<1, bits>(steps, streams + index);
}

}  // namespace

SWARM_AVX2 void encodeRows(const EncodeTable& table, EncodeStream* streams, size_t count) {
  switch (table.probabilityBits) {
    case 10: return encodeBits<10>(table, streams, count);
    case 11: return encodeBits<11>(table, streams, count);
    default: return encodeBits<12>(table, streams, count);
  }
}

}  // namespace swarm::avx2
#endif
