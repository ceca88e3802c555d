// rANS decoder for AVX-512 with VBMI and VBMI2: a row of 32 lanes is two registers of states, the rows of up to four streams are
// interleaved. Tables with few symbols are looked up in registers, others in memory.
#include "cpu/avx512.h"

#if defined(__x86_64__)

namespace swarm::avx512 {

namespace {

// Even lanes are in one register, odd lanes in the other: as 16-bit values, both fit in one register in the order of the lanes.
struct Row {
  __m512i even;
  __m512i odd;
};

struct Stream {
  Row states;
  const uint8_t* next;
  uint8_t* symbols;
  const uint8_t* lowPlane;
  uint8_t* elements;
  uint64_t crc;
};

constexpr uint32_t evenWords = 0x55555555;
constexpr uint64_t evenBytes = 0x5555555555555555;

/** The lower halves of both registers, in the order of the lanes. */
SWARM_AVX512_INLINE __m512i lowerHalves(const Row& row) {
  return _mm512_mask_mov_epi16(_mm512_slli_epi32(row.odd, 16), evenWords, row.even);
}

SWARM_AVX512_INLINE Row loadRow(const uint32_t* states) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i low = _mm512_load_si512(states);
  const __m512i high = _mm512_load_si512(states + 16);
  return {_mm512_permutex2var_epi32(low, even, high),
          _mm512_permutex2var_epi32(low, _mm512_add_epi32(even, _mm512_set1_epi32(1)), high)};
}

SWARM_AVX512_INLINE void storeRow(const Row& row, uint32_t* states) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  _mm512_store_si512(states, _mm512_permutex2var_epi32(row.even, low, row.odd));
  _mm512_store_si512(states + 16, _mm512_permutex2var_epi32(row.even, high, row.odd));
}

/** Gives a word to every lane whose state is below 2^15, lanes ascending. */
template <size_t count>
SWARM_AVX512_INLINE void refill(Stream* streams) {
  const __m512i limit = _mm512_set1_epi32(stateMin);
  __m512i words[count];
#pragma GCC unroll 4
  for (size_t index = 0; index < count; index++) {
    Stream& stream = streams[index];
    const Row& states = stream.states;
    // Bits 15 to 30 of all lanes, of the odd ones by doubling: zero where a word is needed.
    const __m512i upperBits = _mm512_mask_mov_epi16(_mm512_add_epi32(states.odd, states.odd), evenWords,
                                                    _mm512_srli_epi32(states.even, 15));
    const __mmask32 needs = _mm512_testn_epi16_mask(upperBits, upperBits);
    words[index] = _mm512_maskz_expand_epi16(needs, _mm512_loadu_si512(stream.next));
    stream.next += 2 * static_cast<size_t>(_mm_popcnt_u32(needs));
  }
#pragma GCC unroll 4
  for (size_t index = 0; index < count; index++) {
    Row& states = streams[index].states;
    const __mmask16 needsEven = _mm512_cmplt_epu32_mask(states.even, limit);
    const __mmask16 needsOdd = _mm512_cmplt_epu32_mask(states.odd, limit);
    const __m512i shifted = _mm512_mask_slli_epi32(states.even, needsEven, states.even, 16);
    constexpr int orBoth = 0xF8;  // first | (second & third)
    states.even = _mm512_ternarylogic_epi32(shifted, words[index], _mm512_set1_epi32(0xFFFF), orBoth);
    states.odd = _mm512_mask_shldi_epi32(states.odd, needsOdd, states.odd, words[index], 16);
  }
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
  __m512i upperSymbols;

  /** False when the table does not fit. */
  SWARM_AVX512 bool fill(const DecodeTable& table) {
    if (table.symbolCount > symbolsMax) return false;
    const size_t slotCount = size_t{1} << table.probabilityBits;
    const size_t bucketSlots = slotCount / bucketCount;
    alignas(64) uint16_t frequency[symbolsMax] = {};
    alignas(64) uint16_t start[symbolsMax] = {};
    alignas(64) uint16_t nextStart[symbolsMax];
    alignas(64) uint16_t symbol[symbolsMax] = {};
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
    upperSymbols = _mm512_slli_epi16(symbols, 8);
    return true;
  }

  /** The symbols of a row, to the plane or joined with the other plane of bf16 elements. */
  template <bool joined>
  SWARM_AVX512_INLINE void store(__m512i entries, Stream& stream) const {
    if (joined) {
      const __m512i upper = _mm512_permutexvar_epi16(entries, upperSymbols);
      const __m256i lower = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(stream.lowPlane));
      const __m512i rotated = _mm512_or_si512(upper, _mm512_cvtepu8_epi16(lower));
      _mm512_storeu_si512(stream.elements, _mm512_shrdi_epi16(rotated, rotated, 1));
      stream.lowPlane += laneCount;
      stream.elements += 2 * laneCount;
    } else {
      const __m256i row = _mm512_cvtepi16_epi8(_mm512_permutexvar_epi16(entries, symbols));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(stream.symbols), row);
      stream.symbols += laneCount;
    }
  }

  /**
   * A row of `count` streams, step by step: the processor looks only so far ahead for work that need not wait, and the steps of
   * one row wait for each other.
   */
  template <unsigned bits, bool joined, size_t count>
  SWARM_AVX512_INLINE void decode(Stream* streams) const {
    __m512i slots[count];
    __m512i entries[count];
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) {
      slots[index] = _mm512_and_si512(lowerHalves(streams[index].states), slotMask);
      const __m512i bucket = _mm512_srli_epi16(slots[index], bits - 7);
      entries[index] = _mm512_maskz_permutex2var_epi8(evenBytes, buckets[0], bucket, buckets[1]);
    }
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) {
      const __m512i nextStart = _mm512_permutexvar_epi16(entries[index], nextStarts);
      const __mmask32 next = _mm512_cmpge_epu16_mask(slots[index], nextStart);
      entries[index] = _mm512_mask_sub_epi16(entries[index], next, entries[index], _mm512_set1_epi16(-1));
      const __mmask32 isRare = _mm512_cmpge_epu16_mask(slots[index], rareStart);
      const __m512i rareEntries = _mm512_maskz_permutex2var_epi8(evenBytes, rare[0], slots[index], rare[1]);
      entries[index] = _mm512_mask_mov_epi16(entries[index], isRare, rareEntries);
    }
    const __m512i lowHalf = _mm512_set1_epi32(0xFFFF);
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) {
      Row& states = streams[index].states;
      const __m512i frequency = _mm512_permutexvar_epi16(entries[index], frequencies);
      const __m512i offset = _mm512_sub_epi16(slots[index], _mm512_permutexvar_epi16(entries[index], starts));
      states.even = _mm512_add_epi32(
          _mm512_mullo_epi32(_mm512_srli_epi32(states.even, bits), _mm512_and_si512(frequency, lowHalf)),
          _mm512_and_si512(offset, lowHalf));
      states.odd = _mm512_add_epi32(
          _mm512_mullo_epi32(_mm512_srli_epi32(states.odd, bits), _mm512_srli_epi32(frequency, 16)),
          _mm512_srli_epi32(offset, 16));
    }
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) store<joined>(entries[index], streams[index]);
    refill<count>(streams);
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

  template <unsigned bits, bool joined, size_t count>
  SWARM_AVX512_INLINE void decode(Stream* streams) const {
    static_assert(!joined, "only tables in registers are worth joining at once");
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) decodeRow<bits>(streams[index]);
  }

  template <unsigned bits>
  SWARM_AVX512_INLINE void decodeRow(Stream& stream) const {
    const __m512i even = advance<bits>(stream.states.even);
    const __m512i odd = advance<bits>(stream.states.odd);
    const __m512i symbols =
        _mm512_mask_mov_epi16(_mm512_srli_epi32(odd, 8), evenWords, _mm512_srli_epi32(even, 24));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(stream.symbols), _mm512_cvtepi16_epi8(symbols));
    stream.symbols += laneCount;
    refill<1>(&stream);
  }
};

