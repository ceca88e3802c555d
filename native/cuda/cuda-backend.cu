// GPUs by CUDA's runtime, linked statically: without a driver its first call says so, and nothing else happens.
#include <cuda_runtime.h>

#include <new>
#include <thread>
#include <unordered_set>

#include "cuda/backend.h"
#include "cuda/kernels.h"

namespace swarm::gpu {

namespace {

/** The oldest whose instructions the kernels use. */
constexpr int computeMajorMin = 8;
/** How long to sleep between looks at a batch, which takes milliseconds. */
constexpr auto pollInterval = std::chrono::microseconds(50);

std::string driverVersion() {
  int version = 0;
  cudaDriverGetVersion(&version);
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string describe(cudaError_t error) {
  switch (error) {
    case cudaErrorInsufficientDriver:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice: {
      int version = 0;
      cudaDriverGetVersion(&version);
      if (version == 0) return "no NVIDIA driver is installed";
      constexpr int needed = CUDART_VERSION / 1000;
      return "the NVIDIA driver does not fit: it supports CUDA " + driverVersion() + ", this build needs CUDA " +
             std::to_string(needed) + " (driver " + (needed >= 13 ? "580" : "525") + " or newer)";
    }
    case cudaErrorNoDevice: return "the driver sees no GPU (CUDA_VISIBLE_DEVICES may hide it)";
    default: return std::string(cudaGetErrorName(error)) + ": " + cudaGetErrorString(error);
  }
}

class CudaBackend : public Backend {
 public:
  explicit CudaBackend(int device) : device_(device) {
    note(cudaSetDevice(device_));
    note(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    note(cudaEventCreateWithFlags(&reached_, cudaEventDisableTiming));
    int multiprocessors = 0;
    note(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device_));
    multiprocessors_ = static_cast<uint32_t>(multiprocessors);
  }

  ~CudaBackend() override {
    // Waiting for a device that hangs would hang this program too.
    if (!fault_.empty()) return;
    use();
    cudaEventDestroy(reached_);
    cudaStreamDestroy(stream_);
  }

  uint8_t* allocate(size_t bytes) override {
    void* memory = nullptr;
    if (!use() || !isObtained(cudaMalloc(&memory, bytes))) return nullptr;
    return static_cast<uint8_t*>(memory);
  }

  uint8_t* allocatePinned(size_t bytes) override {
    void* memory = nullptr;
    if (!use()) return nullptr;
    if (isObtained(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault))) return static_cast<uint8_t*>(memory);
    if (!fault_.empty()) return nullptr;
    // A limit on locked memory: copies from and to other memory are slower, and as good.
    auto* const pageable = new (std::nothrow) uint8_t[bytes];
    if (pageable != nullptr) pageable_.insert(pageable);
    return pageable;
  }

  void release(uint8_t* memory) override {
    if (use()) note(cudaFree(memory));
  }

  void releasePinned(uint8_t* memory) override {
    if (pageable_.erase(memory) != 0)
      delete[] memory;
    else if (use())
      note(cudaFreeHost(memory));
  }

  void copyIn(uint8_t* device, const uint8_t* pinned, size_t bytes) override {
    if (use()) note(cudaMemcpyAsync(device, pinned, bytes, cudaMemcpyHostToDevice, stream_));
  }

  void copyOut(uint8_t* pinned, const uint8_t* device, size_t bytes) override {
    if (use()) note(cudaMemcpyAsync(pinned, device, bytes, cudaMemcpyDeviceToHost, stream_));
  }

  void decode(const DecodeBatch& batch) override {
    if (use()) note(launchDecode(batch, multiprocessors_, stream_));
  }

  void encode(const EncodeBatch& batch) override {
    if (use()) note(launchEncode(batch, stream_));
  }

  bool wait(std::chrono::milliseconds limit) override {
    if (!use() || !note(cudaEventRecord(reached_, stream_))) return false;
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
      const cudaError_t state = cudaEventQuery(reached_);
      if (state == cudaSuccess) return true;
      if (state != cudaErrorNotReady) return note(state);
      if (std::chrono::steady_clock::now() >= deadline) {
        fault_ = "the GPU did not finish a batch within " + std::to_string(limit.count() / 1000) + " s";
        return false;
      }
      std::this_thread::sleep_for(pollInterval);
    }
  }

  std::string fault() const override { return fault_; }

 private:
  /** Whether the device may still be asked for something; makes it the calling thread's. */
  bool use() { return fault_.empty() && note(cudaSetDevice(device_)); }

  bool note(cudaError_t error) {
    if (error != cudaSuccess && fault_.empty()) fault_ = describe(error);
    return error == cudaSuccess;
  }

  /** False without a fault: memory is short. */
  bool isObtained(cudaError_t error) {
    if (error != cudaErrorMemoryAllocation) return note(error);
    cudaGetLastError();  // It would be reported again by the next launch.
    return false;
  }

  const int device_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t reached_ = nullptr;
  uint32_t multiprocessors_ = 0;
  std::string fault_;
  std::unordered_set<uint8_t*> pageable_;
};

}  // namespace

Devices findDevices() {
  Devices devices;
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) return {{}, describe(error)};
  for (int index = 0; index < count; index++) {
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, index) != cudaSuccess) continue;
    if (properties.major < computeMajorMin) {
      devices.reason = std::string(properties.name) + " is too old (compute capability " + std::to_string(properties.major) +
                       "." + std::to_string(properties.minor) + ", 8.0 is needed)";
      continue;
    }
    devices.found.push_back({index, properties.name, properties.totalGlobalMem});
  }
  if (devices.found.empty() && devices.reason.empty()) devices.reason = describe(cudaErrorNoDevice);
  return devices;
}

std::unique_ptr<Backend> openDevice(int index, std::string& reason) {
  auto backend = std::make_unique<CudaBackend>(index);
  reason = backend->fault();
  if (!reason.empty()) return nullptr;
  return backend;
}

}  // namespace swarm::gpu
