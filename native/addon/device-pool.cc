// The queue is shared by all devices, so that a fast one takes more of it; a batch is what waits when a device becomes free.
#include "addon/device-pool.h"

#include <system_error>
#include <utility>

namespace swarm {

namespace {

/** Chunks of a batch at most: more do not make a device faster. */
constexpr size_t batchChunksMax = 64;

constexpr DeviceResult forProcessor = {nullptr, false, {Status::ok, 0, ChunkCodec::raw, 0}};

std::vector<DeviceResult> decodeBatch(gpu::BatchCodec& codec, const std::vector<DeviceTask>& batch,
                                      gpu::BatchOutcome& outcome) {
  std::vector<gpu::DecodeJob> jobs;
  for (const DeviceTask& task : batch) jobs.push_back({task.input, task.rawBytes, Status::ok, nullptr, nullptr});
  outcome = codec.decode(jobs.data(), jobs.size());
  std::vector<DeviceResult> results;
  for (const gpu::DecodeJob& job : jobs) {
    const bool isRight = job.status == Status::ok;
    results.push_back({isRight ? job.raw : nullptr, !isRight, forProcessor.encoded});
  }
  return results;
}

std::vector<DeviceResult> encodeBatch(gpu::BatchCodec& codec, const std::vector<DeviceTask>& batch,
                                      gpu::BatchOutcome& outcome) {
  std::vector<gpu::EncodeJob> jobs;
  for (const DeviceTask& task : batch) jobs.push_back({task.input, task.hint, task.profile, {}, nullptr});
  outcome = codec.encode(jobs.data(), jobs.size());
  std::vector<DeviceResult> results;
  for (const gpu::EncodeJob& job : jobs) results.push_back({job.encoded, false, job.result});
  return results;
}

}  // namespace

DevicePool::DevicePool(WorkerPool& workers, CodePath path, std::vector<std::unique_ptr<gpu::Backend>> backends,
                       size_t batchBytes, std::chrono::milliseconds limit)
    : workers_(workers), path_(path), batchBytes_(batchBytes) {
  for (std::unique_ptr<gpu::Backend>& backend : backends)
    codecs_.push_back(std::make_unique<gpu::BatchCodec>(std::move(backend), limit));
  running_ = codecs_.size();
  for (const std::unique_ptr<gpu::BatchCodec>& codec : codecs_) {
    try {
      threads_.emplace_back([this, &codec] { work(*codec); });
    } catch (const std::system_error&) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (--running_ == 0) retired_ = true;
    }
  }
}

bool DevicePool::submit(DeviceTask task) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_ || retired_) return false;
    queue_.push_back(std::move(task));
  }
  changed_.notify_one();
  return true;
}

void DevicePool::retire(const std::string& reason) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!retired_) fault_ = reason;
    retired_ = true;
  }
  changed_.notify_all();
}

std::string DevicePool::takeFault() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(fault_, std::string());
}

void DevicePool::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    queue_.clear();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

/** Waits for tasks and takes those of one kind. False when no more are to be taken. */
bool DevicePool::takeBatch(size_t bytesMax, std::vector<DeviceTask>& batch) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || retired_ || !queue_.empty(); });
  if (stopping_ || retired_) return false;
  size_t bytes = 0;
  do {
    bytes += queue_.front().rawBytes;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  } while (!queue_.empty() && batch.size() < batchChunksMax && queue_.front().isEncode == batch.front().isEncode &&
           bytes + queue_.front().rawBytes <= bytesMax);
  return true;
}

void DevicePool::putBack(std::vector<DeviceTask>& batch) {
  const std::lock_guard<std::mutex> lock(mutex_);
  while (!batch.empty()) {
    queue_.push_front(std::move(batch.back()));
    batch.pop_back();
  }
}

/** Has workers finish all tasks of a batch, and waits for them: the results lie in memory that the next batch uses. */
void DevicePool::finishAll(std::vector<DeviceTask>& batch, const std::vector<DeviceResult>& results) {
  std::mutex mutex;
  std::condition_variable finished;
  size_t left = batch.size();
  for (size_t index = 0; index < batch.size(); index++) {
    const auto finish = [&, index](Workspace& workspace) {
      batch[index].finish(workspace, results[index]);
      const std::lock_guard<std::mutex> lock(mutex);
      if (--left == 0) finished.notify_one();
    };
    if (workers_.submit(finish)) continue;
    Workspace own(path_);
    finish(own);
  }
  std::unique_lock<std::mutex> lock(mutex);
  finished.wait(lock, [&] { return left == 0; });
  batch.clear();
}

/** The calling thread's queue is given up: the processor does its batch and, where no queue takes it, all that waits. */
void DevicePool::leave(std::vector<DeviceTask>& batch, const std::string& reason) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--running_ == 0) {
      if (!retired_) fault_ = reason;
      retired_ = true;
    }
    if (retired_) {
      for (DeviceTask& task : queue_) batch.push_back(std::move(task));
      queue_.clear();
    }
  }
  finishAll(batch, std::vector<DeviceResult>(batch.size(), forProcessor));
}

void DevicePool::work(gpu::BatchCodec& codec) {
  size_t bytesMax = batchBytes_;
  std::vector<DeviceTask> batch;
  while (takeBatch(bytesMax, batch)) {
    gpu::BatchOutcome outcome = gpu::BatchOutcome::failed;
    const std::vector<DeviceResult> results =
        batch.front().isEncode ? encodeBatch(codec, batch, outcome) : decodeBatch(codec, batch, outcome);
    if (outcome == gpu::BatchOutcome::done) {
      finishAll(batch, results);
    } else if (outcome == gpu::BatchOutcome::failed) {
      // Other queues of the device are likely to fail too, and one that hangs would keep its batch for long.
      retire(codec.fault());
      break;
    } else if (batch.size() == 1) {
      return leave(batch, "its memory is too short for a chunk");
    } else {
      bytesMax /= 2;
      putBack(batch);
    }
  }
  leave(batch, std::string());
}

}  // namespace swarm
