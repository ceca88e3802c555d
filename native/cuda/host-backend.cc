#include <new>

#include "cuda/backend.h"
#include "cuda/host-warp.h"

namespace swarm::gpu {

namespace {

constexpr auto alignment = std::align_val_t{256};

class HostBackend : public Backend {
 public:
  explicit HostBackend(uint32_t batchesMax) : batchesLeft_(batchesMax) {}

  uint8_t* allocate(size_t bytes) override { return static_cast<uint8_t*>(operator new(bytes, alignment, std::nothrow)); }
  void release(uint8_t* memory) override { operator delete(memory, alignment); }
  uint8_t* allocatePinned(size_t bytes) override { return allocate(bytes); }
  void releasePinned(uint8_t* memory) override { release(memory); }
  void copyIn(uint8_t* device, const uint8_t* pinned, size_t bytes) override { std::memcpy(device, pinned, bytes); }
  void copyOut(uint8_t* pinned, const uint8_t* device, size_t bytes) override { std::memcpy(pinned, device, bytes); }
  void decode(const DecodeBatch& batch) override { run(batch); }
  void encode(const EncodeBatch& batch) override { run(batch); }
  bool wait(std::chrono::milliseconds) override { return fault_.empty(); }
  std::string fault() const override { return fault_; }

 private:
  template <class Batch>
  void run(const Batch& batch) {
    if (batchesLeft_ == 0) {
      fault_ = "the host backend was told to fail";
      return;
    }
    batchesLeft_--;
    runOnHost(batch);
  }

  uint32_t batchesLeft_;
  std::string fault_;
};

}  // namespace

std::unique_ptr<Backend> openHostBackend(uint32_t batchesMax) { return std::make_unique<HostBackend>(batchesMax); }

}  // namespace swarm::gpu
