// CRC32C (polynomial 0x1EDC6F41, reflected), by the processor's own instruction where it has one, else by tables.
#include "cpu/crc32c.h"

#include <array>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace swarm {

namespace {

using Tables = std::array<std::array<uint32_t, 256>, 8>;

/** tables[k][b]: the CRC of byte b followed by k zero bytes. */
constexpr Tables makeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? reflectedPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; byte++) {
    for (size_t zeros = 1; zeros < 8; zeros++) {
      const uint32_t before = tables[zeros - 1][byte];
      tables[zeros][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

constexpr Tables tables = makeTables();

uint32_t byTables(uint32_t crc, const uint8_t* data, size_t size) {
  while (size >= 8) {
    const uint32_t low = load32(data) ^ crc;
    const uint32_t high = load32(data + 4);
    crc = tables[7][low & 0xFF] ^ tables[6][(low >> 8) & 0xFF] ^ tables[5][(low >> 16) & 0xFF] ^ tables[4][low >> 24] ^
          tables[3][high & 0xFF] ^ tables[2][(high >> 8) & 0xFF] ^ tables[1][(high >> 16) & 0xFF] ^
          tables[0][high >> 24];
    data += 8;
    size -= 8;
  }
  for (; size > 0; size--, data++) crc = (crc >> 8) ^ tables[0][(crc ^ *data) & 0xFF];
  return crc;
}

inline uint64_t load64(const uint8_t* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

#if defined(__x86_64__)
/** Three runs of this many bytes go side by side, because the instruction takes three cycles and a new one can start each. */
constexpr size_t runBytes = 1024;

/** The CRC as it is after `zeros` zero bytes. The instruction itself multiplies by x^33 in reducing the product. */
template <size_t zeros>
__attribute__((target("sse4.2,pclmul"))) uint64_t skip(uint64_t crc) {
  constexpr uint32_t factor = crcPower(8 * zeros - 33);
  const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(crc)), _mm_cvtsi64_si128(factor), 0);
  return _mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(product)));
}

__attribute__((target("sse4.2,pclmul"))) uint32_t byInstruction(uint32_t crc, const uint8_t* data, size_t size) {
  uint64_t wide = crc;
  for (; size >= 3 * runBytes; size -= 3 * runBytes, data += 3 * runBytes) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t at = 0; at < runBytes; at += 8) {
      wide = _mm_crc32_u64(wide, load64(data + at));
      second = _mm_crc32_u64(second, load64(data + runBytes + at));
      third = _mm_crc32_u64(third, load64(data + 2 * runBytes + at));
    }
    wide = skip<2 * runBytes>(wide) ^ skip<runBytes>(second) ^ third;
  }
  for (; size >= 8; size -= 8, data += 8) wide = _mm_crc32_u64(wide, load64(data));
  auto narrow = static_cast<uint32_t>(wide);
  for (; size > 0; size--, data++) narrow = _mm_crc32_u8(narrow, *data);
  return narrow;
}
#elif defined(__aarch64__)
// The two compilers name the instructions and what has them differently.
#if defined(__clang__)
#define SWARM_CRC __attribute__((target("crc")))
#define SWARM_CRC_64 __builtin_arm_crc32cd
#define SWARM_CRC_8 __builtin_arm_crc32cb
#else
#define SWARM_CRC __attribute__((target("+crc")))
#define SWARM_CRC_64 __builtin_aarch64_crc32cx
#define SWARM_CRC_8 __builtin_aarch64_crc32cb
#endif

/** Runs go side by side here too; they are longer because what joins them are plain instructions, about 100 for each. */
constexpr size_t runBytes = 2048;

SWARM_CRC uint32_t byInstruction(uint32_t crc, const uint8_t* data, size_t size) {
  constexpr uint32_t onePassed = crcShift(runBytes);
  constexpr uint32_t twoPassed = crcShift(2 * runBytes);
  for (; size >= 3 * runBytes; size -= 3 * runBytes, data += 3 * runBytes) {
    uint32_t second = 0;
    uint32_t third = 0;
    for (size_t at = 0; at < runBytes; at += 8) {
      crc = SWARM_CRC_64(crc, load64(data + at));
      second = SWARM_CRC_64(second, load64(data + runBytes + at));
      third = SWARM_CRC_64(third, load64(data + 2 * runBytes + at));
    }
    crc = crcMultiply(crc, twoPassed) ^ crcMultiply(second, onePassed) ^ third;
  }
  for (; size >= 8; size -= 8, data += 8) crc = SWARM_CRC_64(crc, load64(data));
  for (; size > 0; size--, data++) crc = SWARM_CRC_8(crc, *data);
  return crc;
}

bool hasInstruction() {
#if defined(__ARM_FEATURE_CRC32) || defined(__APPLE__)
  return true;
#elif defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#else
  return false;
#endif
}
#endif

using Update = uint32_t (*)(uint32_t, const uint8_t*, size_t);

Update chooseUpdate() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) return byInstruction;
#elif defined(__aarch64__)
  if (hasInstruction()) return byInstruction;
#endif
  return byTables;
}

}  // namespace

uint32_t joinCrc(uint32_t before, uint32_t after, size_t size) {
  // What a full stream decodes to, of bytes and of 16-bit elements; working it out takes longer than decoding a row.
  constexpr size_t usualSize = size_t{2} << streamBitsOfPlanes;
  static constexpr uint32_t usualFactor = crcShift(usualSize);
  return crcMultiply(before, size == usualSize ? usualFactor : crcShift(size)) ^ after;
}

uint32_t updateCrc(uint32_t crc, const uint8_t* data, size_t size) {
  static const Update update = chooseUpdate();
  return update(crc, data, size);
}

uint32_t crc32c(uint32_t before, ByteSpan bytes) { return ~updateCrc(~before, bytes.data, bytes.size); }

uint32_t crc32cByTables(uint32_t before, ByteSpan bytes) { return ~byTables(~before, bytes.data, bytes.size); }

}  // namespace swarm
