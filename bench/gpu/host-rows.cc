// Batches that lie in the processor's memory, through batch codecs as a node uses them: each thread has a codec of its own.
#include <chrono>
#include <thread>

#include "cuda/batch-codec.h"
#include "gpu-bench.h"

namespace {

constexpr size_t batchCounts[] = {1, 4, 16};
constexpr size_t threadCounts[] = {1, 3};
/** Batches of each thread in a repetition, so that copies and kernels of several threads overlap. */
constexpr size_t batchesEach = 4;
constexpr auto patience = std::chrono::minutes(1);

/** A codec, and where its results go. */
struct Worker {
  BatchCodec codec;
  std::vector<std::vector<uint8_t>> results;
  bool isRight = true;

  Worker(std::unique_ptr<Backend> backend, size_t count)
      : codec(std::move(backend), patience), results(count, std::vector<uint8_t>(maxEncodedBytes(chunkBytes))) {}

  /** To memory of the caller, as a node has it. */
  void keep(size_t index, const uint8_t* bytes, size_t size) { results[index].assign(bytes, bytes + size); }

  void decode(const Weights& weights) {
    std::vector<DecodeJob> jobs;
    for (size_t index = 0; index < results.size(); index++) {
      const std::vector<uint8_t>& encoded = weights.encoded[index % differentChunks];
      jobs.push_back({{encoded.data(), encoded.size()}, chunkBytes, Status::outOfMemory, nullptr, nullptr});
    }
    isRight = isRight && codec.decode(jobs.data(), jobs.size()) == BatchOutcome::done;
    for (size_t index = 0; index < jobs.size() && isRight; index++) {
      isRight = jobs[index].status == Status::ok;
      if (isRight) keep(index, jobs[index].raw, chunkBytes);
    }
  }

  void encode(const Weights& weights) {
    std::vector<EncodeJob> jobs;
    for (size_t index = 0; index < results.size(); index++) {
      const std::vector<uint8_t>& raw = weights.raw[index % differentChunks];
      jobs.push_back({{raw.data(), raw.size()}, weights.hint, weights.profile, {}, nullptr});
    }
    isRight = isRight && codec.encode(jobs.data(), jobs.size()) == BatchOutcome::done;
    for (size_t index = 0; index < jobs.size() && isRight; index++)
      keep(index, jobs[index].encoded, jobs[index].result.encodedBytes);
  }
};

void hostRow(Report& report, const Weights& weights, bool isDecode, size_t threadCount, size_t count) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (size_t thread = 0; thread < threadCount; thread++) {
    std::string reason;
    std::unique_ptr<Backend> backend = openDevice(report.options().device, reason);
    if (backend == nullptr) return report.fail(reason);
    workers.push_back(std::make_unique<Worker>(std::move(backend), count));
  }
  const Rates rates = measure(threadCount * batchesEach * count * chunkBytes, [&] {
    const auto started = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (const std::unique_ptr<Worker>& worker : workers)
      threads.emplace_back([&] {
        for (size_t batch = 0; batch < batchesEach; batch++) isDecode ? worker->decode(weights) : worker->encode(weights);
      });
    for (std::thread& thread : threads) thread.join();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  });
  const std::vector<std::vector<uint8_t>>& expected = isDecode ? weights.raw : weights.encoded;
  for (const std::unique_ptr<Worker>& worker : workers) {
    for (size_t index = 0; index < count && worker->isRight; index++)
      worker->isRight = worker->results[index] == expected[index % differentChunks];
    if (!worker->isRight)
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
