// rANS encoder for AVX-512 with VBMI2. Registers hold the lanes of a row in falling order, because words are put in front of
// those that are there already: what _mm512_maskz_compress_epi16 gathers at the low end then belongs at the high end.
#include "cpu/avx512.h"

#if defined(__x86_64__)

#include <algorithm>

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

SWARM_AVX512_INLINE __m512i descending32() {
  return _mm512_setr_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

SWARM_AVX512_INLINE __m512i descending16() {
  const __m512i ascending = _mm512_setr_epi32(0x10000, 0x30002, 0x50004, 0x70006, 0x90008, 0xB000A, 0xD000C, 0xF000E,
                                              0x110010, 0x130012, 0x150014, 0x170016, 0x190018, 0x1B001A, 0x1D001C,
                                              0x1F001E);
  return _mm512_sub_epi16(_mm512_set1_epi16(31), ascending);
}

/** Any table, in memory. */
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

  SWARM_AVX512_INLINE void load(const uint8_t* symbolsEnd, Steps& first, Steps& second) const {
    first = loadSixteen(symbolsEnd - 1);
    second = loadSixteen(symbolsEnd - 17);
  }
};

/** A table of at most 32 symbols that lie within 64 values, as exponents do, in registers. */
struct RegisterTable {
  static constexpr size_t symbolsMax = 32;
  static constexpr unsigned rangeMax = 64;

  __m512i lowestSymbol;
  __m512i entryOfSymbol;
  __m512i reciprocals[2];
  __m512i packed[2];
  __m512i order;

  /** False when the table does not fit. */
  SWARM_AVX512 bool fill(const EncodeTable& table) {
    if (table.symbolCount > symbolsMax) return false;
    const auto [lowest, highest] =
        std::minmax_element(table.symbols.begin(), table.symbols.begin() + static_cast<std::ptrdiff_t>(table.symbolCount));
    if (*highest - *lowest >= static_cast<int>(rangeMax)) return false;
    alignas(64) uint8_t entryOf[rangeMax] = {};
    alignas(64) uint32_t reciprocal[symbolsMax] = {};
    alignas(64) uint32_t packing[symbolsMax] = {};
    alignas(64) uint8_t descending[64] = {};
    for (size_t entry = 0; entry < table.symbolCount; entry++) {
      const uint8_t symbol = table.symbols[entry];
      entryOf[symbol - *lowest] = static_cast<uint8_t>(entry);
      reciprocal[entry] = table.steps[symbol].reciprocal;
      packing[entry] = table.steps[symbol].packed;
    }
    for (size_t lane = 0; lane < laneCount; lane++) descending[lane] = static_cast<uint8_t>(laneCount - 1 - lane);
    lowestSymbol = _mm512_set1_epi8(static_cast<char>(*lowest));
    entryOfSymbol = _mm512_load_si512(entryOf);
    order = _mm512_load_si512(descending);
    for (size_t half = 0; half < 2; half++) {
      reciprocals[half] = _mm512_load_si512(reciprocal + 16 * half);
      packed[half] = _mm512_load_si512(packing + 16 * half);
    }
    return true;
  }

  SWARM_AVX512_INLINE Steps find(__m128i entries) const {
    const __m512i wide = _mm512_cvtepu8_epi32(entries);
    return {_mm512_permutex2var_epi32(reciprocals[0], wide, reciprocals[1]),
            _mm512_permutex2var_epi32(packed[0], wide, packed[1])};
  }

  SWARM_AVX512_INLINE void load(const uint8_t* symbolsEnd, Steps& first, Steps& second) const {
    const __m256i row = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(symbolsEnd - laneCount));
    const __m512i symbols = _mm512_permutexvar_epi8(order, _mm512_castsi256_si512(row));
    const __m512i entries = _mm512_permutexvar_epi8(_mm512_sub_epi8(symbols, lowestSymbol), entryOfSymbol);
    first = find(_mm512_castsi512_si128(entries));
    second = find(_mm512_extracti32x4_epi32(entries, 1));
  }
};

/** Which lanes give up a word before they take their symbol. */
template <unsigned bits>
SWARM_AVX512_INLINE __mmask16 emitting(__m512i states, const Steps& steps) {
  const __m512i frequency = _mm512_and_si512(steps.packed, _mm512_set1_epi32(0xFFF));
  return _mm512_cmpge_epu32_mask(states, _mm512_slli_epi32(frequency, 31 - bits));
}

template <unsigned bits>
SWARM_AVX512_INLINE __m512i advance(__m512i states, const Steps& steps) {
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

template <unsigned bits, class Table>
SWARM_AVX512_INLINE void encodeRow(const Table& table, Stream& stream) {
  Steps firstSteps;
  Steps secondSteps;
  table.load(stream.symbolsEnd, firstSteps, secondSteps);
  stream.symbolsEnd -= laneCount;
  const __mmask16 firstEmits = emitting<bits>(stream.first, firstSteps);
  const __mmask16 secondEmits = emitting<bits>(stream.second, secondSteps);
  const __mmask32 emits = _mm512_kunpackw(secondEmits, firstEmits);
  const __m512i low = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(stream.first)),
                                         _mm512_cvtepi32_epi16(stream.second), 1);
  const __m512i gathered = _mm512_permutexvar_epi16(descending16(), _mm512_maskz_compress_epi16(emits, low));
  _mm512_storeu_si512(stream.words - laneCount, gathered);
  stream.words -= _mm_popcnt_u32(emits);
  const __m512i first = _mm512_mask_srli_epi32(stream.first, firstEmits, stream.first, 16);
  const __m512i second = _mm512_mask_srli_epi32(stream.second, secondEmits, stream.second, 16);
  stream.first = advance<bits>(first, firstSteps);
  stream.second = advance<bits>(second, secondSteps);
}

template <size_t count, unsigned bits, class Table>
SWARM_AVX512 void encodeInterleaved(const Table& shared, EncodeStream* streams) {
  const Table table = shared;
  Stream local[count];
  for (size_t index = 0; index < count; index++) {
    const EncodeStream& stream = streams[index];
    local[index] = {_mm512_permutexvar_epi32(descending32(), _mm512_load_si512(stream.states + 16)),
                    _mm512_permutexvar_epi32(descending32(), _mm512_load_si512(stream.states)), stream.words,
                    stream.symbols + stream.size};
  }
  for (size_t rows = streams[0].size / laneCount; rows > 0; rows--) {
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) encodeRow<bits>(table, local[index]);
  }
  for (size_t index = 0; index < count; index++) {
    EncodeStream& stream = streams[index];
    _mm512_store_si512(stream.states + 16, _mm512_permutexvar_epi32(descending32(), local[index].first));
    _mm512_store_si512(stream.states, _mm512_permutexvar_epi32(descending32(), local[index].second));
    stream.words = local[index].words;
    stream.size = 0;
  }
}

template <unsigned bits, class Table>
SWARM_AVX512 void encodeWith(const Table& table, EncodeStream* streams, size_t count) {
  if (count == streamsAtOnce) return encodeInterleaved<streamsAtOnce, bits>(table, streams);
  for (size_t index = 0; index < count; index++) encodeInterleaved<1, bits>(table, streams + index);
}

template <unsigned bits>
SWARM_AVX512 void encodeBits(const EncodeTable& table, EncodeStream* streams, size_t count) {
  RegisterTable registers;
  if (registers.fill(table)) return encodeWith<bits>(registers, streams, count);
  encodeWith<bits>(MemoryTable{table.steps.data()}, streams, count);
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
