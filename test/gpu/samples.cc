// Chunks for the tests on devices: contents of every kind, what the scalar path makes of them, and how they are broken.
#include "gpu-test.h"

namespace {

constexpr const char* contentNames[] = {"skewed", "skewed16", "skewed32", "many-symbols", "half-constant",
                                        "weights", "even",     "widened",  "noise",        "constant"};
static_assert(std::size(contentNames) == static_cast<size_t>(Content::count), "a name for each");

constexpr const char* hintNames[] = {"unknown", "bytes", "bf16", "fp16", "fp32"};

void resealHeader(Bytes& chunk) {
  store32(chunk.data() + header_at::headerChecksum, crc32c(0, {chunk.data(), header_at::headerChecksum}));
}

/** Once with the old header, once with one that agrees, so that the inner checks are reached. */
void addCuts(const Sample& sample, size_t size, std::vector<Verdict>& verdicts) {
  Bytes cut(sample.encoded.begin(), sample.encoded.begin() + static_cast<std::ptrdiff_t>(size));
  const std::string name = sample.name + " cut to " + std::to_string(size);
  verdicts.push_back(judge(name, cut, sample.raw.size()));
  if (size < headerBytes) return;
  store32(cut.data() + header_at::encodedBytes, static_cast<uint32_t>(size));
  resealHeader(cut);
  verdicts.push_back(judge(name + " with a right header", std::move(cut), sample.raw.size()));
}

}  // namespace

Bytes makeContent(const Recipe& recipe) {
  Chance chance = {recipe.seed | 1};
  const size_t size = recipe.size + recipe.phase;
  Bytes raw;
  switch (recipe.content) {
    case Content::skewed16: raw = elementBytes(size, 2, chance.next() | 1); break;
    case Content::skewed32: raw = elementBytes(size, 4, chance.next() | 1); break;
    case Content::weights:
      raw = elementBytes(size, 2, chance.next() | 1);
      for (size_t index = 1; index < size; index += 2)
        raw[index] = static_cast<uint8_t>((60 + raw[index] % 5) | (chance.next() & 0x80));
      break;
    case Content::widened:
      raw = elementBytes(size, 4, chance.next() | 1);
      for (size_t index = 0; index < size; index++)
        if (index % 4 < 2) raw[index] = 0;
      break;
    default: raw = skewedBytes(size, chance.next() | 1);
  }
  if (recipe.content == Content::manySymbols)
    for (uint8_t& byte : raw) byte = static_cast<uint8_t>((chance.next() & 63) + (chance.next() & 63));
  if (recipe.content == Content::even)
    for (uint8_t& byte : raw) {
      const bool isRare = chance.next() % 64 == 0;
      byte = static_cast<uint8_t>(isRare ? 200 + (chance.next() & 31) : 40 + chance.next() % 13);
    }
  if (recipe.content == Content::noise)
    for (uint8_t& byte : raw) byte = static_cast<uint8_t>(chance.next() >> 24);
  if (recipe.content == Content::halfConstant)
    std::fill(raw.begin(), raw.begin() + static_cast<std::ptrdiff_t>(size / 2), uint8_t{100});
  if (recipe.content == Content::constant) std::fill(raw.begin(), raw.end(), static_cast<uint8_t>(recipe.seed));
  raw.erase(raw.begin(), raw.begin() + static_cast<std::ptrdiff_t>(recipe.phase));
  return raw;
}

Sample makeSample(std::string name, Bytes raw, Element hint, Profile profile) {
  Bytes encoded(maxEncodedBytes(raw.size()));
  const EncodeResult result =
      encodeAns({raw.data(), raw.size()}, hint, profile, {encoded.data(), encoded.size()}, workspace());
  if (result.status != Status::ok) fail(name + ": the scalar path encodes");
  encoded.resize(result.encodedBytes);
  return {std::move(name), std::move(raw), hint, profile, std::move(encoded), result.floatSegments};
}

Sample makeSample(const Recipe& recipe) {
  std::string name = std::string(contentNames[static_cast<size_t>(recipe.content)]) + " of " + std::to_string(recipe.size) +
                     " bytes, phase " + std::to_string(recipe.phase) + ", hint " +
                     hintNames[static_cast<size_t>(recipe.hint)] +
                     (recipe.profile == Profile::fast ? ", fast, seed " : ", rans, seed ") + std::to_string(recipe.seed);
  return makeSample(std::move(name), makeContent(recipe), recipe.hint, recipe.profile);
}

Verdict judge(std::string name, Bytes encoded, size_t rawBytes) {
  Bytes raw(rawBytes);
  const Status expected = decode({encoded.data(), encoded.size()}, {raw.data(), raw.size()}, workspace());
  return {std::move(name), std::move(encoded), expected, std::move(raw)};
}

std::vector<Sample> smallSamples() {
  std::vector<Sample> samples;
  const auto add = [&](Content content, size_t size, Element hint, Profile profile) {
    samples.push_back(makeSample(Recipe{size, content, 0, hint, profile, static_cast<uint32_t>(samples.size() + 1)}));
  };
  add(Content::skewed, 700, Element::bytes, Profile::rans);
  add(Content::skewed16, 2401, Element::bf16, Profile::rans);
  add(Content::weights, 1201, Element::fp16, Profile::rans);
  add(Content::skewed32, 4003, Element::fp32, Profile::rans);
  add(Content::widened, 2002, Element::fp32, Profile::rans);
  add(Content::manySymbols, 4100, Element::bytes, Profile::rans);
  add(Content::noise, 300, Element::bytes, Profile::rans);
  add(Content::skewed, 700, Element::bytes, Profile::fast);
  add(Content::even, 901, Element::bytes, Profile::fast);
  add(Content::skewed16, 2403, Element::bf16, Profile::fast);
  add(Content::widened, 2002, Element::fp32, Profile::fast);
  return samples;
}

std::vector<Verdict> breakChunks(const std::vector<Sample>& chunks, size_t rounds, uint32_t seed) {
  Chance chance = {seed};
  std::vector<Verdict> verdicts;
  for (size_t round = 0; round < rounds; round++) {
    const Sample& sample = chunks[chance.next() % chunks.size()];
    const size_t size = sample.encoded.size();
    addCuts(sample, chance.next() % size, verdicts);
    Bytes flipped = sample.encoded;
    const size_t bit = chance.next() % (size * 8);
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const std::string name = sample.name + " with bit " + std::to_string(bit) + " flipped";
    verdicts.push_back(judge(name, std::move(flipped), sample.raw.size()));
    if (size == headerBytes) continue;
    // Behind the header, often in descriptors and tables.
    Bytes damaged = sample.encoded;
    const size_t reach = chance.next() % 2 == 0 ? std::min<size_t>(260, size - headerBytes) : size - headerBytes;
    for (uint32_t count = 1 + chance.next() % 4; count > 0; count--)
      damaged[headerBytes + chance.next() % reach] = static_cast<uint8_t>(chance.next() >> 24);
    const std::string damagedName = sample.name + " damaged in round " + std::to_string(round);
    verdicts.push_back(judge(damagedName, std::move(damaged), sample.raw.size()));
  }
  return verdicts;
}
