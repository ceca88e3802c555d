// Encoder of FIX planes: the scalar reference, and the frame around a plane's streams.
#include "cpu/fixed.h"

#include <algorithm>

#include "cpu/kernels.h"

namespace swarm {

namespace {

/** The lowest bits of eight bytes, that of byte i as bit i. */
inline uint8_t gatherBits(uint64_t bytes) {
  return static_cast<uint8_t>((bytes & 0x0101010101010101) * 0x0102040810204080 >> 56);
}

}  // namespace

std::array<uint8_t, 256> makeFixedCodes(const FixedTable& table) {
  std::array<uint8_t, 256> codes;
  codes.fill(static_cast<uint8_t>((1u << table.codeBits) - 1));
  for (size_t index = 0; index < table.symbolCount; index++)
    codes[table.symbols[index]] = static_cast<uint8_t>(index);
  return codes;
}

size_t encodeFixedScalar(const FixedTable& table, const std::array<uint8_t, 256>& codes, const FixedTarget& target) {
  uint8_t* next = target.escapes;
  for (size_t first = 0; first < target.size; first += 8) {
    const uint8_t* const symbols = target.symbols + first;
    const size_t count = std::min<size_t>(8, target.size - first);
    uint64_t eight = 0;
    for (size_t index = 0; index < count; index++) eight |= uint64_t{codes[symbols[index]]} << (8 * index);
    unsigned escapes = 0xFF;
    for (size_t plane = 0; plane < table.codeBits; plane++) {
      const uint8_t bits = gatherBits(eight >> plane);
      target.bits[plane][first / 8] = bits;
      escapes &= bits;
    }
    for (; escapes != 0; escapes &= escapes - 1) *next++ = symbols[__builtin_ctz(escapes)];
  }
  return static_cast<size_t>(next - target.escapes);
}

size_t encodeFixedPlane(const Kernels& kernels, const uint8_t* symbols, size_t size, const FixedTable& table,
                        size_t escapeCount, unsigned streamBits, uint8_t* out, size_t capacity) {
  const FixedLayout layout(size, table.symbolCount, table.codeBits, streamBits);
  const size_t bytes = layout.escapes + escapeCount;
  if (bytes > capacity) return 0;
  std::memset(out, 0, layout.bits);
  std::copy_n(table.symbols.begin(), table.symbolCount, out);
  for (size_t bit = 0; bit < table.codeBits; bit++) {
    uint8_t* const end = out + layout.bits + (bit + 1) * layout.bitPlaneBytes;
    const size_t padding = layout.bitPlaneBytes - (size + 7) / 8;
    std::memset(end - padding, 0, padding);
  }
  const std::array<uint8_t, 256> codes = makeFixedCodes(table);
  size_t written = 0;
  for (size_t stream = 0; stream < layout.streams; stream++) {
    const size_t first = stream << streamBits;
    FixedTarget target{{}, out + layout.escapes + written, out + bytes, symbols + first,
                       std::min(size_t{1} << streamBits, size - first)};
    for (size_t bit = 0; bit < table.codeBits; bit++)
      target.bits[bit] = out + layout.bits + bit * layout.bitPlaneBytes + first / 8;
    written += kernels.encodeFixed(table, codes, target);
    store32(out + layout.streamEnds + 4 * stream, static_cast<uint32_t>(written));
  }
  return bytes;
}

}  // namespace swarm
