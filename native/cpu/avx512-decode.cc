// rANS decoder for AVX-512 with VBMI and VBMI2: a row of 32 lanes is two registers of states, the rows of up to four streams are
// interleaved. Tables with few symbols are looked up in registers, others in memory.
#include "cpu/avx512.h"

#if defined(__x86_64__)

namespace swarm::avx512 {

namespace {

// Lanes 0 to 15 and 16 to 31 of a row; where both share a register of 16-bit values, they alternate, 0, 16, 1, 17, and so on.
struct Row {
  __m512i low;
  __m512i high;
};

struct Stream {
  Row states;
  const uint8_t* next;
  uint8_t* symbols;
  const uint8_t* lowPlane;
  uint8_t* elements;
};

constexpr uint32_t evenWords = 0x55555555;
constexpr uint64_t evenBytes = 0x5555555555555555;

/** Puts the words of lanes 0 to 15, or 16 to 31, into the upper halves of sixteen lanes. */
SWARM_AVX512_INLINE __m512i upperHalves(__m512i words, int firstLane) {
  const __m512i even = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i places = _mm512_slli_epi32(_mm512_add_epi32(even, _mm512_set1_epi32(firstLane)), 16);
  return _mm512_permutexvar_epi16(places, words);
}

/** Gives a word to every lane whose state is below 2^15, lanes ascending. */
SWARM_AVX512_INLINE void refill(Stream& stream) {
  const __m512i limit = _mm512_set1_epi32(stateMin);
  Row& states = stream.states;
  const __mmask16 needsLow = _mm512_cmplt_epu32_mask(states.low, limit);
  const __mmask16 needsHigh = _mm512_cmplt_epu32_mask(states.high, limit);
  const __mmask32 needs = _mm512_kunpackw(needsHigh, needsLow);
  const __m512i words = _mm512_maskz_expand_epi16(needs, _mm512_loadu_si512(stream.next));
  stream.next += 2 * static_cast<size_t>(_mm_popcnt_u32(needs));
  states.low = _mm512_mask_shldi_epi32(states.low, needsLow, states.low, upperHalves(words, 0), 16);
  states.high = _mm512_mask_shldi_epi32(states.high, needsHigh, states.high, upperHalves(words, 16), 16);
}

/**
 * A table of at most 32 symbols in registers. Slots fall into 128 buckets; a bucket gives the entry of its first slot, and one
 * comparison tells whether the slot belongs to the next entry. Only in the last 128 slots, where the rare symbols are, may a
 * bucket hold more than two entries: those slots are looked up one by one.
 */
struct RegisterTable {
  static constexpr size_t symbolsMax = 32;
  static constexpr size_t bucketCount = 128;
  static constexpr size_t rareSlots = 128;

  __m512i buckets[2];
  __m512i rare[2];
  __m512i frequencies;
  __m512i starts;
  __m512i nextStarts;
  __m512i symbols;
  __m512i rareStart;
  __m512i slotMask;
  __m512i byteOrder;
  __m512i wordOrder;
  __m512i upperSymbols;

  /** False when the table does not fit. */
  SWARM_AVX512 bool fill(const DecodeTable& table) {
    if (table.symbolCount > symbolsMax) return false;
    const size_t slotCount = size_t{1} << table.probabilityBits;
    const size_t bucketSlots = slotCount / bucketCount;
    alignas(64) uint16_t frequency[symbolsMax] = {};
    alignas(64) uint16_t start[symbolsMax] = {};
    alignas(64) uint16_t nextStart[symbolsMax];
    alignas(64) uint8_t symbol[64] = {};
    alignas(64) uint8_t bucketEntry[bucketCount];
    alignas(64) uint8_t rareEntry[rareSlots];
    alignas(64) uint8_t entryOfSlot[size_t{1} << probabilityBitsMax];
    size_t slot = 0;
    for (size_t entry = 0; entry < symbolsMax; entry++) {
      nextStart[entry] = UINT16_MAX;
      if (entry >= table.symbolCount) continue;
      symbol[entry] = table.symbols[entry];
      frequency[entry] = load16(table.frequencies + 2 * entry);
      start[entry] = static_cast<uint16_t>(slot);
      std::memset(entryOfSlot + slot, static_cast<int>(entry), frequency[entry]);
      slot += frequency[entry];
      if (entry + 1 < table.symbolCount) nextStart[entry] = static_cast<uint16_t>(slot);
    }
    for (size_t bucket = 0; bucket < bucketCount; bucket++) {
      const uint8_t* slots = entryOfSlot + bucket * bucketSlots;
      bucketEntry[bucket] = slots[0];
      const bool isRare = bucket * bucketSlots >= slotCount - rareSlots;
      if (!isRare && slots[bucketSlots - 1] - slots[0] > 1) return false;
    }
    std::memcpy(rareEntry, entryOfSlot + slotCount - rareSlots, rareSlots);
    for (size_t half = 0; half < 2; half++) {
      buckets[half] = _mm512_load_si512(bucketEntry + 64 * half);
      rare[half] = _mm512_load_si512(rareEntry + 64 * half);
    }
    frequencies = _mm512_load_si512(frequency);
    starts = _mm512_load_si512(start);
    nextStarts = _mm512_load_si512(nextStart);
    symbols = _mm512_load_si512(symbol);
    rareStart = _mm512_set1_epi16(static_cast<int16_t>(slotCount - rareSlots));
    slotMask = _mm512_set1_epi16(static_cast<int16_t>(slotCount - 1));
    alignas(64) uint8_t bytePlace[64] = {};
    alignas(64) uint16_t wordPlace[laneCount];
    for (size_t lane = 0; lane < laneCount; lane++) {
      const size_t word = lane < 16 ? 2 * lane : 2 * (lane - 16) + 1;
      bytePlace[lane] = static_cast<uint8_t>(2 * word);
      wordPlace[lane] = static_cast<uint16_t>(word);
    }
    byteOrder = _mm512_load_si512(bytePlace);
    wordOrder = _mm512_load_si512(wordPlace);
    upperSymbols = _mm512_slli_epi16(_mm512_cvtepu8_epi16(_mm512_castsi512_si256(symbols)), 8);
    return true;
  }

