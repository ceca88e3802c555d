// C++ tests of the codec, meant to run under the address and undefined-behaviour sanitizers: what these catch is an access out
// of bounds that happens to do no harm. FAULTS rows G1 and G2. Prints one line per failed check; exits with their number.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "cpu/crc32c.h"
#include "cpu/kernels.h"

using namespace swarm;
using Bytes = std::vector<uint8_t>;

static int failures = 0;

static void check(bool condition, const char* what, size_t detail = 0) {
  if (condition) return;
  if (failures++ < 20) std::fprintf(stderr, "failed: %s (%zu)\n", what, detail);
}

/** xorshift32 by G. Marsaglia: chance that is the same everywhere. */
struct Chance {
  uint32_t state;
  uint32_t next() {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
  }
};

/** Exactly `bytes.size()` bytes on the heap, so that reading one more is seen. */
struct Exact {
  std::unique_ptr<uint8_t[]> data;
  size_t size;
  explicit Exact(const Bytes& bytes) : data(new uint8_t[bytes.size()]), size(bytes.size()) {
    if (size != 0) std::memcpy(data.get(), bytes.data(), size);
  }
  ByteSpan span() const { return {data.get(), size}; }
};

static Bytes skewedBytes(size_t size, uint32_t seed) {
  Chance chance = {seed};
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(100 + __builtin_clz(chance.next() | 1));
  return bytes;
}

/** Every `width`-th byte skewed, the others evenly spread. */
static Bytes elementBytes(size_t size, size_t width, uint32_t seed) {
  Chance chance = {seed};
  Bytes bytes = skewedBytes(size, seed);
  for (size_t index = 0; index < size; index++)
    if (index % width != width - 1) bytes[index] = static_cast<uint8_t>(chance.next() >> 24);
  return bytes;
}

/** The code path under test. */
static CodePath path = CodePath::scalar;

static Workspace& workspace() {
  static Workspace each[] = {Workspace(CodePath::scalar), Workspace(CodePath::avx2), Workspace(CodePath::avx512),
                             Workspace(CodePath::neon)};
  return each[static_cast<size_t>(path)];
}

static Bytes encodeOrDie(const Bytes& raw, Element hint) {
  Exact from(raw);
  Bytes out(maxEncodedBytes(raw.size()));
  const EncodeResult result = encodeAns(from.span(), hint, {out.data(), out.size()}, workspace());
  check(result.status == Status::ok, "encodes");
  out.resize(result.encodedBytes);
  return out;
}

static Status decodeExact(const Bytes& encoded, Exact& raw) {
  return decode(Exact(encoded).span(), {raw.data.get(), raw.size}, workspace());
}

static void roundTrips() {
  const size_t sizes[] = {0,    1,    2,     3,     5,     31,    33,    200,     1000,    4097,
                          9999, 16383, 16384, 16385, 32769, 65537, 1048575, 1048576, 1048577, 1048579};
  for (const size_t size : sizes) {
    for (uint8_t hint = 0; hint <= 4; hint++) {
      const auto element = static_cast<Element>(hint);
      const Bytes raw = elementBytes(size, hint == 4 ? 4 : 2, 7);
      const Bytes encoded = encodeOrDie(raw, element);
      check(encoded.size() <= size + headerBytes, "size stays within the promise", size);
      Exact decoded{Bytes(size)};
      check(decodeExact(encoded, decoded) == Status::ok, "decodes", size);
      check(size == 0 || std::memcmp(decoded.data.get(), raw.data(), size) == 0, "same bytes", size);
    }
  }
}

static void planesAreInverse() {
  const Bytes raw = elementBytes(4 * 257, 4, 3);
  for (const Element element : {Element::bytes, Element::bf16, Element::fp16, Element::fp32}) {
    const size_t width = elementWidth(element);
    const size_t count = raw.size() / width;
    Bytes planes(raw.size());
    uint8_t* targets[planeCountMax] = {};
    for (size_t plane = 0; plane < width; plane++) targets[plane] = planes.data() + plane * count;
    kernelsOf(path).splitPlanes(element, raw.data(), count, targets);
    const uint8_t* sources[planeCountMax] = {targets[0], targets[1], targets[2], targets[3]};
    const size_t steps[planeCountMax] = {1, 1, 1, 1};
    Bytes joined(raw.size());
    kernelsOf(path).joinPlanes(element, sources, steps, count, joined.data());
    check(joined == raw, "join undoes split", width);
  }
}

