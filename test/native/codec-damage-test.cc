// Damaged chunks: every truncation, every flipped bit, random bytes in random places. FAULTS rows G1 and G2.
#include "codec-test.h"

/** The byte at `at` of the first plane's descriptor in a chunk of one segment. */
static uint8_t firstDescriptor(const Bytes& chunk, size_t at) {
  return chunk[alignUp(headerBytes + 4) + segmentHeaderBytes + at];
}

/** What a plane's descriptor says of it, apart from where it is. */
struct PlaneFacts {
  PlaneMode mode;
  unsigned probabilityBits;
  size_t symbolCount;
  size_t bytes;
  size_t wordCount;
};

/** A chunk of bytes whose one plane `encode(out, capacity)` writes. */
template <class Encode>
static Bytes chunkOfPlane(const Bytes& raw, Encode encode) {
  const size_t start = alignUp(headerBytes + 4);
  Bytes chunk(maxEncodedBytes(raw.size()));
  uint8_t* const plane = chunk.data() + start + segmentPrefixBytes;
  const PlaneFacts facts = encode(plane, chunk.size() - start - segmentPrefixBytes);
  check(facts.bytes != 0, "the plane fits");
  chunk.resize(alignUp(start + segmentPrefixBytes + facts.bytes));
  store32(chunk.data() + headerBytes, static_cast<uint32_t>(chunk.size()));
  chunk[start + segment_at::element] = static_cast<uint8_t>(Element::bytes);
  uint8_t* const descriptor = chunk.data() + start + segmentHeaderBytes;
  descriptor[plane_at::mode] = static_cast<uint8_t>(facts.mode);
  descriptor[plane_at::symbol] = static_cast<uint8_t>(facts.probabilityBits);
  store16(descriptor + plane_at::symbolCount, static_cast<uint16_t>(facts.symbolCount));
  store32(descriptor + plane_at::offset, segmentPrefixBytes);
  store32(descriptor + plane_at::bytes, static_cast<uint32_t>(facts.bytes));
  store32(descriptor + plane_at::wordCount, static_cast<uint32_t>(facts.wordCount));
  std::fill(plane + facts.bytes, chunk.data() + chunk.size(), uint8_t{0});
  writeHeader({ChunkCodec::ans, encoderVersion, 0, Element::bytes, static_cast<uint32_t>(raw.size()),
               static_cast<uint32_t>(chunk.size()), crc32c(0, {raw.data(), raw.size()})},
              chunk.data());
  return chunk;
}

/** A chunk of one RANS plane with `bits` probability bits, which the encoder need not be inclined to. */
static Bytes chunkWithBits(const Bytes& raw, unsigned bits) {
  return chunkOfPlane(raw, [&](uint8_t* out, size_t capacity) {
    Histogram histogram;
    histogram.add(raw.data(), raw.size());
    const Counts counts = histogram.counts();
    const FrequencyTable table = makeFrequencyTable(counts, orderSymbols(counts), raw.size(), bits);
    std::vector<uint16_t> scratch;
    uint32_t wordCount = 0;
    const size_t bytes = encodeRansPlane(kernelsOf(path), raw.data(), raw.size(), table, streamBitsOfBytes, out, capacity,
                                         scratch, wordCount);
    return PlaneFacts{PlaneMode::rans, bits, table.symbolCount, bytes, wordCount};
  });
}

/** A chunk of one FIX3E plane whose table has one entry: no encoder makes such, as others would be worth their place. */
static Bytes chunkWithOneEntry(const Bytes& raw, uint8_t entry) {
  return chunkOfPlane(raw, [&](uint8_t* out, size_t capacity) {
    const FixedTable table = {3, 1, {entry}};
    const size_t escapeCount = raw.size() - static_cast<size_t>(std::count(raw.begin(), raw.end(), entry));
    const size_t bytes = encodeFixedPlane(kernelsOf(path), raw.data(), raw.size(), table, escapeCount, streamBitsOfBytes, out,
                                          capacity);
    return PlaneFacts{PlaneMode::fix3e, 0, table.symbolCount, bytes, escapeCount};
  });
}

/** Most symbols are one of 13, each as often as the others. */
static Bytes evenBytes(size_t size) {
  Chance chance = {31};
  Bytes bytes(size);
  for (uint8_t& byte : bytes) {
    const bool isRare = chance.next() % 64 == 0;
    byte = static_cast<uint8_t>(isRare ? 200 + (chance.next() & 31) : 40 + chance.next() % 13);
  }
  return bytes;
}

