// Decodes and encodes batches of chunks on a backend: where everything lies in its memory, and what is copied when. The memory
// is kept from batch to batch and grows with them, up to a limit.
#pragma once

#include "cuda/backend.h"

namespace swarm::gpu {

/** A chunk to decode. `status` is set where the batch was done. */
struct DecodeJob {
  ByteSpan encoded;
  size_t rawBytes;
  Status status;
  /** The decoded bytes, in memory of the batch codec; valid until its next call. Null with a target. */
  const uint8_t* raw;
  /**
   * Null, or where the decoded bytes go and stay: memory of the device, aligned to 16 bytes, the caller's. What is written there is
   * right only once `status` says so; nothing is written behind `rawBytes`.
   */
  uint8_t* target = nullptr;
};

/** A chunk to encode. */
struct EncodeJob {
  ByteSpan raw;
  Element hint;
  Profile profile;
  EncodeResult result;
  /** The encoded bytes, in memory of the batch codec; valid until its next call. */
  const uint8_t* encoded;
};

enum class BatchOutcome {
  done,
  /** There is no memory for so many; nothing else is wrong. */
  tooLarge,
  /** The device is not to be used any more; see Backend::fault. */
  failed,
};

class BatchCodec {
 public:
  /** Nothing is allocated yet. `limit`: for how long a batch may take before the device counts as hung. */
  BatchCodec(std::unique_ptr<Backend> backend, std::chrono::milliseconds limit);
  ~BatchCodec();
  BatchCodec(const BatchCodec&) = delete;
  BatchCodec& operator=(const BatchCodec&) = delete;

  /** Chunks of codec raw and ans; zstd gets Status::codec. */
  BatchOutcome decode(DecodeJob* jobs, size_t count);

  /** As encodeAns. Chunks of more than rawBytesMax are not allowed. */
  BatchOutcome encode(EncodeJob* jobs, size_t count);

  std::string fault() const { return backend_->fault(); }

 private:
  /** A piece of memory that grows. */
  struct Block {
    uint8_t* start = nullptr;
    size_t bytes = 0;
  };

  bool reserve(Block& block, size_t bytes, bool isPinned);
  bool loadTables();
  /** Memory for a batch, and the constants. */
  BatchOutcome makeRoom(size_t in, size_t out, size_t scratch);
  /** Copies bytes to what goes in; they are on their way to the device while the next are copied. */
  void send(size_t place, ByteSpan bytes);

  std::unique_ptr<Backend> backend_;
  std::chrono::milliseconds limit_;
  bool failed_ = false;
  bool isLoaded_ = false;
  Block tables_;
  /** What goes in, what comes out, and what stays on the device. */
  Block deviceIn_;
  Block deviceOut_;
  Block deviceScratch_;
  Block pinnedIn_;
  Block pinnedOut_;
};

}  // namespace swarm::gpu
