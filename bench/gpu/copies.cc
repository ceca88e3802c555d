// How fast memory is copied, which bounds all else.
#include <cuda_runtime.h>

#include <chrono>
#include <cstdio>

#include "gpu-bench.h"

namespace {

constexpr size_t deviceCopyBytes = size_t{1} << 30;
constexpr size_t hostCopyBytes = size_t{256} << 20;

/** A stream and memory to copy between; freed at the end of the program's first part. */
struct CopyPlace {
  cudaStream_t stream = nullptr;
  uint8_t* device = nullptr;
  uint8_t* other = nullptr;
  cudaError_t error = cudaSuccess;

  CopyPlace(size_t bytes, bool isOtherPinned) {
    note(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    note(cudaMalloc(&device, bytes));
    note(isOtherPinned ? cudaHostAlloc(&other, bytes, cudaHostAllocDefault) : cudaMalloc(&other, bytes));
    isPinned_ = isOtherPinned;
    // Pages that were never written may not be there yet.
    if (error == cudaSuccess) note(cudaMemset(device, 1, bytes));
    if (error == cudaSuccess) note(cudaMemcpy(other, device, bytes, cudaMemcpyDefault));
  }
  ~CopyPlace() {
    cudaFree(device);
    isPinned_ ? cudaFreeHost(other) : cudaFree(other);
    cudaStreamDestroy(stream);
    cudaGetLastError();  // Whatever failed has been told already, and is not the next launch's.
  }
  CopyPlace(const CopyPlace&) = delete;
  CopyPlace& operator=(const CopyPlace&) = delete;

  void note(cudaError_t next) {
    if (error == cudaSuccess) error = next;
  }

 private:
  bool isPinned_ = false;
};

/** Seconds by the wall clock until the streams have done what `queue` gives them. */
template <class Queue>
double timed(std::initializer_list<CopyPlace*> places, Queue queue) {
  const auto started = std::chrono::steady_clock::now();
  queue();
  for (CopyPlace* const place : places) place->note(cudaStreamSynchronize(place->stream));
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

std::string rateText(const Rates& rates) {
  char text[80];
  std::snprintf(text, sizeof text, "%.1f (%.1f - %.1f) GB/s", rates.median, rates.slowest, rates.fastest);
  return text;
}

std::string rateJson(const char* name, size_t bytes, const Rates& rates) {
  char text[200];
  std::snprintf(text, sizeof text,
                "\"kind\":\"copy\",\"direction\":\"%s\",\"bytes\":%zu,\"gbPerSec\":%.3f,\"slowest\":%.3f,\"fastest\":%.3f",
                name, bytes, rates.median, rates.slowest, rates.fastest);
  return text;
}

void measureDeviceCopy(Report& report) {
  for (size_t bytes = deviceCopyBytes; bytes >= chunkBytes; bytes /= 2) {
    CopyPlace place(bytes, false);
    if (place.error == cudaErrorMemoryAllocation) continue;
    const Rates rates = measure(bytes, [&] {
      return timed({&place}, [&] {
        place.note(cudaMemcpyAsync(place.other, place.device, bytes, cudaMemcpyDeviceToDevice, place.stream));
      });
    });
    if (place.error != cudaSuccess) return report.fail(cudaGetErrorString(place.error));
    report.copyRate = rates.median;
    char both[80];
    std::snprintf(both, sizeof both, "; %.1f read and written", 2 * rates.median);
    return report.print("copy within the device, " + std::to_string(bytes >> 20) + " MiB: " + rateText(rates) + both,
                        rateJson("device", bytes, rates));
  }
  report.fail("the device has no memory for a copy");
}

void measureHostCopies(Report& report) {
  CopyPlace in(hostCopyBytes, true);
  CopyPlace out(hostCopyBytes, true);
  const auto copyIn = [&] {
    in.note(cudaMemcpyAsync(in.device, in.other, hostCopyBytes, cudaMemcpyHostToDevice, in.stream));
  };
  const auto copyOut = [&] {
    out.note(cudaMemcpyAsync(out.other, out.device, hostCopyBytes, cudaMemcpyDeviceToHost, out.stream));
  };
  const Rates inRates = measure(hostCopyBytes, [&] { return timed({&in}, copyIn); });
  const Rates outRates = measure(hostCopyBytes, [&] { return timed({&out}, copyOut); });
  const Rates bothRates = measure(2 * hostCopyBytes, [&] {
    return timed({&in, &out}, [&] {
      copyIn();
      copyOut();
    });
  });
  for (const CopyPlace* place : {&in, &out})
    if (place->error != cudaSuccess) return report.fail(cudaGetErrorString(place->error));
  report.copyInRate = inRates.median;
  report.copyOutRate = outRates.median;
  report.print("copy to the device from pinned memory: " + rateText(inRates), rateJson("in", hostCopyBytes, inRates));
  report.print("copy from the device to pinned memory: " + rateText(outRates), rateJson("out", hostCopyBytes, outRates));
  report.print("both at once, together: " + rateText(bothRates), rateJson("both", 2 * hostCopyBytes, bothRates));
}

}  // namespace

void measureCopies(Report& report) {
  measureDeviceCopy(report);
  if (!report.hasFailed()) measureHostCopies(report);
}