  /** The symbols of a row, to the plane or joined with the other plane of bf16 elements. */
  template <bool joined>
  SWARM_AVX512_INLINE void store(__m512i entries, Stream& stream) const {
    if (joined) {
      const __m512i upper = _mm512_permutexvar_epi16(_mm512_permutexvar_epi16(wordOrder, entries), upperSymbols);
      const __m256i lower = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(stream.lowPlane));
      const __m512i rotated = _mm512_or_si512(upper, _mm512_cvtepu8_epi16(lower));
      _mm512_storeu_si512(stream.elements, _mm512_shrdi_epi16(rotated, rotated, 1));
      stream.lowPlane += laneCount;
      stream.elements += 2 * laneCount;
    } else {
      const __m512i row = _mm512_permutexvar_epi8(_mm512_permutexvar_epi8(byteOrder, entries), symbols);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(stream.symbols), _mm512_castsi512_si256(row));
      stream.symbols += laneCount;
    }
  }

  template <unsigned bits, bool joined>
  SWARM_AVX512_INLINE void decode(Stream& stream) const {
    Row& states = stream.states;
    const __m512i pairs = _mm512_mask_mov_epi16(_mm512_slli_epi32(states.high, 16), evenWords, states.low);
    const __m512i slots = _mm512_and_si512(pairs, slotMask);
    const __m512i bucket = _mm512_srli_epi16(slots, bits - 7);
    __m512i entries = _mm512_maskz_permutex2var_epi8(evenBytes, buckets[0], bucket, buckets[1]);
    const __mmask32 next = _mm512_cmpge_epu16_mask(slots, _mm512_permutexvar_epi16(entries, nextStarts));
    entries = _mm512_mask_sub_epi16(entries, next, entries, _mm512_set1_epi16(-1));
    const __mmask32 isRare = _mm512_cmpge_epu16_mask(slots, rareStart);
    const __m512i rareEntries = _mm512_maskz_permutex2var_epi8(evenBytes, rare[0], slots, rare[1]);
    entries = _mm512_mask_mov_epi16(entries, isRare, rareEntries);
    const __m512i frequency = _mm512_permutexvar_epi16(entries, frequencies);
    const __m512i offset = _mm512_sub_epi16(slots, _mm512_permutexvar_epi16(entries, starts));
    store<joined>(entries, stream);
    const __m512i lowHalf = _mm512_set1_epi32(0xFFFF);
    states.low = _mm512_add_epi32(
        _mm512_mullo_epi32(_mm512_srli_epi32(states.low, bits), _mm512_and_si512(frequency, lowHalf)),
        _mm512_and_si512(offset, lowHalf));
    states.high = _mm512_add_epi32(
        _mm512_mullo_epi32(_mm512_srli_epi32(states.high, bits), _mm512_srli_epi32(frequency, 16)),
        _mm512_srli_epi32(offset, 16));
    refill(stream);
  }
};

/** Any table, in memory. Single loads: the gather instructions are slower on processors with the fix for their leak. */
struct MemoryTable {
  const uint32_t* slots;

  SWARM_AVX512_INLINE __m128i lookUpFour(__m128i at) const {
    const auto low = static_cast<uint64_t>(_mm_cvtsi128_si64(at));
    const auto high = static_cast<uint64_t>(_mm_extract_epi64(at, 1));
    __m128i four = _mm_cvtsi32_si128(static_cast<int>(slots[static_cast<uint32_t>(low)]));
    four = _mm_insert_epi32(four, static_cast<int>(slots[low >> 32]), 1);
    four = _mm_insert_epi32(four, static_cast<int>(slots[static_cast<uint32_t>(high)]), 2);
    return _mm_insert_epi32(four, static_cast<int>(slots[high >> 32]), 3);
  }

