#include "addon/data-connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/sockios.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace swarm {

namespace {

/** So much of one connection at a time; the others of a lane have their turn then. */
constexpr size_t turnBytes = 1024 * 1024;
/** Two records, so that a read seldom ends within the first. */
constexpr size_t inBytesMax = 2 * recordBytesMax;
/** Linux holds the receive window at the number waited for, if that is more than a good part of its buffer. */
constexpr size_t receiveBufferParts = 8;
/** So many records in a row may be of later kinds, or empty frames that nobody asked for. */
constexpr size_t idleRecordsMax = 1000;
/** A connection on which nothing is acknowledged is dead after a minute; one on which nothing happens is tried after 15 s. */
constexpr int deadAfterMs = 60'000;
constexpr int idleSeconds = 15;
constexpr int probeSeconds = 5;
constexpr int probesMax = 3;
/** Records that leave together where a connection sends as many in a moment: fewer calls, and fewer wakes of the other end. */
constexpr size_t recordsTogetherMax = 4;
constexpr size_t outBytesMax = recordsTogetherMax * recordBytesMax;

void setOption(int descriptor, int level, int option, int value) {
  // Each only makes things faster; a system that knows none of them still works.
  (void)setsockopt(descriptor, level, option, &value, sizeof value);
}

}  // namespace

DataConnection::DataConnection(uint32_t number, int descriptor, const uint8_t (&sealKey)[aeadKeyBytes],
                               const uint8_t (&openKey)[aeadKeyBytes], std::vector<uint8_t> hello)
    : number_(number),
      descriptor_(descriptor),
      isDialler_(!hello.empty()),
      sealing_(true, sealKey),
      opening_(false, openKey),
      // Not set to anything: memory of connections that move little is never touched.
      in_(new uint8_t[inBytesMax]),
      out_(new uint8_t[std::max(outBytesMax, hello.size())]),
      outBytes_(hello.size()),
      owesReady_(hello.empty()) {
  std::copy(hello.begin(), hello.end(), out_.get());
  setOption(descriptor_, IPPROTO_TCP, TCP_NODELAY, 1);
  setOption(descriptor_, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef __linux__
  setOption(descriptor_, IPPROTO_TCP, TCP_KEEPIDLE, idleSeconds);
  setOption(descriptor_, IPPROTO_TCP, TCP_KEEPINTVL, probeSeconds);
  setOption(descriptor_, IPPROTO_TCP, TCP_KEEPCNT, probesMax);
  setOption(descriptor_, IPPROTO_TCP, TCP_USER_TIMEOUT, deadAfterMs);
#endif
}

DataConnection::~DataConnection() { close(descriptor_); }

bool DataConnection::expect(uint32_t id, uint32_t offset, uint8_t* data, size_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return !ended_ && incoming_.emplace(id, Incoming{offset, data, size, 0, 0, false}).second;
}

int64_t DataConnection::forget(uint32_t id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = incoming_.find(id);
  if (found == incoming_.end()) return -1;
  const Incoming answer = found->second;
  incoming_.erase(found);
  if (!answer.isComplete) allowance_ += answer.size - answer.received;
  return static_cast<int64_t>(answer.received);
}

void DataConnection::told(uint32_t id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = incoming_.find(id);
  if (found != incoming_.end() && found->second.isComplete) incoming_.erase(found);
}

bool DataConnection::send(uint32_t id, uint32_t offset, const uint8_t* data, size_t size, bool isShort) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (ended_) return false;
  outgoing_.push_back({id, offset, data, size, 0, isShort});
  counters_.waiting += size;
  return true;
}

bool DataConnection::cancel(uint32_t id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found =
      std::find_if(outgoing_.begin(), outgoing_.end(), [id](const Outgoing& each) { return each.id == id; });
  if (found == outgoing_.end()) return false;
  counters_.waiting -= found->size - found->position;
  outgoing_.erase(found);
  return true;
}

void DataConnection::abandon() {
  const std::lock_guard<std::mutex> lock(mutex_);
  release();
}

void DataConnection::release() {
  ended_ = true;
  incoming_.clear();
  outgoing_.clear();
  counters_.waiting = 0;
  sealed_ = 0;
}

