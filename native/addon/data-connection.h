// One data connection: answers go out as sealed records, and what comes is opened straight into the buffers of those who asked.
//
// Two threads: a lane reads and writes the socket, JavaScript says what is expected and what to send. A buffer is touched only under
// the mutex, so that once `forget`, `cancel` or `abandon` has returned, or `complete`, `sent` or `ended` was reported, nobody uses it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "addon/data-events.h"
#include "addon/data-record.h"
#include "addon/unsent-meter.h"

namespace swarm {

struct DataCounters {
  /** Bytes of bodies that came, those for nothing included. */
  uint64_t received = 0;
  /** Bytes of bodies that nobody wanted any more. */
  uint64_t wasted = 0;
  /** Bytes of records that the system took. */
  uint64_t sent = 0;
  /** Bytes of answers and records that it has not taken yet, or the other end has not acknowledged. */
  uint64_t waiting = 0;
};

class DataConnection {
 public:
  /**
   * Takes over the descriptor, of a socket that does not block. With a hello this end dialled: it says that in clear, and is ready when
   * the other end's first record has come. Without one it took the connection, and is ready at once. Frames wait until the other end is.
   */
  DataConnection(uint32_t number, int descriptor, const uint8_t (&sealKey)[aeadKeyBytes],
                 const uint8_t (&openKey)[aeadKeyBytes], std::vector<uint8_t> hello);
  ~DataConnection();
  DataConnection(const DataConnection&) = delete;
  DataConnection& operator=(const DataConnection&) = delete;

  /** An answer may come for `id`, of at most `size` bytes, from `offset` of its chunk on. False: ended, or the id is in use. */
  bool expect(uint32_t id, uint32_t offset, uint8_t* data, size_t size);
  /** The answer is no longer wanted. The bytes that came of it; -1 for one that JavaScript knows to be complete, or was never expected. */
  int64_t forget(uint32_t id);
  /** JavaScript knows that the answer is complete. */
  void told(uint32_t id);
  /** Sends an answer after those that wait; `isShort`: it ends before what was asked for. False: ended. */
  bool send(uint32_t id, uint32_t offset, const uint8_t* data, size_t size, bool isShort);
  /** Stops an answer, at the latest after the record that is on its way. False: all of it was sealed already, or ended. */
  bool cancel(uint32_t id);
  /** Ends without a report. */
  void abandon();
  DataCounters counters();

  // The rest is the lane's.
  int descriptor() const { return descriptor_; }
  /** Whether it waits for the socket to take more. */
  bool wantsToWrite() const { return wantsToWrite_; }
  /** Takes what has come, but not for ever; `scratch` has recordBodyMax bytes. False: ended. */
  bool read(DataEvents& events, uint8_t* scratch);
  /** Sends what waits, as far as the socket takes it and not for ever. False: ended. */
  bool write(DataEvents& events, int64_t nowMs);
  /** Whether bytes have come since the last report of progress. */
  bool hasProgress() const { return hasProgress_; }
  void reportProgress(DataEvents& events);

 private:
  struct Incoming {
    uint32_t offset;
    uint8_t* data;
    size_t size;
    size_t received;
    size_t reported;
    /** All of it has come, which JavaScript does not know yet. */
    bool isComplete;
  };
  struct Outgoing {
    uint32_t id;
    uint32_t offset;
    const uint8_t* data;
    size_t size;
    size_t position;
    bool isShort;
  };

  bool takeRecords(DataEvents& events, uint8_t* scratch);
  bool takeRecord(const uint8_t* sealed, size_t size, DataEvents& events, uint8_t* scratch);
  bool takeUnasked(bool isFrame, size_t bodyBytes, DataEvents& events);
  void waitForBytes();
  bool fill(DataEvents& events);
  bool sealNext(DataEvents& events);
  bool sealRecord(RecordKind kind, const Outgoing& from, size_t size);
  bool end(DataEvents& events, DataEnd reason, int error);
  bool endLocked(DataEvents& events, DataEnd reason, int error);
  void reportLocked(DataEvents& events);
  /** Under the mutex: touches no buffer from now on. */
  void release();
  void limitUnsent(uint64_t bytes, bool isBlocked, int64_t nowMs);

  const uint32_t number_;
  const int descriptor_;
  const bool isDialler_;

  // Of the lane alone.
  RecordCipher sealing_;
  RecordCipher opening_;
  const std::unique_ptr<uint8_t[]> in_;
  size_t inBytes_ = 0;
  int bytesWaitedFor_ = 1;
  const std::unique_ptr<uint8_t[]> out_;
  size_t outPosition_ = 0;
  size_t outBytes_ = 0;
  bool wantsToWrite_ = false;
  bool hasProgress_ = false;
  /** This end is ready, and has not said so. */
  bool owesReady_;
  /** Records since the last frame that somebody wanted, and which cost the other end nothing. */
  size_t idleRecords_ = 0;
  /** The answer whose last record is the last in out_. */
  bool finishes_ = false;
  uint32_t finished_ = 0;
  UnsentMeter unsent_;

  std::mutex mutex_;
  bool ended_ = false;
  /** The other end is ready. */
  bool isUp_ = false;
  /** Bytes that are sealed, and not with the system. */
  uint64_t sealed_ = 0;
  std::unordered_map<uint32_t, Incoming> incoming_;
  std::deque<Outgoing> outgoing_;
  /** Bytes that may still come for answers that are no longer wanted. */
  uint64_t allowance_ = 0;
  DataCounters counters_;
};

}  // namespace swarm
