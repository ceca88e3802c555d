// The queue is guarded by one mutex; tasks take milliseconds, so contention for it does not show.
#include "addon/worker-pool.h"

#include <system_error>

namespace swarm {

WorkerPool::WorkerPool(size_t threads, size_t queueMax, CodePath path) : queueMax_(queueMax), path_(path) {
  for (size_t index = 0; index < threads; index++) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      break;  // A limit on processes: fewer threads are slower, not wrong.
    }
  }
}

bool WorkerPool::submit(Task task) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_ || queue_.size() >= queueMax_) return false;
    queue_.push_back(std::move(task));
  }
  changed_.notify_one();
  return true;
}

void WorkerPool::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    queue_.clear();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void WorkerPool::work() {
  Workspace workspace(path_);
  for (;;) {
    Task task;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task(workspace);
  }
}

}  // namespace swarm
