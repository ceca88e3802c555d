// Threads that hand chunks to GPUs, one for each queue of a device. What a device gives back, threads of the worker pool put where
// it belongs, so that the device works on while files are written. Knows nothing of Node.
#pragma once

#include <condition_variable>
#include <deque>
#include <string>
#include <thread>

#include "addon/worker-pool.h"
#include "cuda/batch-codec.h"

namespace swarm {

/** What a device made of a chunk. */
struct DeviceResult {
  /** Valid during the call. Null when the processor has to do the work. */
  const uint8_t* bytes;
  /** The device says that the chunk is broken, which the processor has to confirm. */
  bool isRefused;
  /** Of an encoded chunk. */
  EncodeResult encoded;
};

/** A chunk to decode or encode. `input` stays valid until `finish` is called: once, on a thread of the worker pool or a device. */
struct DeviceTask {
  bool isEncode;
  ByteSpan input;
  size_t rawBytes;
  Element hint;
  Profile profile;
  std::function<void(Workspace&, const DeviceResult&)> finish;
};

class DevicePool {
 public:
  /** `batchBytes`: raw bytes of a batch at most; more than that wait for the next. `limit`: see gpu::BatchCodec. */
  DevicePool(WorkerPool& workers, CodePath path, std::vector<std::unique_ptr<gpu::Backend>> backends, size_t batchBytes,
             std::chrono::milliseconds limit);
  ~DevicePool() { stop(); }
  DevicePool(const DevicePool&) = delete;
  DevicePool& operator=(const DevicePool&) = delete;

  /** Queues a task. False when no device takes tasks any more: the caller does the work itself. */
  bool submit(DeviceTask task);

  /** No further tasks are taken, and the processor does those that wait. `reason` is what takeFault() says, unless it is empty. */
  void retire(const std::string& reason);

  /** Why devices were given up, once; else empty. One that fails has all given up; one that lacks memory only itself. */
  std::string takeFault();

  /** Drops the tasks that wait, finishes those under way, ends the threads. The worker pool must still run. May be called again. */
  void stop();

 private:
  void work(gpu::BatchCodec& codec);
  bool takeBatch(size_t bytesMax, std::vector<DeviceTask>& batch);
  void putBack(std::vector<DeviceTask>& batch);
  void finishAll(std::vector<DeviceTask>& batch, const std::vector<DeviceResult>& results);
  void leave(std::vector<DeviceTask>& batch, const std::string& reason);

  WorkerPool& workers_;
  const CodePath path_;
  const size_t batchBytes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<DeviceTask> queue_;
  bool stopping_ = false;
  bool retired_ = false;
  size_t running_ = 0;
  std::string fault_;
  std::vector<std::unique_ptr<gpu::BatchCodec>> codecs_;
  std::vector<std::thread> threads_;
};

}  // namespace swarm
