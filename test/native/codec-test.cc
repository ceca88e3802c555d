// C++ tests of the codec, meant to run under the address and undefined-behaviour sanitizers: what these catch is an access out
// of bounds that happens to do no harm. FAULTS rows G1 and G2. Prints one line per failed check; exits with their number.
#include <string>

#include "codec-test.h"

static void roundTrips() {
  const size_t sizes[] = {0,    1,    2,     3,     5,     31,    33,    200,     1000,    4097,
                          9999, 16383, 16384, 16385, 32767, 32768, 32769, 65537, 1048575, 1048576, 1048577, 1048579};
  for (const size_t size : sizes) {
    for (uint8_t hint = 0; hint <= 4; hint++) {
      const auto element = static_cast<Element>(hint);
      const Bytes raw = elementBytes(size, hint == 4 ? 4 : 2, 7);
      for (const Profile profile : profiles) {
        const Bytes encoded = encodeOrDie(raw, element, profile);
        check(encoded.size() <= size + headerBytes, "size stays within the promise", size);
        Exact decoded{Bytes(size)};
        check(decodeExact(encoded, decoded) == Status::ok, "decodes", size);
        check(size == 0 || std::memcmp(decoded.data, raw.data(), size) == 0, "same bytes", size);
      }
    }
  }
}

