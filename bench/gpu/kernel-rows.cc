// Batches that lie in the device's memory, decoded and encoded to the device's memory; timed by the device between two events.
#include <cstring>

#include "cuda/kernels.h"
#include "device-layout.h"
#include "gpu-bench.h"

namespace {

constexpr size_t batchCounts[] = {1, 4, 16, 64, 128};

/** Times work on a stream of its own. */
class DeviceTimer {
 public:
  explicit DeviceTimer(int device) {
    note(cudaSetDevice(device));
    note(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    note(cudaEventCreate(&start_));
    note(cudaEventCreate(&end_));
    note(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, device));
  }
  ~DeviceTimer() {
    cudaEventDestroy(start_);
    cudaEventDestroy(end_);
    cudaStreamDestroy(stream_);
  }
  DeviceTimer(const DeviceTimer&) = delete;
  DeviceTimer& operator=(const DeviceTimer&) = delete;

  /** Seconds from the first kernel that `queue` starts to the end of the last. */
  template <class Queue>
  double run(Queue queue) {
    note(cudaEventRecord(start_, stream_));
    note(queue(stream_));
    note(cudaEventRecord(end_, stream_));
    note(cudaStreamSynchronize(stream_));
    float milliseconds = 0;
    note(cudaEventElapsedTime(&milliseconds, start_, end_));
    return static_cast<double>(milliseconds) / 1e3;
  }

  /** Fills memory in front of what runs next. */
  void fill(void* memory, int byte, size_t bytes) { note(cudaMemsetAsync(memory, byte, bytes, stream_)); }

  uint32_t multiprocessors() const { return static_cast<uint32_t>(multiprocessors_); }
  cudaError_t error() const { return error_; }

 private:
  void note(cudaError_t next) {
    if (error_ == cudaSuccess) error_ = next;
  }

  cudaStream_t stream_ = nullptr;
  cudaEvent_t start_ = nullptr;
  cudaEvent_t end_ = nullptr;
  int multiprocessors_ = 0;
  cudaError_t error_ = cudaSuccess;
};

/** What would be found if the last run did nothing: no byte of earlier runs or other batches. */
constexpr int nothing = 0xA5;

/** Compares a chunk on the device with `expected`. */
bool isSame(DeviceMemory& memory, const uint8_t* device, const std::vector<uint8_t>& expected) {
  std::vector<uint8_t> bytes(expected.size());
  return memory.fetch(bytes.data(), device, bytes.size()) && bytes == expected;
}

void skipRow(const Report& report, const char* direction, const Weights& weights, size_t count) {
  report.print(direction + weights.element + ": skipped, no memory for " + std::to_string(count) + " chunks");
}

void decodeRow(Report& report, Backend& backend, DeviceTimer& timer, const Weights& weights, size_t count) {
  DeviceMemory memory(backend);
  std::vector<DecodeInput> inputs;
  for (size_t chunk = 0; chunk < count; chunk++) {
    const std::vector<uint8_t>& encoded = weights.encoded[chunk % differentChunks];
    inputs.push_back({{encoded.data(), encoded.size()}, chunkBytes});
  }
  const DecodeLayout layout = layOutDecode(memory, inputs);
  if (!memory.isEnough()) return skipRow(report, "decode ", weights, count);
  const auto run = [&] {
    timer.fill(layout.batch.work, 0, sizeof(DecodeWork));
    return timer.run([&](cudaStream_t stream) { return launchDecode(layout.batch, timer.multiprocessors(), stream); });
  };
  const Rates rates = measure(count * chunkBytes, run);
  for (const uint8_t* const raw : layout.raw) timer.fill(const_cast<uint8_t*>(raw), nothing, chunkBytes);
  run();
  if (timer.error() != cudaSuccess) return report.fail(cudaGetErrorString(timer.error()));
  std::vector<DecodeState> states(count);
  memory.fetch(states.data(), layout.batch.states, count * sizeof(DecodeState));
  for (size_t chunk = 0; chunk < count; chunk++)
    if (states[chunk].verdict != static_cast<int32_t>(Status::ok) ||
        !isSame(memory, layout.raw[chunk], weights.raw[chunk % differentChunks]))
      return report.fail("decode " + weights.element + ": chunk " + std::to_string(chunk) + " of " + std::to_string(count));
  report.printRow(weights, {true, Place::device, 1, count, rates});
}

void encodeRow(Report& report, Backend& backend, DeviceTimer& timer, const Weights& weights, size_t count) {
  DeviceMemory memory(backend);
  std::vector<EncodeInput> inputs;
  for (size_t chunk = 0; chunk < count; chunk++) {
    const std::vector<uint8_t>& raw = weights.raw[chunk % differentChunks];
    inputs.push_back({{raw.data(), raw.size()}, weights.hint, weights.profile});
  }
  const EncodeLayout layout = layOutEncode(memory, inputs);
  if (!memory.isEnough()) return skipRow(report, "encode ", weights, count);
  const auto run = [&] {
    return timer.run([&](cudaStream_t stream) { return launchEncode(layout.batch, stream); });
  };
  const Rates rates = measure(count * chunkBytes, run);
  for (const uint8_t* const encoded : layout.encoded) timer.fill(const_cast<uint8_t*>(encoded), nothing, chunkBytes);
  run();
  if (timer.error() != cudaSuccess) return report.fail(cudaGetErrorString(timer.error()));
  std::vector<EncodeState> states(count);
  memory.fetch(states.data(), layout.batch.states, count * sizeof(EncodeState));
  for (size_t chunk = 0; chunk < count; chunk++) {
    const std::vector<uint8_t>& expected = weights.encoded[chunk % differentChunks];
    if (states[chunk].encodedBytes != expected.size() || !isSame(memory, layout.encoded[chunk], expected))
      return report.fail("encode " + weights.element + ": chunk " + std::to_string(chunk) + " of " + std::to_string(count));
  }
  report.printRow(weights, {false, Place::device, 1, count, rates});
}

}  // namespace

void measureKernels(Report& report, Backend& backend, const Weights& weights) {
  DeviceTimer timer(report.options().device);
  for (const bool isDecode : {true, false})
    for (const size_t count : batchCounts)
      if (!report.hasFailed() && report.wants(weights, {isDecode, Place::device, 1, count, {}}))
        (isDecode ? decodeRow : encodeRow)(report, backend, timer, weights, count);
  if (!backend.fault().empty()) report.fail(backend.fault());
}
