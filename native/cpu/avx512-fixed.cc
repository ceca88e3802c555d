// FIX planes for AVX-512: 64 symbols at a time, whose bit planes are a mask register each.
#include "cpu/avx512.h"

#if defined(__x86_64__)

#include "cpu/avx512-crc.h"
#include "cpu/planes.h"

namespace swarm::avx512 {

namespace {

constexpr size_t groupSymbols = 64;

SWARM_AVX512_INLINE uint64_t lowestBits(size_t count) { return _bzhi_u64(UINT64_MAX, static_cast<unsigned>(count)); }

SWARM_AVX512_INLINE __m512i broadcast16(const uint8_t* bytes) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
}

/** Decodes a block group by group. Escapes are counted as they are used: running out of them is one branch, never taken. */
template <unsigned codeBits>
struct GroupDecoder {
  static constexpr size_t codeCount = size_t{1} << codeBits;

  /** Kept here: stores to the symbols could change what lies in memory, for all that the compiler knows. */
  std::array<const uint8_t*, codeBitsMax> bits;
  __m512i entries;
  /** Of each code: all ones if it stands for nothing. */
  __m512i refusals;
  /** What `refusals` said of all codes so far. */
  __m512i refused;
  const uint8_t* escapes;
  size_t escapesLeft;

  SWARM_AVX512 GroupDecoder(const FixedTable& table, const FixedBlock& block)
      : bits(block.bits), escapes(block.escapes), escapesLeft(block.escapeCount) {
    alignas(16) uint8_t refusal[16] = {};
    for (size_t code = table.symbolCount; code + 1 < codeCount; code++) refusal[code] = 0xFF;
    entries = broadcast16(table.symbols.data());
    refusals = broadcast16(refusal);
    refused = _mm512_setzero_si512();
  }

  /**
   * The symbols from `first` on; false if they have more escapes than are left. Behind the block's last symbol the codes are 0,
   * which stands for the first entry.
   */
  SWARM_AVX512_INLINE bool decode(size_t first, __m512i& symbols) {
    uint64_t escaped = UINT64_MAX;
    __m512i codes = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (unsigned plane = 0; plane < codeBits; plane++) {
      uint64_t own;
      std::memcpy(&own, bits[plane] + first / 8, sizeof own);
      escaped &= own;
      codes = _mm512_mask_add_epi8(codes, own, codes, _mm512_set1_epi8(static_cast<char>(1 << plane)));
    }
    const auto count = static_cast<size_t>(_mm_popcnt_u64(escaped));
    if (count > escapesLeft) return false;
    refused = _mm512_or_si512(refused, _mm512_shuffle_epi8(refusals, codes));
    // What a mask leaves out is not accessed, so that the last escapes may end anywhere.
    const __m512i next = _mm512_maskz_loadu_epi8(lowestBits(count), escapes);
    symbols = _mm512_mask_expand_epi8(_mm512_shuffle_epi8(entries, codes), escaped, next);
    escapes += count;
    escapesLeft -= count;
    return true;
  }

  SWARM_AVX512_INLINE Status finish() const {
    if (escapesLeft != 0) return Status::escapes;
    return _mm512_test_epi8_mask(refused, refused) == 0 ? Status::ok : Status::code;
  }
};

template <unsigned codeBits>
SWARM_AVX512 Status decodeBlock(const FixedTable& table, const FixedBlock& block, uint8_t* symbols) {
  GroupDecoder<codeBits> decoder(table, block);
  __m512i group;
  const size_t size = block.size;
  size_t first = 0;
  for (; first + groupSymbols <= size; first += groupSymbols) {
    if (!decoder.decode(first, group)) return Status::escapes;
    _mm512_storeu_si512(symbols + first, group);
  }
  if (first < size) {
    if (!decoder.decode(first, group)) return Status::escapes;
    _mm512_mask_storeu_epi8(symbols + first, lowestBits(size - first), group);
  }
  return decoder.finish();
}

/** 64 elements. */
struct Elements {
  __m512i first;
  __m512i second;
};

/** bf16 elements of symbols and the bytes below them. */
SWARM_AVX512_INLINE Elements joinBytes(__m512i symbols, __m512i low) {
  // Unpacking works within 128 bits, so that the parts of 64 are brought there first.
  const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
  symbols = _mm512_permutexvar_epi64(order, symbols);
  low = _mm512_permutexvar_epi64(order, low);
  const __m512i first = _mm512_unpacklo_epi8(low, symbols);
  const __m512i second = _mm512_unpackhi_epi8(low, symbols);
  return {_mm512_shrdi_epi16(first, first, 1), _mm512_shrdi_epi16(second, second, 1)};
}

template <unsigned codeBits>
SWARM_AVX512 Status joinBlock(const FixedTable& table, const FixedBlock& block, const SymbolUse& join) {
  constexpr size_t groupBytes = 2 * groupSymbols;
  constexpr Fold groupFold = makeFold(groupBytes);
  constexpr Fold nearFold = makeFold(64);
  const __m512i groupFactors = factorsOf(groupFold);
  GroupDecoder<codeBits> decoder(table, block);
  __m512i sum0 = _mm512_setzero_si512();
  __m512i sum1 = _mm512_setzero_si512();
  __m512i group;
  const size_t size = block.size;
  const uint8_t* const lowPlane = join.lowPlane;
  uint8_t* const elements = join.elements;
  size_t first = 0;
  for (; first + groupSymbols <= size; first += groupSymbols) {
    if (!decoder.decode(first, group)) return Status::escapes;
    const Elements joined = joinBytes(group, _mm512_loadu_si512(lowPlane + first));
    _mm512_storeu_si512(elements + 2 * first, joined.first);
    _mm512_storeu_si512(elements + 2 * first + 64, joined.second);
    sum0 = fold(sum0, groupFactors, joined.first);
    sum1 = fold(sum1, groupFactors, joined.second);
  }
  uint32_t crc = crcOf(fold(sum0, factorsOf(nearFold), sum1));
  if (first < size) {
    const size_t count = size - first;
    if (!decoder.decode(first, group)) return Status::escapes;
    alignas(64) uint8_t symbols[groupSymbols];
    _mm512_store_si512(symbols, group);
    plane_loops::join16<true, 1, 1>(symbols, lowPlane + first, count, elements + 2 * first);
    crc = swarm::updateCrc(crc, elements + 2 * first, 2 * count);
  }
  *join.crc = joinCrc(*join.crc, crc, 2 * size);
  return decoder.finish();
}

/** The codes of all 256 symbols, in registers. */
struct CodeTable {
  __m512i quarters[4];

