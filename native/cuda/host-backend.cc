#include <new>

#include "cuda/backend.h"
#include "cuda/host-warp.h"

namespace swarm::gpu {

namespace {

constexpr auto alignment = std::align_val_t{256};

class HostBackend : public Backend {
 public:
  uint8_t* allocate(size_t bytes) override { return static_cast<uint8_t*>(operator new(bytes, alignment, std::nothrow)); }
  void release(uint8_t* memory) override { operator delete(memory, alignment); }
  uint8_t* allocatePinned(size_t bytes) override { return allocate(bytes); }
  void releasePinned(uint8_t* memory) override { release(memory); }
  void copyIn(uint8_t* device, const uint8_t* pinned, size_t bytes) override { std::memcpy(device, pinned, bytes); }
  void copyOut(uint8_t* pinned, const uint8_t* device, size_t bytes) override { std::memcpy(pinned, device, bytes); }
  void decode(const DecodeBatch& batch) override { runOnHost(batch); }
  void encode(const EncodeBatch& batch) override { runOnHost(batch); }
  bool wait(std::chrono::milliseconds) override { return true; }
  std::string fault() const override { return ""; }
};

}  // namespace

std::unique_ptr<Backend> openHostBackend() { return std::make_unique<HostBackend>(); }

}  // namespace swarm::gpu
