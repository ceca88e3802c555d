// The kernel may move fewer bytes than asked and may be interrupted; both are normal and handled here, nowhere else.
#include "addon/file-io.h"

#include <array>
#include <cerrno>
#include <mutex>
#include <unistd.h>

namespace swarm {

static_assert(sizeof(off_t) == 8, "files are larger than 2 GiB");

namespace {

/**
 * Linux lets one thread at a time write to a file, and has those that wait spin: they sleep here instead, and leave the
 * processor to others. Files that share a lock only wait for each other longer than they must.
 */
std::mutex& writeLock(int fd) {
  static std::array<std::mutex, 64> locks;
  return locks[static_cast<unsigned>(fd) % locks.size()];
}

}  // namespace

IoResult readFully(int fd, MutableSpan target, uint64_t offset) {
  size_t done = 0;
  while (done < target.size) {
    const ssize_t moved = pread(fd, target.data + done, target.size - done, static_cast<off_t>(offset + done));
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0) return {Status::readFailed, errno};
    if (moved == 0) return {Status::shortRead, 0};
    done += static_cast<size_t>(moved);
  }
  return {Status::ok, 0};
}

IoResult writeFully(int fd, ByteSpan source, uint64_t offset) {
  const std::lock_guard<std::mutex> turn(writeLock(fd));
  size_t done = 0;
  while (done < source.size) {
    const ssize_t moved = pwrite(fd, source.data + done, source.size - done, static_cast<off_t>(offset + done));
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0) return {Status::writeFailed, errno};
    // Zero for a non-empty write has no errno; asking again could go on for ever.
    if (moved == 0) return {Status::writeFailed, EIO};
    done += static_cast<size_t>(moved);
  }
  return {Status::ok, 0};
}

}  // namespace swarm