  SWARM_AVX512_INLINE __m256i lookUpEight(__m256i at) const {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(lookUpFour(_mm256_castsi256_si128(at))),
                                   lookUpFour(_mm256_extracti128_si256(at, 1)), 1);
  }

  template <unsigned bits>
  SWARM_AVX512_INLINE __m512i advance(__m512i& states) const {
    const __m512i at = _mm512_and_si512(states, _mm512_set1_epi32((1 << bits) - 1));
    const __m512i found = _mm512_inserti64x4(_mm512_castsi256_si512(lookUpEight(_mm512_castsi512_si256(at))),
                                             lookUpEight(_mm512_extracti64x4_epi64(at, 1)), 1);
    const __m512i field = _mm512_set1_epi32(0xFFF);
    const __m512i frequency = _mm512_and_si512(_mm512_srli_epi32(found, 12), field);
    const __m512i product = _mm512_mullo_epi32(_mm512_srli_epi32(states, bits), frequency);
    states = _mm512_add_epi32(product, _mm512_and_si512(found, field));
    return found;
  }

  template <unsigned bits, bool joined>
  SWARM_AVX512_INLINE void decode(Stream& stream) const {
    static_assert(!joined, "only tables in registers are worth joining at once");
    const __m512i low = advance<bits>(stream.states.low);
    const __m512i high = advance<bits>(stream.states.high);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(stream.symbols), _mm512_cvtepi32_epi8(_mm512_srli_epi32(low, 24)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(stream.symbols + 16),
                     _mm512_cvtepi32_epi8(_mm512_srli_epi32(high, 24)));
    stream.symbols += laneCount;
    refill(stream);
  }
};

/** Decodes all full rows of `count` streams, as far as the shortest of them goes and until one comes near `readableEnd`. */
template <size_t count, unsigned bits, bool joined, class Table>
SWARM_AVX512 void decodeInterleaved(const Table& shared, DecodeStream* streams, const uint8_t* readableEnd) {
  const Table table = shared;
  Stream local[count];
  for (size_t index = 0; index < count; index++) {
    const DecodeStream& stream = streams[index];
    local[index] = {{_mm512_load_si512(stream.states), _mm512_load_si512(stream.states + 16)},
                    stream.next, stream.symbols, stream.lowPlane, stream.elements};
  }
  const uint8_t* const last = readableEnd - rowWordBytes;
  const size_t rows = streams[count - 1].size / laneCount;
  size_t row = 0;
  for (; row < rows; row++) {
    bool isNear = false;
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) isNear |= local[index].next > last;
    if (isNear) break;
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) table.template decode<bits, joined>(local[index]);
  }
  for (size_t index = 0; index < count; index++) {
    DecodeStream& stream = streams[index];
    _mm512_store_si512(stream.states, local[index].states.low);
    _mm512_store_si512(stream.states + 16, local[index].states.high);
    stream.next = local[index].next;
    stream.symbols += row * laneCount;
    stream.size -= row * laneCount;
    stream.lowPlane = local[index].lowPlane;
    stream.elements = local[index].elements;
  }
}

/** Four together as far as the shortest goes, which is the last one, then what is left of each. */
template <unsigned bits, bool joined, class Table>
SWARM_AVX512 void decodeWith(const Table& table, DecodeStream* streams, size_t count, const uint8_t* readableEnd) {
  if (count == streamsAtOnce) decodeInterleaved<streamsAtOnce, bits, joined>(table, streams, readableEnd);
  for (size_t index = 0; index < count; index++)
    decodeInterleaved<1, bits, joined>(table, streams + index, readableEnd);
}

template <unsigned bits>
SWARM_AVX512 void decodeBits(const DecodeTable& table, DecodeStream* streams, size_t count,
                             const uint8_t* readableEnd) {
  RegisterTable registers;
  if (!registers.fill(table))
    return decodeWith<bits, false>(MemoryTable{table.slots.data()}, streams, count, readableEnd);
  if (streams[0].elements != nullptr) return decodeWith<bits, true>(registers, streams, count, readableEnd);
  decodeWith<bits, false>(registers, streams, count, readableEnd);
}

}  // namespace

SWARM_AVX512 void decodeRows(const DecodeTable& table, DecodeStream* streams, size_t count,
                             const uint8_t* readableEnd) {
  switch (table.probabilityBits) {
    case 10: return decodeBits<10>(table, streams, count, readableEnd);
    case 11: return decodeBits<11>(table, streams, count, readableEnd);
    default: return decodeBits<12>(table, streams, count, readableEnd);
  }
}

}  // namespace swarm::avx512
#endif
