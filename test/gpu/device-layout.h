// Batches laid out in a device's memory with an allocation of its own for each piece, exactly as large as decode-batch.h and
// encode-batch.h ask for: so that compute-sanitizer sees what is read or written behind one, and for measuring kernels alone.
#pragma once

#include <vector>

#include "cuda/backend.h"

namespace swarm::gpu {

/** Memory of a device that goes back with this object. */
class DeviceMemory {
 public:
  explicit DeviceMemory(Backend& backend) : backend_(backend) {}
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  /** Null when there is not enough; never for a count of 0. */
  template <class T>
  T* take(size_t count) {
    return reinterpret_cast<T*>(takeBytes(count * sizeof(T)));
  }

  /** The same with bytes in it. Waits, so that these may go. */
  template <class T>
  T* send(const T* items, size_t count) {
    return reinterpret_cast<T*>(sendBytes(reinterpret_cast<const uint8_t*>(items), count * sizeof(T)));
  }

  /** Waits for what was queued, and copies `bytes` to the processor's memory. False after a failure. */
  bool fetch(void* to, const void* from, size_t bytes);

  /** Whether everything that was taken was there. */
  bool isEnough() const { return isEnough_; }

 private:
  uint8_t* takeBytes(size_t bytes);
  uint8_t* sendBytes(const uint8_t* from, size_t bytes);

  Backend& backend_;
  std::vector<uint8_t*> taken_;
  bool isEnough_ = true;
};

/** `rawBytes`: the size that the chunk is expected to have. */
struct DecodeInput {
  ByteSpan encoded;
  size_t rawBytes;
};

struct EncodeInput {
  ByteSpan raw;
  Element hint;
  Profile profile;
};

/** A batch on the device, and where the results of each chunk will be there. Without a meaning unless memory.isEnough(). */
struct DecodeLayout {
  DecodeBatch batch;
  std::vector<const uint8_t*> raw;
};

struct EncodeLayout {
  EncodeBatch batch;
  std::vector<const uint8_t*> encoded;
};

/** `batch.work` starts with zero counts, as every decoding of it needs. */
DecodeLayout layOutDecode(DeviceMemory& memory, const std::vector<DecodeInput>& inputs);
EncodeLayout layOutEncode(DeviceMemory& memory, const std::vector<EncodeInput>& inputs);

}  // namespace swarm::gpu
