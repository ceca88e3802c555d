// Threads that run tasks in the order in which they were submitted. Knows nothing of Node.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "codec.h"

namespace swarm {

class WorkerPool {
 public:
  using Task = std::function<void(Workspace&)>;

  /** Starts up to `threads` threads; fewer where the system grants no more. At most `queueMax` tasks wait. */
  WorkerPool(size_t threads, size_t queueMax, CodePath path);
  ~WorkerPool() { stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /** How many threads run; 0 when none could be started or after stop(). */
  size_t threadCount() const { return threads_.size(); }

  /** Queues a task. False when the queue is full or the pool has stopped. */
  bool submit(Task task);

  /** Drops the tasks that wait, finishes those that run, ends the threads. May be called again. */
  void stop();

 private:
  void work();

  const size_t queueMax_;
  const CodePath path_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace swarm
