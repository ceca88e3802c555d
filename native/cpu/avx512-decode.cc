// rANS decoder for AVX-512 with VBMI and VBMI2: a row of 32 lanes is two registers of states, the rows of up to four streams are
// interleaved. Tables with few symbols are looked up in registers, others in memory.
#include "cpu/avx512.h"

#if defined(__x86_64__)

#include "cpu/look-up.h"
#include "cpu/sum-bytes.h"

namespace swarm::avx512 {

namespace {

// 32 lanes of 32 bits as two registers of 16-bit halves, in the order of the lanes: all that is looked up and all words that come
// in have 16 bits, so that nothing needs widening, and a refill moves the lower half up.
struct Row {
  __m512i upper;
  __m512i lower;
};

struct Stream {
  Row states;
  const uint8_t* next;
  uint8_t* symbols;
  const uint8_t* lowPlane;
  uint8_t* elements;
};

/** The slots of the coming row, for tables in memory. */
struct Slots {
  alignas(64) uint16_t of[laneCount];
};

/** Every second 16-bit value of two registers. */
SWARM_AVX512_INLINE __m512i everySecond(__m512i first, __m512i second, int start) {
  const __m512i places = _mm512_set_epi32(0x3E003C, 0x3A0038, 0x360034, 0x320030, 0x2E002C, 0x2A0028, 0x260024, 0x220020,
                                          0x1E001C, 0x1A0018, 0x160014, 0x120010, 0x0E000C, 0x0A0008, 0x060004, 0x020000);
  return _mm512_permutex2var_epi16(first, _mm512_add_epi16(places, _mm512_set1_epi16(static_cast<int16_t>(start))), second);
}

SWARM_AVX512_INLINE Row loadRow(const uint32_t* states) {
  const __m512i low = _mm512_load_si512(states);
  const __m512i high = _mm512_load_si512(states + 16);
  return {everySecond(low, high, 1), everySecond(low, high, 0)};
}

SWARM_AVX512_INLINE void storeRow(const Row& row, uint32_t* states) {
  const __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(row.lower));
  const __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(row.lower, 1));
  const __m512i lowUpper = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(row.upper));
  const __m512i highUpper = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(row.upper, 1));
  _mm512_store_si512(states, _mm512_or_si512(low, _mm512_slli_epi32(lowUpper, 16)));
  _mm512_store_si512(states + 16, _mm512_or_si512(high, _mm512_slli_epi32(highUpper, 16)));
}

/**
 * state = frequency * (state >> bits) + offset, with `scaled` = frequency * 2^(16 - bits) in 16 bits: upper * scaled is what
 * the upper half adds to the product, and the upper half of high * scaled what the `high` bits of the lower half above the
 * slot do. That and the offset together stay below 2^16; the carry into the upper half is where the sum is below them.
 */
SWARM_AVX512_INLINE Row advance(__m512i upper, __m512i high, __m512i scaled, __m512i offset) {
  const __m512i small = _mm512_add_epi16(_mm512_mulhi_epu16(high, scaled), offset);
  const __m512i lower = _mm512_add_epi16(_mm512_mullo_epi16(upper, scaled), small);
  const __m512i product = _mm512_mulhi_epu16(upper, scaled);
  const __mmask32 carry = _mm512_cmplt_epu16_mask(lower, small);
  return {_mm512_mask_sub_epi16(product, carry, product, _mm512_set1_epi16(-1)), lower};
}

/** Gives a word to every lane whose state is below 2^15, lanes ascending. */
SWARM_AVX512_INLINE void refill(Stream& stream) {
  const Row row = stream.states;
  constexpr int firstOrBoth = 0xF8;  // first | (second & third)
  const __m512i upperBits = _mm512_ternarylogic_epi32(row.upper, row.lower, _mm512_set1_epi16(INT16_MIN), firstOrBoth);
  const __mmask32 needs = _mm512_testn_epi16_mask(upperBits, upperBits);
  stream.states.upper = _mm512_mask_mov_epi16(row.upper, needs, row.lower);
  stream.states.lower = _mm512_mask_expand_epi16(row.lower, needs, _mm512_loadu_si512(stream.next));
  stream.next += 2 * static_cast<size_t>(_mm_popcnt_u32(needs));
}

/**
 * A table of at most 32 symbols in registers. The slots but the last 64 fall into buckets of equal size; a bucket gives the
 * entry of its first slot, and one comparison tells whether the slot belongs to the next entry. The last slots, where the rare
 * symbols are, are looked up one by one, in the same registers.
 */
template <unsigned bits>
struct RegisterTable {
  static constexpr size_t symbolsMax = 32;
  static constexpr size_t slotCount = size_t{1} << bits;
  static constexpr unsigned bucketBits = bits - 6;
  static constexpr int rareStart = (1 << bits) - 64;
  /** Where the slot `rareStart` is looked up: behind the buckets. */
  static constexpr int rarePlace = rareStart >> bucketBits;

