// One row of 32 lanes with AVX2: states, the arithmetic of a step, refills, and two ways of looking up a table.
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

template <size_t size>
SWARM_AVX2_INLINE uint64_t sumBytes(uint64_t crc, const uint8_t* bytes) {
#pragma GCC unroll 8
  for (size_t at = 0; at < size; at += 8) {
    uint64_t eight;
    std::memcpy(&eight, bytes + at, sizeof eight);
    crc = _mm_crc32_u64(crc, eight);
  }
  return crc;
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

/** Any table, in memory. Single loads: the gather instructions take longer, and far longer where their leak is mended. */
template <unsigned probabilityBits>
struct MemoryTable {
  static constexpr bool isInRegisters = false;
  static constexpr unsigned bits = probabilityBits;
  const uint32_t* entries;

  SWARM_AVX2_INLINE __m128i lookUpFour(const uint16_t* slots) const {
    uint32_t low;
    uint32_t high;
    std::memcpy(&low, slots, sizeof low);
    std::memcpy(&high, slots + 2, sizeof high);
    __m128i four = _mm_cvtsi32_si128(static_cast<int>(entries[low & 0xFFFF]));
    four = _mm_insert_epi32(four, static_cast<int>(entries[low >> 16]), 1);
    four = _mm_insert_epi32(four, static_cast<int>(entries[high & 0xFFFF]), 2);
    return _mm_insert_epi32(four, static_cast<int>(entries[high >> 16]), 3);
  }

  /** Half a row. Returns its symbols as 16-bit values. */
  SWARM_AVX2_INLINE __m256i decodeHalf(const uint16_t* slots, __m256i& upper, __m256i& lower) const {
    const __m256i one = _mm256_inserti128_si256(_mm256_castsi128_si256(lookUpFour(slots)), lookUpFour(slots + 8), 1);
    const __m256i two =
        _mm256_inserti128_si256(_mm256_castsi128_si256(lookUpFour(slots + 4)), lookUpFour(slots + 12), 1);
    const __m256i lowMask = _mm256_set1_epi32(0xFFFF);
    const __m256i above = _mm256_packus_epi32(_mm256_srli_epi32(one, 16), _mm256_srli_epi32(two, 16));
    const __m256i below = _mm256_packus_epi32(_mm256_and_si256(one, lowMask), _mm256_and_si256(two, lowMask));
    const __m256i joined = _mm256_or_si256(_mm256_slli_epi16(above, 8), _mm256_srli_epi16(below, 8));
    const __m256i offset = _mm256_or_si256(_mm256_and_si256(joined, _mm256_set1_epi16(0xFFF)), _mm256_set1_epi16(INT16_MIN));
    const __m256i high = _mm256_and_si256(lower, _mm256_set1_epi16(static_cast<int16_t>(0xFFFFu << bits)));
    advance(upper, lower, high, _mm256_and_si256(above, _mm256_set1_epi16(-16)), offset,
            _mm256_set1_epi16(INT16_MIN));
    return _mm256_and_si256(below, _mm256_set1_epi16(0xFF));
  }

  /** Returns the symbols. `slots` are those of the stream's states. */
  SWARM_AVX2_INLINE __m256i decodeRow(Stream& stream, const Slots& slots) const {
    Row& row = stream.states;
    const __m256i first = decodeHalf(slots.of, row.upper.first, row.lower.first);
    const __m256i second = decodeHalf(slots.of + 16, row.upper.second, row.lower.second);
    refill(stream, _mm256_set1_epi16(INT16_MIN));
    return _mm256_packus_epi16(first, second);
  }

  template <bool joined, size_t count>
  SWARM_AVX2_INLINE void decode(Stream* streams, Slots* slots, const Target& target, size_t stride) const {
    // One after the other: what a row looks up was stored while the three before it were decoded.
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) {
      store<joined>(decodeRow(streams[index], slots[index]), target, index * stride);
      storeSlots<bits>(streams[index].states.lower, slots[index]);
    }
  }
};

/**
 * A table of 2^11 slots whose common symbols are found in registers, for all lanes of a row at once: a byte shuffle looks up 32
 * times among 16. Slots up to 1920 fall into buckets of 128, those up to 2032 into buckets of 8; a bucket gives the entry of its
 * first slot, and one comparison tells whether the slot belongs to the next entry. The last 16 slots are looked up one by one. Only 16 entries fit; a row that meets another one is decoded with the table in memory.
 */
