// Batches that lie in the processor's memory, through batch codecs as a node uses them: each thread has a codec of its own.
#include <chrono>
#include <cstring>
#include <thread>

#include "cuda/batch-codec.h"
#include "gpu-bench.h"

namespace {

constexpr size_t batchCounts[] = {1, 4};
constexpr size_t threadCounts[] = {1, 3, 6, 12};
/** Batches of each thread in a repetition, so that copies and kernels of several threads overlap. */
constexpr size_t batchesEach = 4;
constexpr auto patience = std::chrono::minutes(1);

/** A codec and its last batch, whose results stay in the codec's memory: a node writes them to files from there. */
struct Worker {
  BatchCodec codec;
  std::vector<DecodeJob> decodeJobs;
  std::vector<EncodeJob> encodeJobs;
  bool isRight = true;

  Worker(std::unique_ptr<Backend> backend, const Weights& weights, size_t count) : codec(std::move(backend), patience) {
    for (size_t index = 0; index < count; index++) {
      const std::vector<uint8_t>& encoded = weights.encoded[index % differentChunks];
      const std::vector<uint8_t>& raw = weights.raw[index % differentChunks];
      decodeJobs.push_back({{encoded.data(), encoded.size()}, chunkBytes, Status::outOfMemory, nullptr, nullptr});
      encodeJobs.push_back({{raw.data(), raw.size()}, weights.hint, weights.profile, {}, nullptr});
    }
  }

  void run(bool isDecode) {
    const BatchOutcome outcome = isDecode ? codec.decode(decodeJobs.data(), decodeJobs.size())
                                          : codec.encode(encodeJobs.data(), encodeJobs.size());
    isRight = isRight && outcome == BatchOutcome::done;
  }

  /** Whether the last batch gave what it must. */
  bool check(bool isDecode, const Weights& weights) const {
    for (size_t index = 0; index < decodeJobs.size() && isRight; index++) {
      const std::vector<uint8_t>& expected = (isDecode ? weights.raw : weights.encoded)[index % differentChunks];
      const size_t size = isDecode ? chunkBytes : encodeJobs[index].result.encodedBytes;
      if ((isDecode && decodeJobs[index].status != Status::ok) || size != expected.size()) return false;
      const uint8_t* const bytes = isDecode ? decodeJobs[index].raw : encodeJobs[index].encoded;
      if (std::memcmp(bytes, expected.data(), size) != 0) return false;
    }
    return isRight;
  }
};

void hostRow(Report& report, const Weights& weights, bool isDecode, size_t threadCount, size_t count) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (size_t thread = 0; thread < threadCount; thread++) {
    std::string reason;
    std::unique_ptr<Backend> backend = openDevice(report.options().device, reason);
    if (backend == nullptr) return report.fail(reason);
    workers.push_back(std::make_unique<Worker>(std::move(backend), weights, count));
  }
  const Rates rates = measure(threadCount * batchesEach * count * chunkBytes, [&] {
    const auto started = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (const std::unique_ptr<Worker>& worker : workers)
      threads.emplace_back([&] {
        for (size_t batch = 0; batch < batchesEach; batch++) worker->run(isDecode);
      });
    for (std::thread& thread : threads) thread.join();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  });
  for (const std::unique_ptr<Worker>& worker : workers) {
    if (!worker->check(isDecode, weights))
      return report.fail((isDecode ? "decode " : "encode ") + weights.element + " by " + std::to_string(threadCount) +
                         " threads: " + worker->codec.fault());
  }
  report.printRow(weights, {isDecode, Place::host, threadCount, count, rates});
}

}  // namespace

void measureHost(Report& report, const Weights& weights) {
  for (const bool isDecode : {true, false})
    for (const size_t threadCount : threadCounts)
      for (const size_t count : batchCounts)
        if (!report.hasFailed() && report.wants(weights, {isDecode, Place::host, threadCount, count, {}}))
          hostRow(report, weights, isDecode, threadCount, count);
}
