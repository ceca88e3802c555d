// CRC32C (polynomial 0x1EDC6F41, reflected), by the processor's own instruction where it has one, else by tables.
#include <array>

#include "format/layout.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace swarm {

namespace {

constexpr uint32_t reflectedPolynomial = 0x82F63B78;
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

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t byInstruction(uint32_t crc, const uint8_t* data, size_t size) {
  uint64_t wide = crc;
  while (size >= 8) {
    uint64_t word;
    std::memcpy(&word, data, sizeof word);
    wide = _mm_crc32_u64(wide, word);
    data += 8;
    size -= 8;
  }
  auto narrow = static_cast<uint32_t>(wide);
  for (; size > 0; size--, data++) narrow = _mm_crc32_u8(narrow, *data);
  return narrow;
}
#endif

using Update = uint32_t (*)(uint32_t, const uint8_t*, size_t);

Update chooseUpdate() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return byInstruction;
#endif
  return byTables;
}

}  // namespace

uint32_t crc32c(uint32_t before, ByteSpan bytes) {
  static const Update update = chooseUpdate();
  return ~update(~before, bytes.data, bytes.size);
}

uint32_t crc32cByTables(uint32_t before, ByteSpan bytes) { return ~byTables(~before, bytes.data, bytes.size); }

}  // namespace swarm
