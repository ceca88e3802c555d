// rANS encoder for AVX-512 with VBMI2. Registers hold the lanes of a row in falling order, because words are put in front of
// those that are there already: what _mm512_maskz_compress_epi16 gathers at the low end then belongs at the high end.
#include "cpu/avx512.h"

#if defined(__x86_64__)

#include <algorithm>
#include <cmath>

namespace swarm::avx512 {

namespace {

/** Steps of sixteen lanes. */
struct Steps {
  __m512i reciprocals;
  __m512i packed;
};

struct Stream {
  /** Lanes 31 to 16, and 15 to 0. */
  __m512i first;
  __m512i second;
  uint16_t* words;
  const uint8_t* symbolsEnd;
};

SWARM_AVX512_INLINE __m512i descending32(int first) {
  return _mm512_sub_epi32(_mm512_set1_epi32(first), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

/** Of two registers the lower halves, `first`'s in front: falling lanes again. */
SWARM_AVX512_INLINE __m512i lowerHalves(__m512i first, __m512i second) {
  const __m512i places = _mm512_set_epi32(0x3E003C, 0x3A0038, 0x360034, 0x320030, 0x2E002C, 0x2A0028, 0x260024, 0x220020,
                                          0x1E001C, 0x1A0018, 0x160014, 0x120010, 0x0E000C, 0x0A0008, 0x060004, 0x020000);
  return _mm512_permutex2var_epi16(first, places, second);
}

SWARM_AVX512_INLINE __m512i descending16() {
  const __m512i ascending = _mm512_setr_epi32(0x10000, 0x30002, 0x50004, 0x70006, 0x90008, 0xB000A, 0xD000C, 0xF000E,
                                              0x110010, 0x130012, 0x150014, 0x170016, 0x190018, 0x1B001A, 0x1D001C,
                                              0x1F001E);
  return _mm512_sub_epi16(_mm512_set1_epi16(31), ascending);
}

/** Puts the lower halves of the lanes that give one up in front of the words. */
SWARM_AVX512_INLINE void emit(Stream& stream, __mmask16 firstEmits, __mmask16 secondEmits) {
  const __mmask32 emits = _mm512_kunpackw(secondEmits, firstEmits);
  const __m512i gathered = _mm512_maskz_compress_epi16(emits, lowerHalves(stream.first, stream.second));
  _mm512_storeu_si512(stream.words - laneCount, _mm512_permutexvar_epi16(descending16(), gathered));
  stream.words -= _mm_popcnt_u32(emits);
}

/** Any table, in memory. */
template <unsigned bits>
struct MemoryTable {
  const SymbolStep* steps;

  SWARM_AVX512_INLINE __m128d loadTwo(const uint8_t* symbols) const {
    const auto* first = reinterpret_cast<const double*>(steps + symbols[0]);
    const auto* second = reinterpret_cast<const double*>(steps + symbols[-1]);
    return _mm_loadh_pd(_mm_load_sd(first), second);
  }

  SWARM_AVX512_INLINE __m512i loadEight(const uint8_t* symbols) const {
    const __m256d low = _mm256_insertf128_pd(_mm256_castpd128_pd256(loadTwo(symbols)), loadTwo(symbols - 2), 1);
    const __m256d high = _mm256_insertf128_pd(_mm256_castpd128_pd256(loadTwo(symbols - 4)), loadTwo(symbols - 6), 1);
    return _mm512_castpd_si512(_mm512_insertf64x4(_mm512_castpd256_pd512(low), high, 1));
  }

  /** `symbols` points to the symbol of the highest lane. */
  SWARM_AVX512_INLINE Steps loadSixteen(const uint8_t* symbols) const {
    const __m512i low = loadEight(symbols);
    const __m512i high = loadEight(symbols - 8);
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    return {_mm512_permutex2var_epi32(low, even, high), _mm512_permutex2var_epi32(low, odd, high)};
  }

  SWARM_AVX512_INLINE void encodeRow(Stream& stream) const {
    const Steps first = loadSixteen(stream.symbolsEnd - 1);
    const Steps second = loadSixteen(stream.symbolsEnd - 17);
    stream.symbolsEnd -= laneCount;
    const __mmask16 firstEmits = emitting(stream.first, first);
    const __mmask16 secondEmits = emitting(stream.second, second);
    emit(stream, firstEmits, secondEmits);
    stream.first = advance(_mm512_mask_srli_epi32(stream.first, firstEmits, stream.first, 16), first);
    stream.second = advance(_mm512_mask_srli_epi32(stream.second, secondEmits, stream.second, 16), second);
  }

  /** Which lanes give up a word before they take their symbol. */
  SWARM_AVX512_INLINE static __mmask16 emitting(__m512i states, const Steps& steps) {
    const __m512i frequency = _mm512_and_si512(steps.packed, _mm512_set1_epi32(0xFFF));
    return _mm512_cmpge_epu32_mask(states, _mm512_slli_epi32(frequency, 31 - bits));
  }

  SWARM_AVX512_INLINE static __m512i advance(__m512i states, const Steps& steps) {
    const __m512i evenProducts = _mm512_srli_epi64(_mm512_mul_epu32(states, steps.reciprocals), 32);
    const __m512i oddProducts =
        _mm512_mul_epu32(_mm512_srli_epi64(states, 32), _mm512_srli_epi64(steps.reciprocals, 32));
    const __m512i products = _mm512_mask_mov_epi32(evenProducts, 0xAAAA, oddProducts);
    const __m512i quotients = _mm512_srlv_epi32(products, _mm512_srli_epi32(steps.packed, 25));
    const __m512i frequency = _mm512_and_si512(steps.packed, _mm512_set1_epi32(0xFFF));
    const __m512i complement = _mm512_sub_epi32(_mm512_set1_epi32(1 << bits), frequency);
    const __m512i start = _mm512_and_si512(_mm512_srli_epi32(steps.packed, 12), _mm512_set1_epi32(0x1FFF));
    return _mm512_add_epi32(_mm512_add_epi32(states, start), _mm512_mullo_epi32(quotients, complement));
  }
};

/**
 * A table of at most 32 symbols that lie within 64 values, as exponents do, in registers. Quotients are found by floating
 * point: with everything rounded towards zero they are right or one too small, because they stay below 2^21 and each of the
 * three roundings takes off less than 1 in 2^23 of them.
 */
template <unsigned bits>
struct RegisterTable {
  static constexpr size_t symbolsMax = 32;
  static constexpr unsigned rangeMax = 64;

  __m512i lowestSymbol;
  __m512i entryOfSymbol;
  __m512i inverses[2];
  __m512i frequencies[2];
  __m512i starts[2];
  /** Which bytes of a row become the lowest ones of `first` and `second`. */
  __m512i firstPlaces;
  __m512i secondPlaces;

  /** False when the table does not fit. */
  SWARM_AVX512 bool fill(const EncodeTable& table) {
    if (table.symbolCount > symbolsMax) return false;
    const auto [lowest, highest] =
        std::minmax_element(table.symbols.begin(), table.symbols.begin() + static_cast<std::ptrdiff_t>(table.symbolCount));
    if (*highest - *lowest >= static_cast<int>(rangeMax)) return false;
    alignas(64) uint8_t entryOf[rangeMax] = {};
    alignas(64) float inverse[symbolsMax] = {};
    alignas(64) uint32_t frequency[symbolsMax] = {};
    alignas(64) uint32_t start[symbolsMax] = {};
    uint32_t slot = 0;
    for (size_t entry = 0; entry < table.symbolCount; entry++) {
      const uint8_t symbol = table.symbols[entry];
      entryOf[symbol - *lowest] = static_cast<uint8_t>(entry);
      frequency[entry] = table.steps[symbol].packed & 0xFFF;
      inverse[entry] = inverseBelow(frequency[entry]);
      start[entry] = slot;
      slot += frequency[entry];
    }
    lowestSymbol = _mm512_set1_epi8(static_cast<char>(*lowest));
    entryOfSymbol = _mm512_load_si512(entryOf);
    firstPlaces = descending32(31);
    secondPlaces = descending32(15);
    for (size_t half = 0; half < 2; half++) {
      inverses[half] = _mm512_load_si512(inverse + 16 * half);
      frequencies[half] = _mm512_load_si512(frequency + 16 * half);
      starts[half] = _mm512_load_si512(start + 16 * half);
    }
    return true;
  }

  /** The largest float that is not above 1 / frequency. */
  static float inverseBelow(uint32_t frequency) {
    const float nearest = 1.0f / static_cast<float>(frequency);
    const bool isAbove = static_cast<double>(nearest) * frequency > 1.0;
    return isAbove ? std::nextafter(nearest, 0.0f) : nearest;
  }

  SWARM_AVX512_INLINE static __m512i find(const __m512i* table, __m512i entries) {
    return _mm512_permutex2var_epi32(table[0], entries, table[1]);
  }

  /** Lookups by 32 bits use the lowest ones, so that what is in the upper bytes does not matter. */
  SWARM_AVX512_INLINE void encodeRow(Stream& stream) const {
    const __m256i row = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(stream.symbolsEnd - laneCount));
    stream.symbolsEnd -= laneCount;
    const __m512i symbols = _mm512_sub_epi8(_mm512_castsi256_si512(row), lowestSymbol);
    const __m512i entries = _mm512_permutexvar_epi8(symbols, entryOfSymbol);
    const __m512i first = _mm512_permutexvar_epi8(firstPlaces, entries);
    const __m512i second = _mm512_permutexvar_epi8(secondPlaces, entries);
    const __m512i firstFrequencies = find(frequencies, first);
    const __m512i secondFrequencies = find(frequencies, second);
    const __mmask16 firstEmits = _mm512_cmpge_epu32_mask(stream.first, _mm512_slli_epi32(firstFrequencies, 31 - bits));
    const __mmask16 secondEmits =
        _mm512_cmpge_epu32_mask(stream.second, _mm512_slli_epi32(secondFrequencies, 31 - bits));
    emit(stream, firstEmits, secondEmits);
    stream.first = advance(stream.first, firstEmits, firstFrequencies, first);
    stream.second = advance(stream.second, secondEmits, secondFrequencies, second);
  }

  SWARM_AVX512_INLINE __m512i advance(__m512i states, __mmask16 emits, __m512i frequency, __m512i entries) const {
    constexpr int towardsZero = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
    const __m512i kept = _mm512_mask_srli_epi32(states, emits, states, 16);
    const __m512 inverse = _mm512_castsi512_ps(find(inverses, entries));
    const __m512i quotient = _mm512_cvttps_epu32(
        _mm512_mul_round_ps(_mm512_cvt_roundepu32_ps(kept, towardsZero), inverse, towardsZero));
    const __m512i rest = _mm512_sub_epi32(kept, _mm512_mullo_epi32(quotient, frequency));
    const __m512i next = _mm512_add_epi32(_mm512_add_epi32(_mm512_slli_epi32(quotient, bits), rest), find(starts, entries));
    const __mmask16 isShort = _mm512_cmpge_epu32_mask(rest, frequency);
    return _mm512_mask_add_epi32(next, isShort, next, _mm512_sub_epi32(_mm512_set1_epi32(1 << bits), frequency));
  }
};

template <size_t count, class Table>
SWARM_AVX512 void encodeInterleaved(const Table& shared, EncodeStream* streams) {
  const Table table = shared;
  Stream local[count];
#pragma GCC unroll 4
  for (size_t index = 0; index < count; index++) {
    const EncodeStream& stream = streams[index];
    local[index] = {_mm512_permutexvar_epi32(descending32(15), _mm512_load_si512(stream.states + 16)),
                    _mm512_permutexvar_epi32(descending32(15), _mm512_load_si512(stream.states)), stream.words,
                    stream.symbols + stream.size};
  }
  for (size_t rows = streams[0].size / laneCount; rows > 0; rows--) {
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) table.encodeRow(local[index]);
  }
#pragma GCC unroll 4
  for (size_t index = 0; index < count; index++) {
    EncodeStream& stream = streams[index];
    _mm512_store_si512(stream.states + 16, _mm512_permutexvar_epi32(descending32(15), local[index].first));
    _mm512_store_si512(stream.states, _mm512_permutexvar_epi32(descending32(15), local[index].second));
    stream.words = local[index].words;
    stream.size = 0;
  }
}

template <class Table>
SWARM_AVX512 void encodeWith(const Table& table, EncodeStream* streams, size_t count) {
  if (count == streamsAtOnce) return encodeInterleaved<streamsAtOnce>(table, streams);
  for (size_t index = 0; index < count; index++) encodeInterleaved<1>(table, streams + index);
}

template <unsigned bits>
SWARM_AVX512 void encodeBits(const EncodeTable& table, EncodeStream* streams, size_t count) {
  RegisterTable<bits> registers;
  if (registers.fill(table)) return encodeWith(registers, streams, count);
  encodeWith(MemoryTable<bits>{table.steps.data()}, streams, count);
}

}  // namespace

SWARM_AVX512 void encodeRows(const EncodeTable& table, EncodeStream* streams, size_t count) {
  switch (table.probabilityBits) {
    case 10: return encodeBits<10>(table, streams, count);
    case 11: return encodeBits<11>(table, streams, count);
    default: return encodeBits<12>(table, streams, count);
  }
}

}  // namespace swarm::avx512
#endif
