// FIX planes for AVX2: 32 symbols at a time.
#include "cpu/avx2.h"

#if defined(__x86_64__)

namespace swarm::avx2 {

namespace {

constexpr size_t groupSymbols = 32;
/** Symbols whose escapes are put in place together. */
constexpr size_t partSymbols = 8;
constexpr size_t partsPerGroup = groupSymbols / partSymbols;

/** Entry m: which of the next escapes each of eight symbols takes, for those whose bit is set in m; 0x80 for the others. */
constexpr LaneOrders makeEscapeOrders() {
  LaneOrders orders{};
  for (size_t mask = 0; mask < orders.size(); mask++) {
    uint8_t below = 0;
    for (size_t index = 0; index < partSymbols; index++)
      orders[mask][index] = (mask >> index & 1) != 0 ? below++ : uint8_t{0x80};
  }
  return orders;
}

alignas(64) constexpr LaneOrders escapeOrders = makeEscapeOrders();

SWARM_AVX2_INLINE __m256i broadcast16(const uint8_t* bytes) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
}

/** All ones in the bytes whose bit is set. */
SWARM_AVX2_INLINE __m256i spreadBits(uint32_t bits) {
  const __m256i bytesOf = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bitOf = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
  const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), bytesOf);
  return _mm256_cmpeq_epi8(_mm256_and_si256(spread, bitOf), bitOf);
}

/** Decodes a block group by group. Escapes are counted as they are used: running out of them is one branch, never taken. */
template <unsigned codeBits>
struct GroupDecoder {
  static constexpr size_t codeCount = size_t{1} << codeBits;

  /** Kept here: stores to the symbols could change what lies in memory, for all that the compiler knows. */
  std::array<const uint8_t*, codeBitsMax> bits;
  __m256i entries;
  /** Of each code: all ones if it stands for nothing. */
  __m256i refusals;
  /** What `refusals` said of all codes so far. */
  __m256i refused;
  const uint8_t* escapes;
  const uint8_t* readableEnd;
  size_t escapesLeft;

  SWARM_AVX2 GroupDecoder(const FixedTable& table, const FixedBlock& block)
      : bits(block.bits), escapes(block.escapes), readableEnd(block.readableEnd), escapesLeft(block.escapeCount) {
    // All ones, not zero and one, are what the codes are put together from: they come as their negatives. In the lowest four
    // bits, which are looked up, code c is then 16 - c.
    alignas(16) uint8_t entry[16] = {};
    alignas(16) uint8_t refusal[16] = {};
    for (size_t code = 0; code + 1 < codeCount; code++) {
      const bool isEntry = code < table.symbolCount;
      entry[(16 - code) % 16] = table.symbols[code];
      refusal[(16 - code) % 16] = isEntry ? 0 : 0xFF;
    }
    entries = broadcast16(entry);
    refusals = broadcast16(refusal);
    refused = _mm256_setzero_si256();
  }

  /**
   * The symbols from `first` on to `out`; false if they have more escapes than are left. Behind the block's last symbol the
   * codes are 0, which stands for the first entry.
   */
  SWARM_AVX2_INLINE bool decode(size_t first, uint8_t* out) {
    uint32_t escaped = UINT32_MAX;
    __m256i negatives = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (unsigned below = 1; below <= codeBits; below++) {
      const size_t plane = codeBits - below;
      uint32_t own;
      std::memcpy(&own, bits[plane] + first / 8, sizeof own);
      escaped &= own;
      negatives = _mm256_add_epi8(_mm256_add_epi8(negatives, negatives), spreadBits(own));
    }
    const auto count = static_cast<size_t>(_mm_popcnt_u32(escaped));
    if (count > escapesLeft) return false;
    const __m256i at = _mm256_and_si256(negatives, _mm256_set1_epi8(0xF));
    refused = _mm256_or_si256(refused, _mm256_shuffle_epi8(refusals, at));
    const __m256i symbols = _mm256_shuffle_epi8(entries, at);
    if (readableEnd - escapes >= static_cast<std::ptrdiff_t>(groupSymbols)) {
      // The codes of escapes have no entry, so that their symbols are zero as yet.
      __m128i parts[partsPerGroup];
#pragma GCC unroll 4
      for (size_t part = 0; part < partsPerGroup; part++) parts[part] = takeEscapes(escaped >> partSymbols * part);
      const __m256i placed = _mm256_set_m128i(_mm_unpacklo_epi64(parts[2], parts[3]), _mm_unpacklo_epi64(parts[0], parts[1]));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_or_si256(symbols, placed));
    } else {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), symbols);
      for (; escaped != 0; escaped &= escaped - 1) out[__builtin_ctz(escaped)] = *escapes++;
    }
    escapesLeft -= count;
    return true;
  }

  /** The next escapes, in the bytes whose bit is set in the lowest eight of `escaped`; zero in the others. */
  SWARM_AVX2_INLINE __m128i takeEscapes(uint32_t escaped) {
    const uint32_t mask = escaped & 0xFF;
    const __m128i order = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(escapeOrders[mask].data()));
    const __m128i next = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(escapes));
    escapes += _mm_popcnt_u32(mask);
    return _mm_shuffle_epi8(next, order);
  }

  SWARM_AVX2_INLINE Status finish() const {
    if (escapesLeft != 0) return Status::escapes;
    return _mm256_testz_si256(refused, refused) != 0 ? Status::ok : Status::code;
  }
};

