// What a batch codec needs of a GPU, so that it can be tested without one: memory of two kinds, and an ordered queue of copies and
// kernels. One backend is one queue (a CUDA stream), used by one thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "cuda/decode-batch.h"
#include "cuda/encode-batch.h"

namespace swarm::gpu {

class Backend {
 public:
  virtual ~Backend() = default;

  /** Memory of the device, aligned to at least 256 bytes; null when there is not enough. */
  virtual uint8_t* allocate(size_t bytes) = 0;
  virtual void release(uint8_t* memory) = 0;

  /** Memory of the processor that copies to and from the device are fast with; null when there is not enough. */
  virtual uint8_t* allocatePinned(size_t bytes) = 0;
  virtual void releasePinned(uint8_t* memory) = 0;

  // What follows is queued and happens in this order. After a failure everything fails; see fault().
  virtual void copyIn(uint8_t* device, const uint8_t* pinned, size_t bytes) = 0;
  virtual void copyOut(uint8_t* pinned, const uint8_t* device, size_t bytes) = 0;
  virtual void decode(const DecodeBatch& batch) = 0;
  virtual void encode(const EncodeBatch& batch) = 0;

  /** Waits until all that was queued has happened. False when something failed, or it took longer than `limit`. */
  virtual bool wait(std::chrono::milliseconds limit) = 0;

  /** What failed; empty as long as nothing has. */
  virtual std::string fault() const = 0;
};

/** What a host backend does after `batches` batches. */
struct HostFault {
  enum class Kind { fails, refusesAll };
  uint32_t batches = UINT32_MAX;
  Kind kind = Kind::fails;
};

/** The kernels on the processor: for tests of everything around them. */
std::unique_ptr<Backend> openHostBackend(HostFault fault = {});

struct Device {
  /** As the driver counts those that CUDA_VISIBLE_DEVICES leaves. */
  int index;
  std::string name;
  size_t memoryBytes;
};

/** The GPUs that can be used. Where there are none, `reason` says why in one line. */
struct Devices {
  std::vector<Device> found;
  std::string reason;
};

/** Does not touch the devices further than to ask for their names. */
Devices findDevices();

/** Null with a `reason` when the device cannot be used. */
std::unique_ptr<Backend> openDevice(int index, std::string& reason);

}  // namespace swarm::gpu