  SWARM_AVX512 explicit CodeTable(const std::array<uint8_t, 256>& codes) {
    for (size_t quarter = 0; quarter < 4; quarter++) quarters[quarter] = _mm512_loadu_si512(codes.data() + 64 * quarter);
  }

  SWARM_AVX512_INLINE __m512i lookUp(__m512i symbols) const {
    const __m512i low = _mm512_permutex2var_epi8(quarters[0], symbols, quarters[1]);
    const __m512i high = _mm512_permutex2var_epi8(quarters[2], symbols, quarters[3]);
    return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(symbols), high);
  }
};

/** Returns the end of the escapes. */
template <unsigned codeBits>
SWARM_AVX512_INLINE uint8_t* encodeGroup(const CodeTable& table, const FixedTarget& target, size_t first, size_t count,
                                         uint8_t* next) {
  const uint64_t used = lowestBits(count);
  const __m512i symbols = _mm512_maskz_loadu_epi8(used, target.symbols + first);
  const __m512i codes = table.lookUp(symbols);
  uint64_t escaped = used;
#pragma GCC unroll 4
  for (unsigned plane = 0; plane < codeBits; plane++) {
    const uint64_t bits = used & _mm512_test_epi8_mask(codes, _mm512_set1_epi8(static_cast<char>(1 << plane)));
    std::memcpy(target.bits[plane] + first / 8, &bits, (count + 7) / 8);
    escaped &= bits;
  }
  const auto escapeCount = static_cast<size_t>(_mm_popcnt_u64(escaped));
  // Compressing straight to memory takes many times as long on some processors.
  _mm512_mask_storeu_epi8(next, lowestBits(escapeCount), _mm512_maskz_compress_epi8(escaped, symbols));
  return next + escapeCount;
}

template <unsigned codeBits>
SWARM_AVX512 size_t encodeBlock(const std::array<uint8_t, 256>& codes, const FixedTarget& target) {
  const CodeTable table(codes);
  uint8_t* next = target.escapes;
  size_t first = 0;
  for (; first + groupSymbols <= target.size; first += groupSymbols)
    next = encodeGroup<codeBits>(table, target, first, groupSymbols, next);
  if (first < target.size) next = encodeGroup<codeBits>(table, target, first, target.size - first, next);
  return static_cast<size_t>(next - target.escapes);
}

}  // namespace

SWARM_AVX512 Status decodeFixed(const FixedTable& table, const FixedBlock& block, uint8_t* symbols) {
  return table.codeBits == 3 ? decodeBlock<3>(table, block, symbols) : decodeBlock<4>(table, block, symbols);
}

SWARM_AVX512 Status joinFixed(const FixedTable& table, const FixedBlock& block, const SymbolUse& join) {
  return table.codeBits == 3 ? joinBlock<3>(table, block, join) : joinBlock<4>(table, block, join);
}

SWARM_AVX512 size_t encodeFixed(const FixedTable& table, const std::array<uint8_t, 256>& codes,
                                const FixedTarget& target) {
  return table.codeBits == 3 ? encodeBlock<3>(codes, target) : encodeBlock<4>(codes, target);
}

}  // namespace swarm::avx512
#endif