template <unsigned codeBits>
SWARM_AVX2 Status decodeBlock(const FixedTable& table, const FixedBlock& block, uint8_t* symbols) {
  GroupDecoder<codeBits> decoder(table, block);
  const size_t size = block.size;
  size_t first = 0;
  for (; first + groupSymbols <= size; first += groupSymbols)
    if (!decoder.decode(first, symbols + first)) return Status::escapes;
  if (first < size) {
    const size_t count = size - first;
    alignas(32) uint8_t last[groupSymbols];
    if (!decoder.decode(first, last)) return Status::escapes;
    std::memcpy(symbols + first, last, count);
  }
  return decoder.finish();
}

/** Codes by comparison with each entry: there are fewer of them than shuffles would need for 256 symbols. */
template <unsigned codeBits>
struct CodeTable {
  static constexpr size_t escape = (size_t{1} << codeBits) - 1;
  /** What is not used repeats entry 0. */
  __m256i symbols[escape];

  SWARM_AVX2 explicit CodeTable(const FixedTable& table) {
    for (size_t code = 0; code < escape; code++)
      symbols[code] = _mm256_set1_epi8(static_cast<char>(table.symbols[code < table.symbolCount ? code : 0]));
  }

  SWARM_AVX2_INLINE __m256i lookUp(__m256i of) const {
    // Entry 0 comes last and covers those that repeat it.
    __m256i codes = _mm256_set1_epi8(escape);
#pragma GCC unroll 16
    for (size_t below = 1; below <= escape; below++) {
      const size_t code = escape - below;
      const __m256i isEntry = _mm256_cmpeq_epi8(of, symbols[code]);
      codes = _mm256_blendv_epi8(codes, _mm256_set1_epi8(static_cast<char>(code)), isEntry);
    }
    return codes;
  }
};

/** Returns the end of the escapes. */
template <unsigned codeBits>
SWARM_AVX2_INLINE uint8_t* encodeGroup(const CodeTable<codeBits>& table, const FixedTarget& target, const uint8_t* symbols,
                                       size_t first, size_t count, uint8_t* next) {
  const uint32_t used = count == groupSymbols ? UINT32_MAX : (uint32_t{1} << count) - 1;
  const __m256i codes = table.lookUp(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(symbols)));
  uint32_t escaped = used;
#pragma GCC unroll 4
  for (int plane = 0; plane < static_cast<int>(codeBits); plane++) {
    const uint32_t bits = used & static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(codes, 7 - plane)));
    std::memcpy(target.bits[static_cast<size_t>(plane)] + first / 8, &bits, (count + 7) / 8);
    escaped &= bits;
  }
  for (; escaped != 0; escaped &= escaped - 1) *next++ = symbols[__builtin_ctz(escaped)];
  return next;
}

template <unsigned codeBits>
SWARM_AVX2 size_t encodeBlock(const FixedTable& table, const FixedTarget& target) {
  const CodeTable<codeBits> codes(table);
  uint8_t* next = target.escapes;
  size_t first = 0;
  for (; first + groupSymbols <= target.size; first += groupSymbols)
    next = encodeGroup<codeBits>(codes, target, target.symbols + first, first, groupSymbols, next);
  if (first < target.size) {
    alignas(32) uint8_t last[groupSymbols] = {};
    std::memcpy(last, target.symbols + first, target.size - first);
    next = encodeGroup<codeBits>(codes, target, last, first, target.size - first, next);
  }
  return static_cast<size_t>(next - target.escapes);
}

}  // namespace

SWARM_AVX2 Status decodeFixed(const FixedTable& table, const FixedBlock& block, uint8_t* symbols) {
  return table.codeBits == 3 ? decodeBlock<3>(table, block, symbols) : decodeBlock<4>(table, block, symbols);
}

SWARM_AVX2 size_t encodeFixed(const FixedTable& table, const std::array<uint8_t, 256>&, const FixedTarget& target) {
  return table.codeBits == 3 ? encodeBlock<3>(table, target) : encodeBlock<4>(table, target);
}

}  // namespace swarm::avx2
#endif