DataCounters DataConnection::counters() {
  int unacknowledged = 0;
#ifdef SIOCOUTQ
  if (ioctl(descriptor_, SIOCOUTQ, &unacknowledged) != 0) unacknowledged = 0;
#endif
  const std::lock_guard<std::mutex> lock(mutex_);
  DataCounters counters = counters_;
  counters.waiting += sealed_ + static_cast<uint64_t>(unacknowledged);
  return counters;
}

bool DataConnection::read(DataEvents& events, uint8_t* scratch) {
  for (size_t taken = 0; taken < turnBytes;) {
    const size_t room = inBytesMax - inBytes_;
    const ssize_t got = recv(descriptor_, in_.get() + inBytes_, room, 0);
    if (got == 0) return end(events, DataEnd::closed, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (got < 0) return end(events, DataEnd::broken, errno);
    inBytes_ += static_cast<size_t>(got);
    taken += static_cast<size_t>(got);
    if (!takeRecords(events, scratch)) return false;
    if (static_cast<size_t>(got) < room) break;
  }
  waitForBytes();
  return true;
}

bool DataConnection::takeRecords(DataEvents& events, uint8_t* scratch) {
  size_t position = 0;
  while (inBytes_ - position >= recordLengthBytes) {
    const uint8_t* const record = in_.get() + position;
    const size_t size = loadBigEndian(record);
    if (size < recordSealedMin || size > recordSealedMax) return end(events, DataEnd::tampered, 0);
    if (inBytes_ - position < recordLengthBytes + size) break;
    if (!takeRecord(record + recordLengthBytes, size, events, scratch)) return false;
    position += recordLengthBytes + size;
  }
  inBytes_ -= position;
  if (position > 0) std::memmove(in_.get(), in_.get() + position, inBytes_);
  return true;
}

bool DataConnection::takeRecord(const uint8_t* sealed, size_t size, DataEvents& events, uint8_t* scratch) {
  RecordHeader header;
  if (!opening_.openHeader(sealed, header)) return end(events, DataEnd::tampered, 0);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (ended_) return false;
  const size_t bodyBytes = size - recordSealedMin;
  const bool isFrame = header.kind == static_cast<uint32_t>(RecordKind::frame);
  const auto found = isFrame ? incoming_.find(header.id) : incoming_.end();
  Incoming* const target = found == incoming_.end() || found->second.isComplete ? nullptr : &found->second;
  const bool fits = target != nullptr && header.offset == target->offset + target->received &&
                    bodyBytes <= target->size - target->received;
  uint8_t* const body = fits ? target->data + target->received : scratch;
  if (!opening_.openBody(sealed, bodyBytes, body)) return endLocked(events, DataEnd::tampered, 0);
  if (!isUp_) {
    isUp_ = true;
    owesReady_ = owesReady_ || isDialler_;
    wantsToWrite_ = true;
    events.push({DataEventKind::up, number_, 0, 0});
  }
  counters_.received += bodyBytes;
  if (target == nullptr) return takeUnasked(isFrame, bodyBytes, events);
  idleRecords_ = 0;
  if (!fits) return endLocked(events, DataEnd::malformed, 0);
  target->received += bodyBytes;
  hasProgress_ = true;
  if (bodyBytes > 0 && target->received < target->size) return true;
  target->isComplete = true;
  events.push({DataEventKind::complete, number_, header.id, static_cast<double>(target->received)});
  return true;
}

/** Under the mutex: a record that nobody waits for. Kinds from a later version mean nothing to this one. False: ended. */
bool DataConnection::takeUnasked(bool isFrame, size_t bodyBytes, DataEvents& events) {
  counters_.wasted += bodyBytes;
  const bool isPaid = isFrame && bodyBytes > 0;
  if (!isPaid) return ++idleRecords_ <= idleRecordsMax || endLocked(events, DataEnd::malformed, 0);
  if (bodyBytes > allowance_) return endLocked(events, DataEnd::malformed, 0);
  allowance_ -= bodyBytes;
  return true;
}

/** Has the system report nothing before a good part of the next record is there: one wake for many packets instead of one for each. */
void DataConnection::waitForBytes() {
  const size_t whole = inBytes_ < recordLengthBytes ? recordLengthBytes + recordSealedMin
                                                    : recordLengthBytes + loadBigEndian(in_.get());
  int buffer = 0;
  socklen_t size = sizeof buffer;
  if (getsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &buffer, &size) != 0) return;
  const int missing = std::min(static_cast<int>(whole - inBytes_), buffer / static_cast<int>(receiveBufferParts));
  if (missing == bytesWaitedFor_) return;
  bytesWaitedFor_ = missing;
  setOption(descriptor_, SOL_SOCKET, SO_RCVLOWAT, missing);
}

