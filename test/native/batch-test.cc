// Batches on the processor in place of a GPU: many chunks at once, memory that is short, a device that fails.
#include "codec-test.h"
#include "cuda/batch-codec.h"

using namespace swarm::gpu;

namespace {

constexpr auto patience = std::chrono::milliseconds(1000);

/** A backend that has little memory, or fails when it is asked to wait. */
class WeakBackend : public Backend {
 public:
  size_t bytesMax = SIZE_MAX;
  /** Waits that go well. */
  int waits = INT32_MAX;

  uint8_t* allocate(size_t bytes) override { return bytes > bytesMax ? nullptr : inner_->allocate(bytes); }
  void release(uint8_t* memory) override { inner_->release(memory); }
  uint8_t* allocatePinned(size_t bytes) override { return inner_->allocatePinned(bytes); }
  void releasePinned(uint8_t* memory) override { inner_->releasePinned(memory); }
  void copyIn(uint8_t* device, const uint8_t* pinned, size_t bytes) override { inner_->copyIn(device, pinned, bytes); }
  void copyOut(uint8_t* pinned, const uint8_t* device, size_t bytes) override { inner_->copyOut(pinned, device, bytes); }
  void decode(const DecodeBatch& batch) override { inner_->decode(batch); }
  void encode(const EncodeBatch& batch) override { inner_->encode(batch); }
  bool wait(std::chrono::milliseconds) override {
    if (waits-- > 0) return true;
    fault_ = "it broke";
    return false;
  }
  std::string fault() const override { return fault_; }

