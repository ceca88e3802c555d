// The kernels of FIX planes, each against the scalar ones: the same bytes and the same verdicts, from and to memory that ends
// where they must stop. The sanitizers do not see what accesses under a mask touch, so that a page without rights follows.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "codec-test.h"

namespace {

/** Room that ends at a page without rights; one for each of the things in use at the same time. */
struct Fenced {
  static constexpr size_t roomBytes = 65536;
  uint8_t* const end;

  Fenced() : end(map()) {}

  static uint8_t* map() {
    const auto pageBytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    void* const room = mmap(nullptr, roomBytes + pageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t* const fence = static_cast<uint8_t*>(room) + roomBytes;
    if (room == MAP_FAILED || mprotect(fence, pageBytes, PROT_NONE) != 0) std::abort();
    return fence;
  }

  /** The last `size` bytes. */
  uint8_t* last(size_t size) const { return end - size; }

  uint8_t* hold(const Bytes& bytes) const {
    std::copy(bytes.begin(), bytes.end(), last(bytes.size()));
    return last(bytes.size());
  }
};

/** A FIX block as it lies in a chunk: bit planes, each padded to 16, and the escapes, which are the end of the readable bytes. */
struct Block {
  FixedTable table;
  size_t size;
  size_t escapeCount;
  Bytes bytes;

  size_t planeBytes() const { return alignUp((size + 7) / 8); }
  size_t escapesAt() const { return table.codeBits * planeBytes(); }

  FixedBlock in(const Fenced& memory) const {
    const uint8_t* const start = memory.hold(bytes);
    FixedBlock block{{}, start + escapesAt(), escapeCount, memory.end, size};
    for (size_t plane = 0; plane < table.codeBits; plane++) block.bits[plane] = start + plane * planeBytes();
    return block;
  }

  void flip(size_t plane, size_t symbol) {
    bytes[plane * planeBytes() + symbol / 8] ^= static_cast<uint8_t>(1 << symbol % 8);
  }
};

/** `rare` of 256 symbols are not in the table of `entries` symbols; if there are any, the last one is among them. */
Bytes symbolsFor(size_t entries, size_t size, uint32_t rare) {
  Chance chance = {static_cast<uint32_t>(1 + size + 977 * entries) + rare};
  Bytes symbols(size);
  for (uint8_t& symbol : symbols) {
    const bool isEscape = rare != 0 && ((chance.next() >> 8 & 255) < rare || &symbol == &symbols.back());
    // Entries are odd, or even with the highest bits set; escapes are even, with 0, which the unused part of a table holds.
    const auto entry = static_cast<uint32_t>(chance.next() % entries);
    symbol = static_cast<uint8_t>(isEscape ? chance.next() % 96 * 2 : entry % 2 == 0 ? 240 + entry : entry);
  }
  return symbols;
}

FixedTable tableOf(unsigned codeBits, size_t entries) {
  FixedTable table{codeBits, entries, {}};
  for (size_t entry = 0; entry < entries; entry++)
    table.symbols[entry] = static_cast<uint8_t>(entry % 2 == 0 ? 240 + entry : entry);
  return table;
}

Block encodeWith(const Kernels& kernels, const FixedTable& table, const Bytes& symbols) {
  const std::array<uint8_t, 256> codes = makeFixedCodes(table);
  const auto isEscape = [&](uint8_t symbol) { return codes[symbol] == (1u << table.codeBits) - 1; };
  const auto escapeCount = static_cast<size_t>(std::count_if(symbols.begin(), symbols.end(), isEscape));
  Block block{table, symbols.size(), escapeCount, {}};
  static const Fenced from, to;
  uint8_t* const start = to.last(block.escapesAt() + escapeCount);
  std::fill(start, to.end, uint8_t{0});
  FixedTarget target{{}, start + block.escapesAt(), to.end, from.hold(symbols), symbols.size()};
  for (size_t plane = 0; plane < table.codeBits; plane++) target.bits[plane] = start + plane * block.planeBytes();
  check(kernels.encodeFixed(table, codes, target) == escapeCount, "returns the number of escapes", symbols.size());
  block.bytes.assign(start, to.end);
  return block;
}

/** What each way of decoding says of a block and, if that is ok, makes of it. */
void compareDecoders(const Block& block, const Bytes& low) {
  static const Fenced memory, lowPlane, decoded, joined;
  const Kernels& kernels = kernelsOf(path);
  const FixedBlock fixed = block.in(memory);
  Bytes expected(block.size);
  const Status verdict = decodeFixedScalar(block.table, fixed, expected.data());
  uint8_t* const symbols = decoded.last(block.size);
  check(kernels.decodeFixed(block.table, fixed, symbols) == verdict, "verdict", block.size);
  check(verdict != Status::ok || std::equal(symbols, decoded.end, expected.begin()), "symbols", block.size);
  if (kernels.joinFixed == nullptr) return;
  uint32_t crc = 12345;
  uint8_t* const elements = joined.last(2 * block.size);
  const SymbolUse join = {lowPlane.hold(low), elements, &crc};
  check(kernels.joinFixed(block.table, fixed, join) == verdict, "verdict when joining", block.size);
  if (verdict != Status::ok) return;
  Bytes whole(2 * block.size);
  const uint8_t* const planes[] = {expected.data(), low.data()};
  constexpr size_t steps[] = {1, 1};
  scalarKernels.joinPlanes(Element::bf16, planes, steps, block.size, whole.data());
  check(std::equal(elements, joined.end, whole.begin()), "joined elements", block.size);
  check(~crc == crc32cByTables(~12345u, {whole.data(), whole.size()}), "sum of the elements", block.size);
}

/** Each bit flipped, alone and with one escape less than there are. */
void compareDamaged(const Block& block, const Bytes& low) {
  for (size_t symbol = 0; symbol < block.size; symbol++) {
    for (size_t plane = 0; plane < block.table.codeBits; plane++) {
      Block damaged = block;
      damaged.flip(plane, symbol);
      compareDecoders(damaged, low);
      if (block.escapeCount == 0) continue;
      damaged.escapeCount--;
      compareDecoders(damaged, low);
    }
  }
}

}  // namespace

void fixedKernelsAgree() {
  const size_t sizes[] = {1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128, 129, 191, 192, 193, 1000, 16383, 16384};
  for (const unsigned codeBits : {3u, 4u}) {
    for (const size_t entries : {size_t{1}, size_t{4}, (size_t{1} << codeBits) - 1}) {
      const FixedTable table = tableOf(codeBits, entries);
      for (const size_t size : sizes) {
        const Bytes low = elementBytes(size, 2, 3);
        // None, one at the end, few, many, nothing else.
        for (const uint32_t rare : {0u, 1u, 8u, 100u, 256u}) {
          const Bytes symbols = symbolsFor(entries, size, rare);
          const Block block = encodeWith(scalarKernels, table, symbols);
          check(encodeWith(kernelsOf(path), table, symbols).bytes == block.bytes, "codes", size);
          check((rare == 0) == (block.escapeCount == 0) && (rare < 256 || block.escapeCount == size), "escapes", size);
          compareDecoders(block, low);
          if (size <= 193) compareDamaged(block, low);
        }
      }
    }
  }
}
