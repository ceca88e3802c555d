#include <new>

#include "cuda/backend.h"
#include "cuda/host-warp.h"

namespace swarm::gpu {

namespace {

constexpr auto alignment = std::align_val_t{256};

class HostBackend : public Backend {
 public:
  explicit HostBackend(HostFault fault) : next_(fault) {}

  uint8_t* allocate(size_t bytes) override { return static_cast<uint8_t*>(operator new(bytes, alignment, std::nothrow)); }
  void release(uint8_t* memory) override { operator delete(memory, alignment); }
  uint8_t* allocatePinned(size_t bytes) override { return allocate(bytes); }
  void releasePinned(uint8_t* memory) override { release(memory); }
  void copyIn(uint8_t* device, const uint8_t* pinned, size_t bytes) override { std::memcpy(device, pinned, bytes); }
  void copyOut(uint8_t* pinned, const uint8_t* device, size_t bytes) override { std::memcpy(pinned, device, bytes); }
  void decode(const DecodeBatch& batch) override {
    const bool isFaulty = !run(batch);
    if (isFaulty && next_.kind == HostFault::Kind::refusesAll)
      for (uint32_t chunk = 0; chunk < batch.count; chunk++)
        batch.states[chunk].verdict = static_cast<int32_t>(Status::checksum);
  }
  void encode(const EncodeBatch& batch) override { run(batch); }
  bool wait(std::chrono::milliseconds) override { return fault_.empty(); }
  std::string fault() const override { return fault_; }

 private:
  /** False when the fault is due. */
  template <class Batch>
  bool run(const Batch& batch) {
    if (next_.batches == 0) {
      if (next_.kind == HostFault::Kind::fails) fault_ = "the host backend was told to fail";
      return false;
    }
    next_.batches--;
    runOnHost(batch);
    return true;
  }

  HostFault next_;
  std::string fault_;
};

}  // namespace

std::unique_ptr<Backend> openHostBackend(HostFault fault) { return std::make_unique<HostBackend>(fault); }

}  // namespace swarm::gpu