static void allProbabilityBits() {
  const Kernels& kernels = kernelsOf(path);
  for (unsigned bits = probabilityBitsMin; bits <= probabilityBitsMax; bits++) {
    for (const size_t size : {size_t{1000}, size_t{16384}, size_t{20001}}) {
      const Bytes symbols = skewedBytes(size, bits);
      Counts counts;
      countSymbols(symbols.data(), size, counts);
      const FrequencyTable table = makeFrequencyTable(counts, size, bits);
      const RansLayout layout(size, table.symbolCount);
      Bytes out(layout.words + 2 * size + 2);
      std::vector<uint16_t> scratch;
      uint32_t wordCount = 0;
      const size_t bytes =
          encodeRansPlane(kernels, symbols.data(), size, table, bits, out.data(), out.size(), scratch, wordCount);
      check(bytes != 0, "plane fits");
      PlanePlan plan{};
      plan.symbolCount = static_cast<uint16_t>(table.symbolCount);
      plan.data = out.data();
      plan.frequencies = out.data() + layout.frequencies;
      plan.streamEnds = out.data() + layout.streamEnds;
      plan.states = out.data() + layout.states;
      plan.words = out.data() + layout.words;
      plan.streams = layout.streams;
      Bytes decoded(size);
      DecodeTable decodeTable;
      makeDecodeTable(plan, bits, decodeTable);
      check(decodeStreams(kernels, decodeTable, plan, 0, decoded.data(), size, {}) == Status::ok, "decodes", bits);
      check(decoded == symbols, "same symbols", bits);
      check(encodeRansPlane(kernels, symbols.data(), size, table, bits, out.data(), bytes - 1, scratch, wordCount) == 0,
            "a plane one byte too large is refused", bits);
    }
  }
}

static void frequenciesSumUp() {
  Chance chance = {11};
  for (int round = 0; round < 2000; round++) {
    Counts counts{};
    size_t total = 0;
    const unsigned kinds = 2 + chance.next() % 255;
    for (unsigned kind = 0; kind < kinds; kind++) {
      const uint32_t count = 1 + (chance.next() >> (8 + chance.next() % 24));
      total += count - counts[kind];
      counts[kind] = count;
    }
    const unsigned bits = probabilityBitsMin + static_cast<unsigned>(round) % 3;
    const FrequencyTable table = makeFrequencyTable(counts, total, bits);
    uint32_t sum = 0;
    for (size_t index = 0; index < table.symbolCount; index++) {
      sum += table.frequencies[index];
      check(table.frequencies[index] >= 1, "frequency at least 1");
      check(index == 0 || table.frequencies[index] <= table.frequencies[index - 1], "never rises");
    }
    check(table.symbolCount == kinds && sum == uint32_t{1} << bits, "frequencies sum to 2^bits", sum);
  }
}

static void logarithms() {
  check(log2Fixed(1) == 0 && log2Fixed(2) == 256 && log2Fixed(3) == 405 && log2Fixed(1000) == 2551 &&
            log2Fixed(16384) == 3584,
        "logarithms are those of the protocol text");
}

static void checksums() {
  const char* text = "123456789";
  const ByteSpan digits = {reinterpret_cast<const uint8_t*>(text), 9};
  check(crc32c(0, digits) == 0xE3069283, "CRC32C of the check string");
  const Bytes bytes = elementBytes(1000, 2, 5);
  for (size_t size = 0; size < bytes.size(); size += 13) {
    const ByteSpan span = {bytes.data() + size % 8, size - size % 8};
    check(crc32c(0, span) == crc32cByTables(0, span), "tables and instruction agree", size);
  }
  const Bytes many = elementBytes(8000, 2, 6);
  for (size_t size = 0; size < many.size(); size += size < 600 ? 1 : 37) {
    const Exact exact{Bytes(many.begin(), many.begin() + static_cast<std::ptrdiff_t>(size))};
    const uint32_t expected = crc32cByTables(77, exact.span());
    check(~kernelsOf(path).updateCrc(~77u, exact.data.get(), size) == expected, "the path's own CRC32C", size);
  }
}

