#include "addon/codec-job.h"

#include "addon/file-io.h"

namespace swarm {

namespace {

/** Calls `move` for each range, up to the first that fails. */
template <class Move>
JobResult moveRanges(const Job& job, Move move) {
  JobResult result;
  for (const FileRange& range : job.ranges) {
    const IoResult moved = move(range);
    if (moved.status != Status::ok) {
      result.status = moved.status;
      result.error = moved.error;
      break;
    }
    result.rangeIndex++;
  }
  return result;
}

}  // namespace

JobResult readRanges(const Job& job, MutableSpan raw) {
  return moveRanges(job, [&](const FileRange& range) {
    return readFully(range.fd, {raw.data + range.rawOffset, range.length}, range.fileOffset);
  });
}

JobResult writeRanges(const Job& job, Status decoded, ByteSpan raw) {
  if (decoded != Status::ok) {
    JobResult refused;
    refused.status = decoded;
    return refused;
  }
  return moveRanges(job, [&](const FileRange& range) {
    return writeFully(range.fd, {raw.data + range.rawOffset, range.length}, range.fileOffset);
  });
}

JobResult encodedResult(const EncodeResult& encoded) {
  JobResult result;
  result.status = encoded.status;
  result.encoded = encoded;
  return result;
}

}  // namespace swarm
