// What data connections report to JavaScript: collected by their threads, taken all at once.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace swarm {

/** Numbers that src/codec/load-addon.ts knows. */
enum class DataEventKind : uint32_t {
  /** The other end has taken the connection. */
  up = 0,
  /** `amount` bytes have come for a request so far. */
  progress = 1,
  /** The last bytes of an answer have come, `amount` in all. Nothing more is written for the request. */
  complete = 2,
  /** The system has all of an answer. Its bytes were needed for the last time before. */
  sent = 3,
  /** The connection is of no more use; `id` is a DataEnd, `amount` errno or 0. Nothing is read or written any more. */
  ended = 4
};

enum class DataEnd : uint32_t {
  /** By the other end. */
  closed = 0,
  /** The system reports an error. */
  broken = 1,
  /** Bytes that the other end did not seal, or that are no record: somebody else's, or damaged. */
  tampered = 2,
  /** A frame of the other end's that repeats, skips or goes beyond its request, or that nobody asked for. */
  malformed = 3
};

struct DataEvent {
  DataEventKind kind;
  uint32_t connection;
  uint32_t id;
  double amount;
};

/** For any thread. */
class DataEvents {
 public:
  /** `wake` is called when there is something to take after there was nothing. */
  explicit DataEvents(std::function<void()> wake) : wake_(std::move(wake)) {}

  void push(const DataEvent& event) {
    bool isFirst = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      isFirst = events_.empty();
      events_.push_back(event);
    }
    if (isFirst) wake_();
  }

  std::vector<DataEvent> take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(events_, {});
  }

 private:
  const std::function<void()> wake_;
  std::mutex mutex_;
  std::vector<DataEvent> events_;
};

}  // namespace swarm
