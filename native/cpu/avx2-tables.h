// Two ways of looking up a table with AVX2: in memory, lane by lane, and in registers, a row at a time.
#pragma once

#include "cpu/avx2-row.h"
#include "cpu/look-up.h"

#if defined(__x86_64__)

namespace swarm::avx2 {

/** Any table, in memory. */
template <unsigned probabilityBits>
struct MemoryTable {
  static constexpr size_t streamsTogether = streamsAtOnce;
  static constexpr unsigned bits = probabilityBits;
  const uint32_t* entries;

  /** Half a row. Returns its symbols as 16-bit values. */
  SWARM_AVX2_INLINE __m256i decodeHalf(const uint16_t* slots, __m256i& upper, __m256i& lower) const {
    const __m256i one = _mm256_inserti128_si256(_mm256_castsi128_si256(lookUpFour(entries, slots)),
                                                lookUpFour(entries, slots + 8), 1);
    const __m256i two = _mm256_inserti128_si256(_mm256_castsi128_si256(lookUpFour(entries, slots + 4)),
                                                lookUpFour(entries, slots + 12), 1);
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
 * times among 16. Slots up to 1920 fall into large buckets, those up to 2032 into small ones; a bucket gives the entry of its
 * first slot, and one comparison tells whether the slot belongs to the next entry. The last 16 slots are looked up one by one.
 * Only 16 entries fit; a row that meets another one is decoded with the table in memory.
 */
struct RegisterTable {
  static constexpr size_t streamsTogether = 2;
  static constexpr unsigned bits = 11;
  static constexpr size_t entriesMax = 16;
  static constexpr int largeBuckets = 15;
  static constexpr int largeBits = 7;
  static constexpr int smallBuckets = 14;
  static constexpr int smallBits = 3;
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
    bucketMask.set16((1 << largeBits) - 1);
    nibbleMask.set(15);
    smallOffset.set((largeBuckets << (largeBits - smallBits)) - largeBuckets);
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
      const size_t size = size_t{1} << (isLarge ? largeBits : smallBits);
      const size_t first = isLarge ? bucket * size : (size_t{largeBuckets} << largeBits) + (bucket - largeBuckets) * size;
      if (!setBucket(entryOfSlot + first, size, bucket, first & ((1 << largeBits) - 1))) return false;
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
    const __m256i small = _mm256_packus_epi16(_mm256_srli_epi16(slots.first, smallBits),
                                               _mm256_srli_epi16(slots.second, smallBits));
    const __m256i inBucket = _mm256_packus_epi16(_mm256_and_si256(slots.first, bucketMask.get()),
                                                 _mm256_and_si256(slots.second, bucketMask.get()));
    const __m256i large = _mm256_and_si256(_mm256_srli_epi16(small, largeBits - smallBits), nibbleMask.get());
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