/** Small chunks that hold every plane mode. */
static std::vector<Bytes> smallChunks() {
  Bytes zeroHigh = elementBytes(1201, 2, 9);
  for (size_t index = 2; index < zeroHigh.size(); index += 2) zeroHigh[index] = 0x40;
  return {encodeOrDie(skewedBytes(700, 1), Element::bytes), encodeOrDie(elementBytes(2401, 2, 2), Element::bf16),
          encodeOrDie(zeroHigh, Element::fp16), encodeOrDie(elementBytes(4003, 4, 3), Element::fp32)};
}

static void truncationsAreRefused() {
  for (const Bytes& chunk : smallChunks()) {
    Exact raw{Bytes(load32(chunk.data() + header_at::rawBytes))};
    for (size_t size = 0; size < chunk.size(); size++) {
      Bytes cut(chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(size));
      check(decodeExact(cut, raw) != Status::ok, "truncated", size);
      if (size < headerBytes) continue;
      // Once more with a header that agrees, so that the inner checks are reached.
      store32(cut.data() + header_at::encodedBytes, static_cast<uint32_t>(size));
      store32(cut.data() + header_at::headerChecksum, crc32c(0, {cut.data(), header_at::headerChecksum}));
      check(decodeExact(cut, raw) != Status::ok, "truncated, with a right header", size);
    }
  }
}

static void flipsAreRefused() {
  for (const Bytes& chunk : smallChunks()) {
    Exact raw{Bytes(load32(chunk.data() + header_at::rawBytes))};
    for (size_t bit = 0; bit < chunk.size() * 8; bit++) {
      Bytes flipped = chunk;
      flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      check(decodeExact(flipped, raw) != Status::ok, "flipped bit", bit);
    }
  }
}

/** Damage behind a header that is right: random bytes in random places, often in tables and descriptors. */
static void damageNeverHarms() {
  Chance chance = {77};
  const std::vector<Bytes> chunks = smallChunks();
  for (int round = 0; round < 20000; round++) {
    Bytes damaged = chunks[chance.next() % chunks.size()];
    Exact raw{Bytes(load32(damaged.data() + header_at::rawBytes))};
    const size_t reach = chance.next() % 2 == 0 ? 260 : damaged.size() - headerBytes;
    for (uint32_t count = 1 + chance.next() % 4; count > 0; count--)
      damaged[headerBytes + chance.next() % reach] = static_cast<uint8_t>(chance.next() >> 24);
    decodeExact(damaged, raw);
  }
}

/** The verdict of every path on `chunk` is that of the scalar one. */
static void checkVerdict(const Bytes& chunk, Exact& raw, size_t detail) {
  path = CodePath::scalar;
  const Status expected = decodeExact(chunk, raw);
  for (const CodePath other : allPaths) {
    if (other == CodePath::scalar || !isAvailable(other)) continue;
    path = other;
    check(decodeExact(chunk, raw) == expected, pathName(other), detail);
  }
}

/**
 * Damage to chunks whose streams are decoded side by side: each may consume the words of all others, or of none. Few words, so
 * that an index which gives all of them to one stream passes the checks.
 */