void DataConnection::reportProgress(DataEvents& events) {
  hasProgress_ = false;
  const std::lock_guard<std::mutex> lock(mutex_);
  reportLocked(events);
}

void DataConnection::reportLocked(DataEvents& events) {
  for (auto& [id, answer] : incoming_) {
    if (answer.received == answer.reported || answer.isComplete) continue;
    answer.reported = answer.received;
    events.push({DataEventKind::progress, number_, id, static_cast<double>(answer.received)});
  }
}

bool DataConnection::write(DataEvents& events, int64_t nowMs) {
  size_t taken = 0;
  wantsToWrite_ = true;
  while (taken < turnBytes) {
    if (outPosition_ == outBytes_ && !fill(events)) {
      wantsToWrite_ = false;
      break;
    }
    const ssize_t sent = ::send(descriptor_, out_.get() + outPosition_, outBytes_ - outPosition_, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (sent < 0) return end(events, DataEnd::broken, errno);
    taken += static_cast<size_t>(sent);
    outPosition_ += static_cast<size_t>(sent);
    if (outPosition_ == outBytes_ && finishes_) {
      finishes_ = false;
      events.push({DataEventKind::sent, number_, finished_, 0});
    }
  }
  limitUnsent(taken, wantsToWrite_ && taken < turnBytes, nowMs);
  const std::lock_guard<std::mutex> lock(mutex_);
  counters_.sent += taken;
  sealed_ = outBytes_ - outPosition_;
  return !ended_;
}

/** Fills out_ with what waits, up to the end of an answer. False: nothing does. */
bool DataConnection::fill(DataEvents& events) {
  outPosition_ = 0;
  outBytes_ = 0;
  const size_t records = std::min<size_t>(recordsTogetherMax, 1 + unsent_.bytesInAMoment() / recordBytesMax);
  for (size_t count = 0; count < records && !finishes_ && sealNext(events); count++) continue;
  return outBytes_ > 0;
}

/** Adds the next record to out_. False: there is none, or OpenSSL refused, after which nothing can be sent. */
bool DataConnection::sealNext(DataEvents& events) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (ended_) return false;
  if (owesReady_) {
    owesReady_ = false;
    return sealRecord(RecordKind::ready, {}, 0) || endLocked(events, DataEnd::broken, 0);
  }
  if (!isUp_ || outgoing_.empty()) return false;
  Outgoing& answer = outgoing_.front();
  const size_t size = std::min(recordBodyMax, answer.size - answer.position);
  if (!sealRecord(RecordKind::frame, answer, size)) return endLocked(events, DataEnd::broken, 0);
  answer.position += size;
  counters_.waiting -= size;
  // An answer that is shorter than asked ends with an empty frame, which it may itself consist of.
  const bool isLast = answer.position == answer.size && (!answer.isShort || size == 0);
  if (!isLast) return true;
  finishes_ = true;
  finished_ = answer.id;
  outgoing_.pop_front();
  return true;
}

bool DataConnection::sealRecord(RecordKind kind, const Outgoing& from, size_t size) {
  const RecordHeader header = {static_cast<uint32_t>(kind), from.id, from.offset + static_cast<uint32_t>(from.position)};
  if (!sealing_.seal(header, from.data + from.position, size, out_.get() + outBytes_)) return false;
  outBytes_ += recordLengthBytes + recordSealedMin + size;
  return true;
}

void DataConnection::limitUnsent(uint64_t bytes, bool isBlocked, int64_t nowMs) {
  const uint32_t limit = unsent_.sent(bytes, isBlocked, nowMs);
#ifdef TCP_NOTSENT_LOWAT
  if (limit > 0) setOption(descriptor_, IPPROTO_TCP, TCP_NOTSENT_LOWAT, static_cast<int>(limit));
#else
  (void)limit;
#endif
}

bool DataConnection::end(DataEvents& events, DataEnd reason, int error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return endLocked(events, reason, error);
}

/** Always false. */
bool DataConnection::endLocked(DataEvents& events, DataEnd reason, int error) {
  if (ended_) return false;
  reportLocked(events);
  events.push({DataEventKind::ended, number_, static_cast<uint32_t>(reason), static_cast<double>(error)});
  release();
  return false;
}

}  // namespace swarm
