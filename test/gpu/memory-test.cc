// Kernels on batches whose every piece is an allocation of its own: what they read or write behind one is seen by
// compute-sanitizer.
#include "device-layout.h"
#include "gpu-test.h"

namespace {

/** Verdicts in a batch: there is a segment's scratch memory for each. */
constexpr size_t batchCount = 64;

bool decodeExactly(const TestedDevice& device, Backend& backend, const std::vector<Verdict>& verdicts) {
  DeviceMemory memory(backend);
  std::vector<DecodeInput> inputs;
  for (const Verdict& verdict : verdicts)
    inputs.push_back({{verdict.encoded.data(), verdict.encoded.size()}, verdict.raw.size()});
  const DecodeLayout layout = layOutDecode(memory, inputs);
  std::vector<DecodeState> states(verdicts.size());
  if (memory.isEnough()) backend.decode(layout.batch);
  if (!memory.isEnough() || !backend.wait(device.patience()) ||
      !memory.fetch(states.data(), layout.batch.states, states.size() * sizeof(DecodeState))) {
    fail("decoding in exact memory: " + backend.fault());
    return false;
  }
  for (size_t index = 0; index < verdicts.size(); index++) {
    Bytes raw(verdicts[index].raw.size());
    memory.fetch(raw.data(), layout.raw[index], raw.size());
    compare("exact memory: ", static_cast<Status>(states[index].verdict), raw.data(), verdicts[index]);
  }
  return true;
}

bool encodeExactly(const TestedDevice& device, Backend& backend, const std::vector<Sample>& samples) {
  DeviceMemory memory(backend);
  std::vector<EncodeInput> inputs;
  for (const Sample& sample : samples) inputs.push_back({{sample.raw.data(), sample.raw.size()}, sample.hint, sample.profile});
  const EncodeLayout layout = layOutEncode(memory, inputs);
  std::vector<EncodeState> states(samples.size());
  if (memory.isEnough()) backend.encode(layout.batch);
  if (!memory.isEnough() || !backend.wait(device.patience()) ||
      !memory.fetch(states.data(), layout.batch.states, states.size() * sizeof(EncodeState))) {
    fail("encoding in exact memory: " + backend.fault());
    return false;
  }
  for (size_t index = 0; index < samples.size(); index++) {
    Bytes encoded(std::min<size_t>(states[index].encodedBytes, maxEncodedBytes(samples[index].raw.size())));
    memory.fetch(encoded.data(), layout.encoded[index], encoded.size());
    if (encoded != samples[index].encoded) fail("exact memory: " + samples[index].name + ": encoded to other bytes");
  }
  return true;
}

/** Small ones, and some of several streams whose last is short. */
std::vector<Sample> makeSamples() {
  std::vector<Sample> samples = smallSamples();
  uint32_t seed = 900;
  for (const Profile profile : profiles) {
    const auto add = [&](size_t size, Content content, size_t phase, Element hint) {
      samples.push_back(makeSample(Recipe{size, content, phase, hint, profile, seed++}));
    };
    add(0, Content::skewed, 0, Element::bytes);
    add(1, Content::skewed, 0, Element::unknown);
    add((size_t{2} << streamBitsOfBytes) + 1, Content::skewed, 0, Element::bytes);
    add((size_t{2} << streamBitsOfPlanes) + 3, Content::weights, 1, Element::bf16);
    add((size_t{4} << streamBitsOfPlanes) + 7, Content::skewed32, 3, Element::fp32);
  }
  return samples;
}

}  // namespace

void memoryIsEnough(const TestedDevice& device) {
  const std::unique_ptr<Backend> backend = device.open();
  const std::vector<Sample> samples = makeSamples();
  if (!encodeExactly(device, *backend, samples)) return;
  std::vector<Verdict> batch;
  for (const Sample& sample : samples) batch.push_back({sample.name, sample.encoded, Status::ok, sample.raw});
  if (!decodeExactly(device, *backend, batch)) return;
  const std::vector<Verdict> broken = breakChunks(samples, device.isQuick ? 60 : 600, 41);
  for (size_t first = 0; first < broken.size(); first += batchCount) {
    const size_t last = std::min(first + batchCount, broken.size());
    batch.assign(broken.begin() + static_cast<std::ptrdiff_t>(first), broken.begin() + static_cast<std::ptrdiff_t>(last));
    if (!decodeExactly(device, *backend, batch)) return;
  }
}