static void damageToInterleavedStreams() {
  Chance chance = {99};
  for (const Element element : {Element::bytes, Element::bf16}) {
    const size_t step = element == Element::bf16 ? 2 : 1;
    Bytes raw = elementBytes((4 * streamSymbols + 2 * laneCount) * step, step, 4);
    for (size_t index = step - 1; index < raw.size(); index += step) {
      const uint32_t usual = chance.next() % 16 == 0 ? 60 + (chance.next() & 3) : 62;
      raw[index] = static_cast<uint8_t>(usual | (step == 2 ? chance.next() & 0x80 : 0));
      // Bit 7 of the byte below belongs to the exponent.
      if (step == 2) raw[index - 1] &= 0x7F;
    }
    path = CodePath::scalar;
    const Bytes chunk = encodeOrDie(raw, element);
    Exact decoded{Bytes(raw.size())};
    const uint8_t* plane = chunk.data() + alignUp(headerBytes + 4) + segmentPrefixBytes;
    const RansLayout layout(raw.size() / step, load16(plane - segmentPrefixBytes + segmentHeaderBytes + plane_at::symbolCount));
    const size_t index = static_cast<size_t>(plane - chunk.data()) + layout.streamEnds;
    const uint32_t words = load32(chunk.data() + index + 4 * (layout.streams - 1));
    check(layout.streams == 5 && words > 1000 && words < streamSymbols, "five streams of few words", words);
    checkVerdict(chunk, decoded, 0);
    for (unsigned owner = 0; owner < 5; owner++) {
      Bytes moved = chunk;
      for (unsigned stream = 0; stream < 5; stream++)
        store32(moved.data() + index + 4 * stream, stream >= owner ? words : 0);
      checkVerdict(moved, decoded, owner);
    }
    // The fourth stream goes on past its end, up to the last word of the short fifth one and, as its states are others, beyond.
    for (uint32_t missing = 1; missing < 200; missing += 3) {
      Bytes moved = chunk;
      store32(moved.data() + index + 12, load32(chunk.data() + index + 12) - missing);
      const size_t state = index + alignUp(4 * layout.streams) + 4 * (3 * laneCount + missing % laneCount);
      for (size_t byte = 0; byte < 2; byte++) moved[state + byte] = static_cast<uint8_t>(chance.next());
      checkVerdict(moved, decoded, missing);
    }
    for (size_t round = 0; round < 300; round++) {
      Bytes damaged = chunk;
      const size_t reach = round % 3 == 0 ? 4 * layout.streams : 128 * layout.streams + 2 * words;
      damaged[index + chance.next() % reach] ^= static_cast<uint8_t>(1 << chance.next() % 8);
      checkVerdict(damaged, decoded, round);
    }
  }
}

/** Every path makes the same chunk and reads the chunks of the others, around every border and whatever the kind of data. */
static void pathsAgree() {
  Chance chance = {5};
  const size_t sizes[] = {1, 33, 4096, 16384 * 2 - 1, 16384 * 2, 65536, 65536 * 2 + 2, 65536 * 2 + 64, 131072 + 16384 * 3 + 5};
  for (const size_t size : sizes) {
    for (unsigned kind = 0; kind < 7; kind++) {
      Bytes raw = kind < 3 ? elementBytes(size, size_t{1} << kind, chance.next() | 1)
                  : kind == 6 ? elementBytes(size, 2, chance.next() | 1) : skewedBytes(size, chance.next() | 1);
      // More kinds of symbols than fit in registers, and ones that are frequent in one part only.
      if (kind == 4)
        for (uint8_t& byte : raw) byte = static_cast<uint8_t>((chance.next() & 63) + (chance.next() & 63));
      if (kind == 5) std::fill(raw.begin(), raw.begin() + static_cast<std::ptrdiff_t>(size / 2), uint8_t{100});
      // Few exponents, and signs as frequent as weights have them: what is decoded, joined and summed in one go.
      if (kind == 6)
        for (size_t index = 1; index < size; index += 2)
          raw[index] = static_cast<uint8_t>((60 + raw[index] % 5) | (chance.next() & 0x80));
      for (uint8_t hint = 0; hint <= 4; hint++) {
        path = CodePath::scalar;
        const Bytes expected = encodeOrDie(raw, static_cast<Element>(hint));
        for (const CodePath other : allPaths) {
          if (other == CodePath::scalar || !isAvailable(other)) continue;
          path = other;
          check(encodeOrDie(raw, static_cast<Element>(hint)) == expected, pathName(other), size);
          Exact decoded{Bytes(size)};
          check(decodeExact(expected, decoded) == Status::ok, pathName(other), size);
          check(std::memcmp(decoded.data.get(), raw.data(), size) == 0, pathName(other), size);
        }
      }
    }
  }
}

int main() {
  logarithms();
  frequenciesSumUp();
  for (const CodePath each : allPaths) {
    std::printf("%s: %s\n", pathName(each), isAvailable(each) ? "tested" : "not available here");
    if (!isAvailable(each)) continue;
    path = each;
    checksums();
    planesAreInverse();
    allProbabilityBits();
    roundTrips();
    truncationsAreRefused();
    flipsAreRefused();
    damageNeverHarms();
  }
  pathsAgree();
  damageToInterleavedStreams();
  std::printf("codec_test: %d failed\n", failures);
  return failures == 0 ? 0 : 1;
}