/** Planes 0 and 3 are stored for their exact counts, 2 by the sample: that one has to make room for the first. */
static void storedPlanesInOrder() {
  Chance chance = {17};
  Bytes raw(4 * 2000);
  for (size_t index = 0; index < raw.size(); index += 4) {
    const uint32_t noise = chance.next();
    const uint32_t rotated = noise % 100 << 24 | (noise >> 8 & 0xFF00) | (noise >> 24) % 100;
    store32(raw.data() + index, rotated >> 1 | rotated << 31);
  }
  for (const Profile profile : profiles) {
    const Bytes encoded = encodeOrDie(raw, Element::fp32, profile);
    const uint8_t* descriptors = encoded.data() + alignUp(headerBytes + 4) + segmentHeaderBytes;
    constexpr uint8_t modes[] = {1, 2, 1, 1};
    for (size_t plane = 0; plane < planeCountMax; plane++)
      check(descriptors[plane * planeDescriptorBytes + plane_at::mode] == modes[plane], "stored by the right rule", plane);
    Exact decoded{Bytes(raw.size())};
    check(decodeExact(encoded, decoded) == Status::ok, "decodes");
    check(std::memcmp(decoded.data, raw.data(), raw.size()) == 0, "same bytes");
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

/** Encodes `symbols` as a RANS plane by their exact counts, and decodes it. */
static void checkPlane(const Bytes& symbols, unsigned bits, unsigned streamBits) {
  const Kernels& kernels = kernelsOf(path);
  const size_t size = symbols.size();
  Histogram histogram;
  histogram.add(symbols.data(), size);
  const Counts counts = histogram.counts();
  const FrequencyTable table = makeFrequencyTable(counts, orderSymbols(counts), size, bits);
  const RansLayout layout(size, table.symbolCount, streamBits);
  Bytes out(layout.words + 2 * size + 2);
  std::vector<uint16_t> scratch;
  uint32_t wordCount = 0;
  const size_t bytes =
      encodeRansPlane(kernels, symbols.data(), size, table, streamBits, out.data(), out.size(), scratch, wordCount);
  check(bytes != 0, "plane fits");
  PlanePlan plan{};
  plan.symbolCount = static_cast<uint16_t>(table.symbolCount);
  plan.probabilityBits = static_cast<uint8_t>(bits);
  plan.streamBits = static_cast<uint8_t>(streamBits);
  plan.data = out.data();
  plan.frequencies = out.data() + layout.frequencies;
  plan.streamEnds = out.data() + layout.streamEnds;
  plan.states = out.data() + layout.states;
  plan.words = out.data() + layout.words;
  plan.streams = layout.streams;
  Bytes decoded(size);
  DecodeTable decodeTable;
  makeDecodeTable(plan, decodeTable);
  for (size_t first = 0; first < size; first += blockSymbols(streamBits)) {
    const size_t count = std::min(blockSymbols(streamBits), size - first);
    const Status status = decodeStreams(kernels, decodeTable, plan, first >> streamBits, decoded.data() + first, count, {});
    check(status == Status::ok, "decodes", bits);
  }
  check(decoded == symbols, "same symbols", bits);
  check(encodeRansPlane(kernels, symbols.data(), size, table, streamBits, out.data(), bytes - 1, scratch, wordCount) == 0,
        "a plane one byte too large is refused", bits);
}

static void allProbabilityBits() {
  for (unsigned bits = probabilityBitsMin; bits <= probabilityBitsMax; bits++)
    for (const size_t size : {size_t{1000}, size_t{16384}, size_t{20001}, size_t{65536}, size_t{140000}})
      checkPlane(skewedBytes(size, bits), bits, size % 2 == 0 ? streamBitsOfPlanes : streamBitsOfBytes);
}

/** Tables that just fit into what paths keep in registers, or just do not. They are read from slots of 2^11. */
static void tablesOfEveryShape() {
  const std::vector<std::vector<size_t>> tables = {
      // One boundary in each bucket of 128 slots; the seventeenth symbol starts within a bucket of 8, or at its border.
      {128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 60, 40, 20, 8},
      {128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 64, 32, 16, 8, 4, 2, 1, 1},
      // Two boundaries in a bucket.
      {1000, 500, 300, 60, 50, 40, 30, 20, 20, 10, 10, 4, 4},
      // A first symbol that takes nearly all, and thirty-three symbols.
      {2040, 1, 1, 1, 1, 1, 1, 1, 1},
      {1499, 300, 100, 50, 40, 20, 10, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
      {1024, 1024},
  };
  Chance chance = {21};
  for (const std::vector<size_t>& frequencies : tables) {
    Bytes symbols;
    for (size_t entry = 0; entry < frequencies.size(); entry++)
      symbols.insert(symbols.end(), frequencies[entry] * 32, static_cast<uint8_t>(90 + entry));
    check(symbols.size() == 65536, "the frequencies are those of 2^11 slots", symbols.size());
    for (size_t index = symbols.size(); index > 1; index--) std::swap(symbols[index - 1], symbols[chance.next() % index]);
    checkPlane(symbols, 11, streamBitsOfPlanes);
  }
}

static void frequenciesSumUp() {
  Chance chance = {11};
  for (int round = 0; round < 2000; round++) {
    Counts counts{};
    size_t total = 0;
    const unsigned kinds = 2 + chance.next() % 255;
    for (unsigned kind = 0; kind < kinds; kind++) {
      const uint32_t count = 1 + (chance.next() >> (20 + chance.next() % 12));
      total += count - counts[kind];
      counts[kind] = count;
    }
    const unsigned bits = probabilityBitsMin + static_cast<unsigned>(round) % 3;
    const FrequencyTable table = makeFrequencyTable(counts, orderSymbols(counts), total, bits);
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
    check(~kernelsOf(path).updateCrc(~77u, exact.data, size) == expected, "the path's own CRC32C", size);
  }
}

/** Every path makes the same chunk and reads the chunks of the others, around every border and whatever the kind of data. */
static void pathsAgree() {
  Chance chance = {5};
  const size_t sizes[] = {1, 33, 4096, 32767, 32768, 32769, 65536, 131072 + 2, 131072 + 64, 131072 + 16384 * 3 + 5};
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
        for (const Profile profile : profiles) {
          path = CodePath::scalar;
          const Bytes expected = encodeOrDie(raw, static_cast<Element>(hint), profile);
          for (const CodePath other : testedPaths) {
            path = other;
            check(encodeOrDie(raw, static_cast<Element>(hint), profile) == expected, pathName(other), size);
            Exact decoded{Bytes(size)};
            check(decodeExact(expected, decoded) == Status::ok, pathName(other), size);
            check(std::memcmp(decoded.data, raw.data(), size) == 0, pathName(other), size);
          }
        }
      }
    }
  }
}

/** `codec_test PATH..` tests these, without arguments all that there are. */
static void choosePaths(int count, char** names) {
  for (const CodePath each : allPaths) {
    const bool isNamed = std::any_of(names, names + count, [&](const char* name) { return pathName(each) == std::string(name); });
    const bool isTested = isAvailable(each) && (count == 0 || isNamed);
    std::printf("%s: %s\n", pathName(each), isTested ? "tested" : isAvailable(each) ? "left out" : "not available here");
    if (isTested) testedPaths.push_back(each);
  }
}

int main(int count, char** arguments) {
  choosePaths(count - 1, arguments + 1);
  logarithms();
  frequenciesSumUp();
  for (const CodePath each : testedPaths) {
    path = each;
    checksums();
    planesAreInverse();
    allProbabilityBits();
    tablesOfEveryShape();
    fixedKernelsAgree();
    roundTrips();
    storedPlanesInOrder();
    damageOnePath();
  }
  if (std::count(testedPaths.begin(), testedPaths.end(), CodePath::hostWarp) != 0) {
    batches();
    devicePools();
  }
  pathsAgree();
  damageAllPaths();
  std::printf("codec_test: %d failed\n", failures);
  return failures == 0 ? 0 : 1;
}
