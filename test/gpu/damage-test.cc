// Broken chunks on a device: alone they are refused, among good ones they change nothing, and the device goes on.
#include "gpu-test.h"

namespace {

/** Chunks in a batch, of which every eighth is a good one. */
constexpr size_t batchCount = 256;
constexpr size_t goodEvery = 8;

bool judgeInBatches(BatchCodec& codec, const std::vector<Verdict>& broken, const std::vector<Sample>& good) {
  size_t goodCount = 0;
  std::vector<Verdict> batch;
  for (size_t index = 0; index < broken.size(); index++) {
    if (batch.size() % goodEvery == 0) {
      const Sample& sample = good[goodCount++ % good.size()];
      batch.push_back({sample.name + " beside broken ones", sample.encoded, Status::ok, sample.raw});
    }
    batch.push_back(broken[index]);
    if (batch.size() < batchCount && index + 1 < broken.size()) continue;
    if (!checkVerdicts(codec, batch)) return false;
    batch.clear();
  }
  return true;
}

/** Chunks of several streams, in whose tables, indexes and states a wrong number could move what others read. */
std::vector<Sample> streamSamples() {
  constexpr size_t planeSymbols = size_t{1} << streamBitsOfPlanes;
  constexpr size_t byteSymbols = size_t{1} << streamBitsOfBytes;
  std::vector<Sample> samples;
  uint32_t seed = 100;
  for (const Profile profile : profiles) {
    const auto add = [&](size_t size, Content content, Element hint) {
      samples.push_back(makeSample(Recipe{size, content, 0, hint, profile, seed++}));
    };
    add(4 * byteSymbols + 64, Content::skewed, Element::bytes);
    add(2 * byteSymbols + 77, Content::even, Element::bytes);
    add(8 * planeSymbols + 130, Content::weights, Element::bf16);
    add(8 * planeSymbols + 131, Content::skewed32, Element::fp32);
  }
  return samples;
}

/** Every size of a small chunk. */
std::vector<Verdict> allCuts(const Sample& sample) {
  std::vector<Verdict> verdicts;
  for (size_t size = 0; size < sample.encoded.size(); size++) {
    Bytes cut(sample.encoded.begin(), sample.encoded.begin() + static_cast<std::ptrdiff_t>(size));
    verdicts.push_back(judge(sample.name + " cut to " + std::to_string(size), std::move(cut), sample.raw.size()));
  }
  return verdicts;
}

/** Where the coded planes of a chunk start: behind the stored ones. */
size_t codedStart(const Bytes& chunk) {
  const size_t segment = alignUp(headerBytes + 4);
  const size_t width = elementWidth(static_cast<Element>(chunk[segment + segment_at::element]));
  size_t start = segment + segmentPrefixBytes;
  for (size_t plane = 0; plane < width; plane++) {
    const uint8_t* const descriptor = chunk.data() + segment + segmentHeaderBytes + plane * planeDescriptorBytes;
    if (descriptor[plane_at::mode] != static_cast<uint8_t>(PlaneMode::raw)) continue;
    const size_t end = load32(descriptor + plane_at::offset) + alignUp(load32(descriptor + plane_at::bytes));
    start = std::max(start, segment + end);
  }
  return start;
}

/** Flips a bit of the first coded plane's table, index and states, or of what follows. */
std::vector<Verdict> breakStreams(const std::vector<Sample>& samples, size_t rounds) {
  constexpr size_t indexReach = 4096;
  Chance chance = {311};
  std::vector<Verdict> verdicts;
  for (size_t round = 0; round < rounds; round++) {
    const Sample& sample = samples[round % samples.size()];
    const size_t start = codedStart(sample.encoded);
    Bytes damaged = sample.encoded;
    const size_t reach = std::min(damaged.size() - start, round / samples.size() % 2 == 0 ? indexReach : damaged.size());
    const size_t bit = (start + chance.next() % reach) * 8 + chance.next() % 8;
    damaged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const std::string name = sample.name + " with bit " + std::to_string(bit) + " flipped";
    verdicts.push_back(judge(name, std::move(damaged), sample.raw.size()));
  }
  return verdicts;
}

}  // namespace

void brokenChunksAreRefused(const TestedDevice& device) {
  const std::vector<Sample> small = smallSamples();
  const std::vector<Sample> streams = streamSamples();
  BatchCodec codec(device.open(), device.patience());
  if (!judgeInBatches(codec, breakChunks(small, device.isQuick ? 60 : 6000, 77), small)) return;
  if (!judgeInBatches(codec, breakStreams(streams, device.isQuick ? 16 : 3000), streams)) return;
  if (device.isQuick) return;
  for (const Sample& sample : small)
    if (!judgeInBatches(codec, allCuts(sample), small)) return;
  checkEncode(codec, streams);
}