/** Elements are summed this many rows after they were stored: loads that overtake a wider store wait for it. */
constexpr size_t sumDelayRows = 8;
constexpr size_t rowElementBytes = 2 * laneCount;

/** The processor's instruction for it runs beside the vector units, which are busy, and takes no time of its own. */
SWARM_AVX512_INLINE uint64_t sumRow(uint64_t crc, const uint8_t* row) {
#pragma GCC unroll 8
  for (size_t at = 0; at < rowElementBytes; at += 8) {
    uint64_t eight;
    std::memcpy(&eight, row + at, sizeof eight);
    crc = _mm_crc32_u64(crc, eight);
  }
  return crc;
}

/** Decodes all full rows of `count` streams, as far as the shortest of them goes and until one comes near `readableEnd`. */
template <size_t count, unsigned bits, bool joined, class Table>
SWARM_AVX512 void decodeInterleaved(const Table& shared, DecodeStream* streams, const uint8_t* readableEnd) {
  constexpr bool isSummed = joined && count > 1;
  const Table table = shared;
  Stream local[count];
  for (size_t index = 0; index < count; index++) {
    const DecodeStream& stream = streams[index];
    local[index] = {loadRow(stream.states), stream.next, stream.symbols, stream.lowPlane, stream.elements, 0};
  }
  const uint8_t* const last = readableEnd - rowWordBytes;
  const size_t rows = streams[count - 1].size / laneCount;
  size_t row = 0;
  for (; row < rows; row++) {
    bool isNear = false;
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) isNear |= local[index].next > last;
    if (isNear) break;
    constexpr size_t together = count < 4 ? count : 4;
#pragma GCC unroll 2
    for (size_t index = 0; index < count; index += together)
      table.template decode<bits, joined, together>(local + index);
    if (!isSummed || row < sumDelayRows) continue;
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++)
      local[index].crc = sumRow(local[index].crc, local[index].elements - (sumDelayRows + 1) * rowElementBytes);
  }
  for (size_t index = 0; index < count; index++) {
    DecodeStream& stream = streams[index];
    storeRow(local[index].states, stream.states);
    stream.next = local[index].next;
    stream.symbols += row * laneCount;
    stream.size -= row * laneCount;
    stream.lowPlane = local[index].lowPlane;
    stream.elements = local[index].elements;
    if (!isSummed || row < sumDelayRows) continue;
    stream.crc = static_cast<uint32_t>(local[index].crc);
    stream.summedBytes = (row - sumDelayRows) * rowElementBytes;
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