struct RegisterTable {
  static constexpr bool isInRegisters = true;
  static constexpr unsigned bits = 11;
  static constexpr size_t entriesMax = 16;
  static constexpr int largeBuckets = 15;
  static constexpr int smallBuckets = 14;
  static constexpr uint8_t noEntry = 0x80;
  static constexpr size_t slotCount = size_t{1} << bits;

  /** Sixteen bytes, twice. */
  struct Lookup {
    alignas(32) uint8_t bytes[32];
    SWARM_AVX2_INLINE __m256i operator()(__m256i places) const {
      return _mm256_shuffle_epi8(_mm256_load_si256(reinterpret_cast<const __m256i*>(bytes)), places);
    }
    void set(size_t index, uint8_t value) { bytes[index] = bytes[index + 16] = value; }
  };

  /** Constants as a compiler cannot know them: it would make each anew in the loop, in three steps, for want of registers. */
  struct Constant {
    alignas(32) uint8_t bytes[32];
    SWARM_AVX2_INLINE __m256i get() const { return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes)); }
    void set(uint8_t value) { std::memset(bytes, value, sizeof bytes); }
    void set16(uint16_t value) {
      for (size_t at = 0; at < sizeof bytes; at += 2) store16(bytes + at, value);
    }
  };

  Constant slotMask, bucketMask, nibbleMask, smallOffset, toLow, toHigh, lastPlace, signBit;
  MemoryTable<bits> memory;
  /** By bucket: the entry after the one of its first slot, and where in 128 slots that one starts. */
  Lookup nextEntry[2];
  Lookup nextStart[2];
  Lookup lastEntry;
  /** By entry. Starts are less by 2^15: see `advance`. */
  Lookup frequencyLow, frequencyHigh, startLow, startHigh, symbol;

  /** False when the table does not fit. */
  bool fill(const DecodeTable& table) {
    std::memset(this, 0, sizeof *this);
    slotMask.set16(slotCount - 1);
    bucketMask.set16(127);
    nibbleMask.set(15);
    smallOffset.set(largeBuckets * 15);
    toLow.set(0x70);
    toHigh.set(16);
    lastPlace.set(largeBuckets + smallBuckets - 1);
    signBit.set16(0x8000);
    memory.entries = table.slots.data();
    uint8_t entryOfSlot[slotCount];
    size_t slot = 0;
    for (size_t entry = 0; entry < table.symbolCount; entry++) {
      const size_t frequency = load16(table.frequencies + 2 * entry);
      if (entry < entriesMax) {
        const auto scaled = static_cast<uint16_t>(frequency << (16 - bits));
        const auto start = static_cast<uint16_t>(slot - 0x8000);
        frequencyLow.set(entry, static_cast<uint8_t>(scaled));
        frequencyHigh.set(entry, static_cast<uint8_t>(scaled >> 8));
        startLow.set(entry, static_cast<uint8_t>(start));
        startHigh.set(entry, static_cast<uint8_t>(start >> 8));
        symbol.set(entry, table.symbols[entry]);
      }
      std::memset(entryOfSlot + slot, entry < entriesMax ? static_cast<int>(entry) : noEntry, frequency);
      slot += frequency;
    }
    for (size_t bucket = 0; bucket < largeBuckets + smallBuckets; bucket++) {
      const bool isLarge = bucket < largeBuckets;
      const size_t size = isLarge ? 128 : 8;
      const size_t first = isLarge ? bucket * 128 : largeBuckets * 128 + (bucket - largeBuckets) * 8;
      if (!setBucket(entryOfSlot + first, size, bucket, first % 128)) return false;
    }
    for (size_t index = 0; index < 16; index++) lastEntry.set(index, entryOfSlot[slotCount - 16 + index]);
    return true;
  }

  template <bool joined, size_t count>
  SWARM_AVX2_INLINE void decode(Stream* streams, Slots*, const Target& target, size_t stride) const {
    Halves slots[count];
    __m256i entries[count];
    __m256i any = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) {
      entries[index] = findEntries(streams[index].states.lower, slots[index]);
      any = _mm256_or_si256(any, entries[index]);
    }
    if (_mm256_movemask_epi8(any) != 0) {
#pragma GCC unroll 4
      for (size_t index = 0; index < count; index++) {
        Stream copy = streams[index];
        store<joined>(decodeRare(copy), target, index * stride);
        streams[index] = copy;
      }
      return;
    }
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) {
      step(entries[index], slots[index], streams[index].states);
      store<joined>(symbol(entries[index]), target, index * stride);
      refill(streams[index], signBit.get());
    }
  }

 private:
  /** Seldom needed, and kept out of the loop, whose registers it would take. */
  SWARM_AVX2 __attribute__((noinline)) __m256i decodeRare(Stream& stream) const {
    Slots slots;
    storeSlots<bits>(stream.states.lower, slots);
    return memory.decodeRow(stream, slots);
  }

  bool setBucket(const uint8_t* entries, size_t size, size_t bucket, size_t start) {
    size_t next = 1;
    while (next < size && entries[next] == entries[0]) next++;
    for (size_t index = next; index < size; index++)
      if (entries[index] != entries[next]) return false;
    if (entries[size - 1] == noEntry) return false;
    // Where there is no next one, every slot counts as behind its start.
    nextEntry[bucket / 16].set(bucket % 16, static_cast<uint8_t>(entries[0] + (next < size ? 1 : 0)));
    nextStart[bucket / 16].set(bucket % 16, static_cast<uint8_t>(next < size ? start + next : 0));
    return true;
  }

  /** The entries of all lanes, in order, and their slots. */
  SWARM_AVX2_INLINE __m256i findEntries(const Halves& lower, Halves& slots) const {
    slots = {_mm256_and_si256(lower.first, slotMask.get()), _mm256_and_si256(lower.second, slotMask.get())};
    const __m256i small = _mm256_packus_epi16(_mm256_srli_epi16(slots.first, 3), _mm256_srli_epi16(slots.second, 3));
    const __m256i inBucket = _mm256_packus_epi16(_mm256_and_si256(slots.first, bucketMask.get()),
                                                 _mm256_and_si256(slots.second, bucketMask.get()));
    const __m256i large = _mm256_and_si256(_mm256_srli_epi16(small, 4), nibbleMask.get());
    // The larger one is right, on either side of where the small buckets begin.
    const __m256i place = _mm256_max_epu8(large, _mm256_subs_epu8(small, smallOffset.get()));
    // A place outside of a lookup's sixteen gets its highest bit set, and the lookup gives 0.
    const __m256i low = _mm256_adds_epu8(place, toLow.get());
    const __m256i high = _mm256_sub_epi8(place, toHigh.get());
    const __m256i next = _mm256_or_si256(nextEntry[0](low), nextEntry[1](high));
    const __m256i start = _mm256_or_si256(nextStart[0](low), nextStart[1](high));
    const __m256i entries = _mm256_add_epi8(next, _mm256_cmpgt_epi8(start, inBucket));
    const __m256i isLast = _mm256_cmpgt_epi8(place, lastPlace.get());
    return _mm256_blendv_epi8(entries, lastEntry(inBucket), isLast);
  }

  SWARM_AVX2_INLINE void step(__m256i entries, const Halves& slots, Row& states) const {
    const __m256i scaledLow = frequencyLow(entries), scaledHigh = frequencyHigh(entries);
    const __m256i low = startLow(entries), high = startHigh(entries);
    const auto half = [this](__m256i& upper, __m256i& lower, __m256i slot, __m256i scaled, __m256i start) SWARM_AVX2 {
      advance(upper, lower, _mm256_xor_si256(lower, slot), scaled, _mm256_sub_epi16(slot, start),
              signBit.get());
    };
    half(states.upper.first, states.lower.first, slots.first, _mm256_unpacklo_epi8(scaledLow, scaledHigh),
         _mm256_unpacklo_epi8(low, high));
    half(states.upper.second, states.lower.second, slots.second, _mm256_unpackhi_epi8(scaledLow, scaledHigh),
         _mm256_unpackhi_epi8(low, high));
  }
};

}  // namespace swarm::avx2
#endif
