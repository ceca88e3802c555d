// Batches that grow and shrink in the memory of one codec, several codecs on one device, and a device without memory left.
#include <thread>

#include "gpu-test.h"

namespace {

constexpr size_t codecCount = 3;

std::vector<Sample> makeBatch(size_t count, size_t size, uint32_t seed) {
  std::vector<Sample> samples;
  for (size_t index = 0; index < count; index++) {
    const auto content = static_cast<Content>((index + seed) % static_cast<size_t>(Content::count));
    samples.push_back(makeSample(Recipe{size + index, content, index % 4, Element::unknown, profiles[(index + seed) / 2 % 2],
                                        seed + static_cast<uint32_t>(index)}));
  }
  return samples;
}

struct Batch {
  size_t count;
  size_t size;
};

constexpr Batch growing[] = {{1, 10},       {3, 1000},   {1, 100},     {40, 30000}, {2, segmentBytesMax}, {200, 5000},
                             {1, 2000000},  {16, 1},     {8, 1500000}, {1, 31},     {30, 800000}};
constexpr Batch quickGrowing[] = {{1, 10}, {5, 3000}, {1, 100}, {2, 70000}, {12, 1}};

void oneCodecGrows(const TestedDevice& device) {
  BatchCodec codec(device.open(), device.patience());
  const Batch* const first = device.isQuick ? std::begin(quickGrowing) : std::begin(growing);
  const Batch* const last = device.isQuick ? std::end(quickGrowing) : std::end(growing);
  uint32_t seed = 1;
  for (const Batch* batch = first; batch != last; batch++) {
    const std::vector<Sample> samples = makeBatch(batch->count, batch->size, seed++);
    if (!checkDecode(codec, samples) || !checkEncode(codec, samples) || !checkDecode(codec, samples)) return;
    if (codec.decode(nullptr, 0) != BatchOutcome::done || codec.encode(nullptr, 0) != BatchOutcome::done)
      fail("empty batches are done");
  }
}

/** Each on a thread of its own, as a node has them. What they find is told afterwards, by one thread. */
void severalCodecsShareADevice(const TestedDevice& device) {
  const std::vector<Sample> samples = device.isQuick ? makeBatch(4, 20000, 50) : makeBatch(40, 600000, 50);
  const int rounds = device.isQuick ? 1 : 10;
  size_t wrong[codecCount] = {};
  std::vector<std::thread> threads;
  for (size_t own = 0; own < codecCount; own++) {
    threads.emplace_back([&, own] {
      BatchCodec codec(device.open(), device.patience());
      for (int round = 0; round < rounds; round++) {
        std::vector<DecodeJob> decodes;
        std::vector<EncodeJob> encodes;
        for (const Sample& sample : samples) {
          decodes.push_back({{sample.encoded.data(), sample.encoded.size()}, sample.raw.size(), Status::outOfMemory, nullptr, nullptr});
          encodes.push_back({{sample.raw.data(), sample.raw.size()}, sample.hint, sample.profile, {}, nullptr});
        }
        if (codec.decode(decodes.data(), decodes.size()) != BatchOutcome::done) wrong[own]++;
        for (size_t index = 0; index < samples.size(); index++)
          if (decodes[index].status != Status::ok ||
              std::memcmp(decodes[index].raw, samples[index].raw.data(), samples[index].raw.size()) != 0)
            wrong[own]++;
        if (codec.encode(encodes.data(), encodes.size()) != BatchOutcome::done) wrong[own]++;
        for (size_t index = 0; index < samples.size(); index++)
          if (encodes[index].result.encodedBytes != samples[index].encoded.size() ||
              std::memcmp(encodes[index].encoded, samples[index].encoded.data(), samples[index].encoded.size()) != 0)
            wrong[own]++;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t own = 0; own < codecCount; own++)
    if (wrong[own] != 0) fail("codec " + std::to_string(own) + " of several: " + std::to_string(wrong[own]) + " chunks are wrong");
}

void shortMemoryIsNoFault(const TestedDevice& device) {
  const std::unique_ptr<Backend> backend = device.open();
  uint8_t* const tooMuch = backend->allocate(2 * device.memoryBytes);
  if (tooMuch != nullptr) fail("twice the device's memory is not there");
  if (!backend->fault().empty()) fail("memory that is short is a fault: " + backend->fault());
  uint8_t* const little = backend->allocate(1000);
  if (little == nullptr || !backend->wait(device.patience())) fail("the device goes on after memory was short");
  if (little != nullptr) backend->release(little);
}

}  // namespace

void batchesGrow(const TestedDevice& device) {
  oneCodecGrows(device);
  severalCodecsShareADevice(device);
  shortMemoryIsNoFault(device);
}