/** Small chunks that hold every plane mode and every number of probability bits. */
static std::vector<Bytes> smallChunks() {
  Bytes zeroHigh = elementBytes(1201, 2, 9);
  for (size_t index = 2; index < zeroHigh.size(); index += 2) zeroHigh[index] = 0x40;
  // Symbols too rare for 2048 slots.
  Bytes rare = skewedBytes(4100, 6);
  for (size_t index = 0; index < 90; index++) rare[index * 45] = static_cast<uint8_t>(index);
  const Bytes few = skewedBytes(700, 1);
  Bytes single = few;
  std::replace(single.begin(), single.end(), uint8_t{101}, uint8_t{100});
  single.back() = 102;
  std::vector<Bytes> chunks = {encodeOrDie(few, Element::bytes),
                               encodeOrDie(elementBytes(2401, 2, 2), Element::bf16),
                               encodeOrDie(zeroHigh, Element::fp16),
                               encodeOrDie(elementBytes(4003, 4, 3), Element::fp32),
                               encodeOrDie(rare, Element::bytes),
                               chunkWithBits(few, 10),
                               chunkWithOneEntry(single, 100),
                               encodeOrDie(few, Element::bytes, Profile::fast),
                               encodeOrDie(evenBytes(901), Element::bytes, Profile::fast),
                               encodeOrDie(elementBytes(2403, 2, 2), Element::bf16, Profile::fast)};
  check(firstDescriptor(chunks[0], plane_at::symbol) == 11, "11 bits as a rule");
  check(firstDescriptor(chunks[4], plane_at::symbol) == 12, "12 bits for many rare symbols");
  check(firstDescriptor(chunks[7], plane_at::mode) == 4 && firstDescriptor(chunks[9], plane_at::mode) == 4, "FIX3E");
  check(firstDescriptor(chunks[8], plane_at::mode) == 5, "FIX4E");
  for (const Bytes& chunk : chunks) {
    Exact raw{Bytes(load32(chunk.data() + header_at::rawBytes))};
    check(chunk[header_at::codec] == 1 && decodeExact(chunk, raw) == Status::ok, "undamaged");
  }
  return chunks;
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

/** The verdict of every path on `chunk` agrees with that of the scalar one. */
static void checkVerdict(const Bytes& chunk, Exact& raw, size_t detail) {
  path = CodePath::scalar;
  const Status expected = decodeExact(chunk, raw);
  for (const CodePath other : testedPaths) {
    path = other;
    check(agree(other, decodeExact(chunk, raw), expected), pathName(other), detail);
  }
}

/** Codes, indexes and escapes of FIX planes of several streams, where a wrong number must not move what others read. */
static void damageToFixedStreams() {
  Chance chance = {111};
  for (const Element element : {Element::bytes, Element::bf16}) {
    path = CodePath::scalar;
    const size_t step = element == Element::bf16 ? 2 : 1;
    const size_t size = ((size_t{2} << streamBitsOf(element)) + 77) * step;
    const Bytes raw = element == Element::bf16 ? elementBytes(size, 2, 8) : evenBytes(size);
    const Bytes chunk = encodeOrDie(raw, element, Profile::fast);
    Exact decoded{Bytes(size)};
    const uint8_t* segment = chunk.data() + alignUp(headerBytes + 4);
    const uint8_t* descriptor = segment + segmentHeaderBytes;
    const size_t start = static_cast<size_t>(segment - chunk.data()) + load32(descriptor + plane_at::offset);
    checkVerdict(chunk, decoded, 0);
    for (size_t round = 0; round < 600; round++) {
      Bytes damaged = chunk;
      const size_t reach = round % 3 == 0 ? 48 : load32(descriptor + plane_at::bytes);
      damaged[start + chance.next() % reach] ^= static_cast<uint8_t>(1 << chance.next() % 8);
      checkVerdict(damaged, decoded, round);
    }
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
    const unsigned streamBits = streamBitsOf(element);
    const size_t streamSymbols = size_t{1} << streamBits;
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
    const uint8_t* segment = chunk.data() + alignUp(headerBytes + 4);
    const uint8_t* plane = segment + load32(segment + segmentHeaderBytes + plane_at::offset);
    const RansLayout layout(raw.size() / step, load16(segment + segmentHeaderBytes + plane_at::symbolCount), streamBits);
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

void damageOnePath() {
  truncationsAreRefused();
  flipsAreRefused();
  damageNeverHarms();
}

void damageAllPaths() {
  damageToInterleavedStreams();
  damageToFixedStreams();
}