  __m512i places[2];
  __m512i frequencies;
  __m512i starts;
  __m512i nextStarts;
  __m512i symbols;
  __m512i upperSymbols;

  /** False when the table does not fit. */
  SWARM_AVX512 bool fill(const DecodeTable& table) {
    if (table.symbolCount > symbolsMax) return false;
    alignas(64) uint16_t frequency[symbolsMax] = {};
    alignas(64) uint16_t start[symbolsMax] = {};
    alignas(64) uint16_t nextStart[symbolsMax];
    alignas(64) uint16_t symbol[symbolsMax] = {};
    alignas(64) uint8_t entryOfPlace[128] = {};
    uint8_t entryOfSlot[slotCount];
    size_t slot = 0;
    for (size_t entry = 0; entry < symbolsMax; entry++) {
      nextStart[entry] = UINT16_MAX;
      if (entry >= table.symbolCount) continue;
      symbol[entry] = table.symbols[entry];
      const uint16_t count = load16(table.frequencies + 2 * entry);
      frequency[entry] = static_cast<uint16_t>(count << (16 - bits));
      start[entry] = static_cast<uint16_t>(slot);
      std::memset(entryOfSlot + slot, static_cast<int>(entry), count);
      slot += count;
      if (slot < slotCount) nextStart[entry] = static_cast<uint16_t>(slot);
    }
    for (size_t place = 0; place < size_t{rarePlace}; place++) {
      const uint8_t* slots = entryOfSlot + (place << bucketBits);
      entryOfPlace[place] = slots[0];
      if (slots[(size_t{1} << bucketBits) - 1] - slots[0] > 1) return false;
    }
    std::memcpy(entryOfPlace + rarePlace, entryOfSlot + rareStart, 64);
    places[0] = _mm512_load_si512(entryOfPlace);
    places[1] = _mm512_load_si512(entryOfPlace + 64);
    frequencies = _mm512_load_si512(frequency);
    starts = _mm512_load_si512(start);
    nextStarts = _mm512_load_si512(nextStart);
    symbols = _mm512_load_si512(symbol);
    upperSymbols = _mm512_slli_epi16(symbols, 8);
    return true;
  }

  SWARM_AVX512_INLINE void prepare(const Stream&, Slots&) const {}

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
  template <bool joined, size_t count>
  SWARM_AVX512_INLINE void decode(Stream* streams, Slots*) const {
    const __m512i slotMask = _mm512_set1_epi16((1 << bits) - 1);
    __m512i slots[count];
    __m512i entries[count];
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) {
      slots[index] = _mm512_and_si512(streams[index].states.lower, slotMask);
      // The larger one is right, on either side of `rareStart`.
      const __m512i place = _mm512_max_epi16(_mm512_srli_epi16(slots[index], bucketBits),
                                             _mm512_sub_epi16(slots[index], _mm512_set1_epi16(rareStart - rarePlace)));
      // What it finds at the odd bytes does not matter: lookups by 16 bits use the lowest ones.
      entries[index] = _mm512_permutex2var_epi8(places[0], place, places[1]);
    }
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) {
      const __m512i nextStart = _mm512_permutexvar_epi16(entries[index], nextStarts);
      const __mmask32 next = _mm512_cmpge_epu16_mask(slots[index], nextStart);
      entries[index] = _mm512_mask_sub_epi16(entries[index], next, entries[index], _mm512_set1_epi16(-1));
    }
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) {
      Row& states = streams[index].states;
      const __m512i frequency = _mm512_permutexvar_epi16(entries[index], frequencies);
      const __m512i offset = _mm512_sub_epi16(slots[index], _mm512_permutexvar_epi16(entries[index], starts));
      states = advance(states.upper, _mm512_xor_si512(states.lower, slots[index]), frequency, offset);
    }
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) store<joined>(entries[index], streams[index]);
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) refill(streams[index]);
  }
};

/** Any table, in memory. */
template <unsigned bits>
struct MemoryTable {
  const uint32_t* entries;