 private:
  std::unique_ptr<Backend> inner_ = openHostBackend();
  std::string fault_;
};

struct Sample {
  Bytes raw;
  Element hint;
  Profile profile;
  Bytes encoded;
};

/** Chunks of all kinds, made by the scalar path; a stored one and an empty one among them. */
std::vector<Sample> makeSamples() {
  path = CodePath::scalar;
  std::vector<Sample> samples;
  uint32_t seed = 3;
  for (const size_t size : {size_t{0}, size_t{77}, size_t{4003}, size_t{33000}, segmentBytesMax + 777}) {
    for (const Element hint : {Element::bytes, Element::bf16, Element::fp16, Element::fp32}) {
      Bytes raw = elementBytes(size, elementWidth(hint), seed++);
      const Profile profile = profiles[seed % 2];
      Bytes encoded = encodeOrDie(raw, hint, profile);
      samples.push_back({std::move(raw), hint, profile, std::move(encoded)});
    }
  }
  return samples;
}

std::vector<DecodeJob> decodeJobs(const std::vector<Sample>& samples) {
  std::vector<DecodeJob> jobs;
  for (const Sample& sample : samples)
    jobs.push_back({{sample.encoded.data(), sample.encoded.size()}, sample.raw.size(), Status::outOfMemory, nullptr, nullptr});
  return jobs;
}

bool isSame(const uint8_t* bytes, const Bytes& expected) {
  return expected.empty() || std::memcmp(bytes, expected.data(), expected.size()) == 0;
}

void batchesAreLikeSingleChunks(const std::vector<Sample>& samples) {
  BatchCodec codec(openHostBackend(), patience);
  for (int round = 0; round < 2; round++) {
    std::vector<DecodeJob> jobs = decodeJobs(samples);
    check(codec.decode(jobs.data(), jobs.size()) == BatchOutcome::done, "batch decodes");
    for (size_t index = 0; index < jobs.size(); index++)
      check(jobs[index].status == Status::ok && isSame(jobs[index].raw, samples[index].raw), "decoded in a batch", index);
    std::vector<EncodeJob> encodes;
    for (const Sample& sample : samples)
      encodes.push_back({{sample.raw.data(), sample.raw.size()}, sample.hint, sample.profile, {}, nullptr});
    check(codec.encode(encodes.data(), encodes.size()) == BatchOutcome::done, "batch encodes");
    for (size_t index = 0; index < encodes.size(); index++)
      check(encodes[index].result.encodedBytes == samples[index].encoded.size() &&
                isSame(encodes[index].encoded, samples[index].encoded),
            "encoded in a batch", index);
  }
  check(codec.decode(nullptr, 0) == BatchOutcome::done && codec.encode(nullptr, 0) == BatchOutcome::done, "empty batches");
}

/** Decoded bytes that stay where the caller wants them, on the device, which here is this program's memory. */
void staysOnTheDevice(const std::vector<Sample>& samples) {
  BatchCodec codec(openHostBackend(), patience);
  std::vector<DecodeJob> jobs = decodeJobs(samples);
  std::vector<std::unique_ptr<uint64_t[]>> targets;
  for (size_t index = 0; index < jobs.size(); index += 2) {
    targets.emplace_back(new uint64_t[jobs[index].rawBytes / 8 + 4]);
    const auto start = reinterpret_cast<uintptr_t>(targets.back().get());
    jobs[index].target = reinterpret_cast<uint8_t*>((start + 15) & ~uintptr_t{15});
    jobs[index].target[jobs[index].rawBytes] = 0xA5;
  }
  check(codec.decode(jobs.data(), jobs.size()) == BatchOutcome::done, "batch with targets");
  for (size_t index = 0; index < jobs.size(); index++) {
    const DecodeJob& job = jobs[index];
    check(job.status == Status::ok && (job.raw == nullptr) == (job.target != nullptr), "target or not", index);
    check(isSame(job.target == nullptr ? job.raw : job.target, samples[index].raw), "decoded to its target", index);
    if (job.target != nullptr) check(job.target[job.rawBytes] == 0xA5, "and not behind", index);
  }
}

/** A broken chunk has a verdict of its own and changes nothing for the others. */
void brokenChunksStayAlone(std::vector<Sample> samples) {
  for (size_t index = 0; index < samples.size(); index += 2) {
    Bytes& encoded = samples[index].encoded;
    encoded[encoded.size() / 2] ^= 1;
  }
  BatchCodec codec(openHostBackend(), patience);
  std::vector<DecodeJob> jobs = decodeJobs(samples);
  check(codec.decode(jobs.data(), jobs.size()) == BatchOutcome::done, "batch with broken chunks");
  for (size_t index = 0; index < jobs.size(); index++) {
    const bool isBroken = index % 2 == 0;
    check((jobs[index].status != Status::ok) == isBroken, "a verdict for each", index);
    if (!isBroken) check(isSame(jobs[index].raw, samples[index].raw), "decoded beside broken ones", index);
  }
}

void shortMemoryIsNoFault(const std::vector<Sample>& samples) {
  auto weak = std::make_unique<WeakBackend>();
  weak->bytesMax = 3 << 20;
  BatchCodec codec(std::move(weak), patience);
  std::vector<DecodeJob> jobs = decodeJobs(samples);
  check(codec.decode(jobs.data(), jobs.size()) == BatchOutcome::tooLarge, "too large for the memory");
  check(codec.fault().empty(), "which is no fault");
  check(codec.decode(jobs.data(), 4) == BatchOutcome::done, "fewer fit");
  check(jobs[3].status == Status::ok && isSame(jobs[3].raw, samples[3].raw), "and are right");
}

void faultsStay(const std::vector<Sample>& samples) {
  for (int waits = 0; waits < 4; waits++) {
    auto weak = std::make_unique<WeakBackend>();
    weak->waits = waits;
    BatchCodec codec(std::move(weak), patience);
    std::vector<DecodeJob> jobs = decodeJobs(samples);
    // The first wait is for the constants.
    int good = 0;
    while (good < 5 && codec.decode(jobs.data(), 3) == BatchOutcome::done) good++;
    check(good == std::max(0, waits - 1), "fails when the device does", static_cast<size_t>(waits));
    check(codec.fault() == "it broke", "says why");
    EncodeJob encode{{samples[5].raw.data(), samples[5].raw.size()}, Element::bf16, Profile::rans, {}, nullptr};
    check(codec.encode(&encode, 1) == BatchOutcome::failed, "stays failed");
  }
}

}  // namespace

void batches() {
  const std::vector<Sample> samples = makeSamples();
  batchesAreLikeSingleChunks(samples);
  staysOnTheDevice(samples);
  brokenChunksStayAlone(samples);
  shortMemoryIsNoFault(samples);
  faultsStay(samples);
}
