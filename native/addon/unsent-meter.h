// How much the system may queue of what a socket cannot send yet: what the connection sends in a moment. The rules are those of
// src/exchange/unsent-limit.ts, for sockets that JavaScript does not see.
#pragma once

#include <algorithm>
#include <cstdint>

namespace swarm {

class UnsentMeter {
 public:
  /** Counts bytes that the system took; `isBlocked`: it takes no more for now. The limit to set in bytes, 0 to leave it. */
  uint32_t sent(uint64_t bytes, bool isBlocked, int64_t nowMs) {
    if (nowMs - sinceMs_ > pauseMs) begin(nowMs);
    bytes_ += bytes;
    isBlocked_ = isBlocked_ || isBlocked;
    const int64_t elapsedMs = nowMs - sinceMs_;
    if (elapsedMs < periodMs) return 0;
    const uint64_t wanted = bytes_ * unsentMs / static_cast<uint64_t>(elapsedMs);
    inAMoment_ = wanted;
    // A connection that was never full sends what it is given: that may call for more, never for less.
    const bool counts = wanted > limit_ || isBlocked_;
    begin(nowMs);
    const uint64_t limit = std::min(unsentMax, std::max(unsentMin, wanted));
    const bool isAlike = limit * 4 < limit_ * 5 && limit * 5 > limit_ * 4;
    if (!counts || isAlike) return 0;
    limit_ = limit;
    return static_cast<uint32_t>(limit);
  }

  /** What the connection sent in 40 ms, measured not long ago; 0 at first. */
  uint64_t bytesInAMoment() const { return inAMoment_; }

 private:
  static constexpr int64_t periodMs = 250;
  static constexpr int64_t pauseMs = 4 * periodMs;
  static constexpr uint64_t unsentMs = 40;
  static constexpr uint64_t unsentMin = 32 * 1024;
  static constexpr uint64_t unsentMax = 4096 * 1024;

  void begin(int64_t nowMs) {
    sinceMs_ = nowMs;
    bytes_ = 0;
    isBlocked_ = false;
  }

  uint64_t limit_ = unsentMax;
  int64_t sinceMs_ = -pauseMs - 1;
  uint64_t bytes_ = 0;
  uint64_t inAMoment_ = 0;
  bool isBlocked_ = false;
};

}  // namespace swarm