  SWARM_AVX512_INLINE __m512i lookUpSixteen(const uint16_t* at) const {
    const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(lookUpFour(entries, at)),
                                                lookUpFour(entries, at + 4), 1);
    const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(lookUpFour(entries, at + 8)),
                                                 lookUpFour(entries, at + 12), 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  }

  template <bool joined, size_t count>
  SWARM_AVX512_INLINE void decode(Stream* streams, Slots* slots) const {
    static_assert(!joined, "only tables in registers are worth joining at once");
    const __m512i lowestBytes = _mm512_castsi256_si512(
        _mm256_set_epi32(0x7C787470, 0x6C686460, 0x5C585450, 0x4C484440, 0x3C383430, 0x2C282420, 0x1C181410, 0x0C080400));
    // One after the other: what a row looks up was stored while the three before it were decoded.
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) {
      Stream& stream = streams[index];
      const __m512i low = lookUpSixteen(slots[index].of);
      const __m512i high = lookUpSixteen(slots[index].of + 16);
      const __m512i upper = everySecond(low, high, 1);
      const __m512i lower = everySecond(low, high, 0);
      const __m512i offset = _mm512_and_si512(_mm512_shldi_epi16(upper, lower, 8), _mm512_set1_epi16(0xFFF));
      const __m512i scaled = _mm512_and_si512(upper, _mm512_set1_epi16(-16));
      const __m512i aboveSlot = _mm512_set1_epi16(static_cast<int16_t>(0xFFFFu << bits));
      const __m512i symbols = _mm512_permutex2var_epi8(low, lowestBytes, high);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(stream.symbols), _mm512_castsi512_si256(symbols));
      stream.symbols += laneCount;
      stream.states =
          advance(stream.states.upper, _mm512_and_si512(stream.states.lower, aboveSlot), scaled, offset);
      refill(stream);
      prepare(stream, slots[index]);
    }
  }

  SWARM_AVX512_INLINE void prepare(const Stream& stream, Slots& slots) const {
    _mm512_store_si512(slots.of, _mm512_and_si512(stream.states.lower, _mm512_set1_epi16((1 << bits) - 1)));
    // Reading them back from memory is what makes lookups fast; compilers would take them out of the register one by one.
    asm volatile("" : "+m"(slots));
  }
};

/** Decodes all full rows of `count` streams, as far as the last of them goes and until one comes near `readableEnd`. */
template <size_t count, bool joined, bool summed, class Table>
SWARM_AVX512 void decodeInterleaved(const Table& shared, DecodeStream* streams, const uint8_t* readableEnd) {
  constexpr size_t rowBytes = joined ? 2 * laneCount : laneCount;
  const Table table = shared;
  Stream local[count];
  Slots slots[count];
  uint64_t sums[count] = {};
#pragma GCC unroll 4
  for (size_t index = 0; index < count; index++) {
    const DecodeStream& stream = streams[index];
    local[index] = {loadRow(stream.states), stream.next, stream.symbols, stream.lowPlane, stream.elements};
    table.prepare(local[index], slots[index]);
  }
  const uint8_t* const last = readableEnd - rowWordBytes;
  const size_t rows = streams[count - 1].size / laneCount;
  size_t row = 0;
  for (; row < rows; row++) {
    bool isNear = false;
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) isNear |= local[index].next > last;
    if (isNear) break;
    table.template decode<joined, count>(local, slots);
    if (!summed || row < sumDelayRows) continue;
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) {
      const uint8_t* const end = joined ? local[index].elements : local[index].symbols;
      sums[index] = sumBytes<rowBytes>(sums[index], end - (sumDelayRows + 1) * rowBytes);
    }
  }
#pragma GCC unroll 4
  for (size_t index = 0; index < count; index++) {
    DecodeStream& stream = streams[index];
    storeRow(local[index].states, stream.states);
    stream.next = local[index].next;
    stream.symbols += row * laneCount;
    stream.size -= row * laneCount;
    stream.lowPlane = local[index].lowPlane;
    stream.elements = local[index].elements;
    if (!summed || row < sumDelayRows) continue;
    stream.crc = static_cast<uint32_t>(sums[index]);
    stream.summedBytes = (row - sumDelayRows) * rowBytes;
  }
}

/** Four together as far as the shortest goes, which is the last one, then what is left of each. */
template <bool joined, class Table>
SWARM_AVX512 void decodeWith(const Table& table, DecodeStream* streams, size_t count, const uint8_t* readableEnd) {
  // What is joined later is summed up later.
  const bool isSummed = streams[0].isSummed && joined == (streams[0].elements != nullptr);
  if (count == streamsAtOnce && isSummed)
    decodeInterleaved<streamsAtOnce, joined, true>(table, streams, readableEnd);
  else if (count == streamsAtOnce)
    decodeInterleaved<streamsAtOnce, joined, false>(table, streams, readableEnd);
  for (size_t index = 0; index < count; index++)
    decodeInterleaved<1, joined, false>(table, streams + index, readableEnd);
}

template <unsigned bits>
SWARM_AVX512 void decodeBits(const DecodeTable& table, DecodeStream* streams, size_t count,
                             const uint8_t* readableEnd) {
  RegisterTable<bits> registers;
  if (!registers.fill(table))
    return decodeWith<false>(MemoryTable<bits>{table.slots.data()}, streams, count, readableEnd);
  if (streams[0].elements != nullptr) return decodeWith<true>(registers, streams, count, readableEnd);
  decodeWith<false>(registers, streams, count, readableEnd);
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
