// rANS decoder for AVX2: a row of 32 lanes is four registers of states, the rows of two streams are interleaved, tables are
// looked up in memory. Single loads: the gather instructions are slower on processors with the fix for their leak.
#include "cpu/avx2.h"

#if defined(__x86_64__)

namespace swarm::avx2 {

namespace {

constexpr size_t registersPerRow = 4;
constexpr size_t lanesPerRegister = 8;

/** wordOfLane[m][lane]: how many lanes below `lane` are in m, which is the lane's word when it is in m itself. */
constexpr LaneOrders makeWordOfLane() {
  LaneOrders orders{};
  for (size_t mask = 0; mask < 256; mask++) {
    uint8_t below = 0;
    for (size_t lane = 0; lane < lanesPerRegister; lane++) {
      orders[mask][lane] = below;
      below = static_cast<uint8_t>(below + (mask >> lane & 1));
    }
  }
  return orders;
}

alignas(64) constexpr LaneOrders wordOfLane = makeWordOfLane();

struct Stream {
  __m256i states[registersPerRow];
  const uint8_t* next;
  uint8_t* symbols;
};

SWARM_AVX2_INLINE __m128i lookUpFour(const uint32_t* slots, __m128i at) {
  const auto low = static_cast<uint64_t>(_mm_cvtsi128_si64(at));
  const auto high = static_cast<uint64_t>(_mm_extract_epi64(at, 1));
  __m128i four = _mm_cvtsi32_si128(static_cast<int>(slots[static_cast<uint32_t>(low)]));
  four = _mm_insert_epi32(four, static_cast<int>(slots[low >> 32]), 1);
  four = _mm_insert_epi32(four, static_cast<int>(slots[static_cast<uint32_t>(high)]), 2);
  return _mm_insert_epi32(four, static_cast<int>(slots[high >> 32]), 3);
}

SWARM_AVX2_INLINE __m256i lookUp(const uint32_t* slots, __m256i at) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(lookUpFour(slots, _mm256_castsi256_si128(at))),
                                 lookUpFour(slots, _mm256_extracti128_si256(at, 1)), 1);
}

/** Gives a word to every lane whose state is below 2^15, lanes ascending. States are below 2^31: the signed comparison does. */
SWARM_AVX2_INLINE __m256i refill(__m256i states, const uint8_t*& next) {
  const __m256i needs = _mm256_cmpgt_epi32(_mm256_set1_epi32(stateMin), states);
  const auto mask = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(needs)));
  const __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(next)));
  const __m256i order =
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(wordOfLane[mask].data())));
  const __m256i refilled =
      _mm256_or_si256(_mm256_slli_epi32(states, 16), _mm256_permutevar8x32_epi32(words, order));
  next += 2 * static_cast<size_t>(_mm_popcnt_u32(mask));
  return _mm256_blendv_epi8(states, refilled, needs);
}

template <unsigned bits>
SWARM_AVX2_INLINE void decodeRow(const uint32_t* slots, Stream& stream) {
  __m256i found[registersPerRow];
  const __m256i field = _mm256_set1_epi32(0xFFF);
  for (size_t part = 0; part < registersPerRow; part++) {
    const __m256i at = _mm256_and_si256(stream.states[part], _mm256_set1_epi32((1 << bits) - 1));
    found[part] = lookUp(slots, at);
    const __m256i frequency = _mm256_and_si256(_mm256_srli_epi32(found[part], 12), field);
    const __m256i product = _mm256_mullo_epi32(_mm256_srli_epi32(stream.states[part], bits), frequency);
    stream.states[part] = refill(_mm256_add_epi32(product, _mm256_and_si256(found[part], field)), stream.next);
  }
  const __m256i low = _mm256_packus_epi32(_mm256_srli_epi32(found[0], 24), _mm256_srli_epi32(found[1], 24));
  const __m256i high = _mm256_packus_epi32(_mm256_srli_epi32(found[2], 24), _mm256_srli_epi32(found[3], 24));
  // Packing works in each half of a register; this puts the groups of four back in order.
  const __m256i row = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high),
                                                  _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(stream.symbols), row);
  stream.symbols += laneCount;
}

/** Decodes `rows` rows of `count` streams, or fewer: until one of them comes near `readableEnd`. */
template <size_t count, unsigned bits>
SWARM_AVX2 void decodeInterleaved(const uint32_t* slots, DecodeStream* streams, size_t rows,
                                  const uint8_t* readableEnd) {
  Stream local[count];
  for (size_t index = 0; index < count; index++) {
    const DecodeStream& stream = streams[index];
    for (size_t part = 0; part < registersPerRow; part++)
      local[index].states[part] =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(stream.states + part * lanesPerRegister));
    local[index].next = stream.next;
    local[index].symbols = stream.symbols;
  }
  const uint8_t* const last = readableEnd - rowWordBytes;
  size_t row = 0;
  for (; row < rows; row++) {
    bool isNear = false;
    for (size_t index = 0; index < count; index++) isNear |= local[index].next > last;
    if (isNear) break;
    for (size_t index = 0; index < count; index++) decodeRow<bits>(slots, local[index]);
  }
  for (size_t index = 0; index < count; index++) {
    DecodeStream& stream = streams[index];
    for (size_t part = 0; part < registersPerRow; part++)
      _mm256_store_si256(reinterpret_cast<__m256i*>(stream.states + part * lanesPerRegister),
                         local[index].states[part]);
    stream.next = local[index].next;
    stream.symbols = local[index].symbols;
    stream.size -= row * laneCount;
  }
}

template <unsigned bits>
SWARM_AVX2 void decodeBits(const DecodeTable& table, DecodeStream* streams, size_t count,
                           const uint8_t* readableEnd) {
  const uint32_t* const slots = table.slots.data();
  for (size_t index = 0; index + 2 <= count; index += 2)
    decodeInterleaved<2, bits>(slots, streams + index, streams[index + 1].size / laneCount, readableEnd);
  for (size_t index = 0; index < count; index++)
    decodeInterleaved<1, bits>(slots, streams + index, streams[index].size / laneCount, readableEnd);
}

}  // namespace

SWARM_AVX2 void decodeRows(const DecodeTable& table, DecodeStream* streams, size_t count,
                           const uint8_t* readableEnd) {
  switch (table.probabilityBits) {
    case 10: return decodeBits<10>(table, streams, count, readableEnd);
    case 11: return decodeBits<11>(table, streams, count, readableEnd);
    default: return decodeBits<12>(table, streams, count, readableEnd);
  }
}

}  // namespace swarm::avx2
#endif
