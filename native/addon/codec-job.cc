#include "addon/codec-job.h"

#include "addon/file-io.h"

namespace swarm {

JobResult readRanges(const Job& job, MutableSpan raw) {
  JobResult result;
  for (const FileRange& range : job.ranges) {
    const IoResult moved = readFully(range.fd, {raw.data + range.rawOffset, range.length}, range.fileOffset);
    if (moved.status != Status::ok) {
      result.status = moved.status;
      result.error = moved.error;
      return result;
    }
    result.rangeIndex++;
  }
  return result;
}

JobResult writeRanges(const Job& job, Status decoded, ByteSpan raw) {
  JobResult result;
  result.status = decoded;
  if (decoded != Status::ok) return result;
  for (const FileRange& range : job.ranges) {
    const IoResult moved = writeFully(range.fd, {raw.data + range.rawOffset, range.length}, range.fileOffset);
    if (moved.status != Status::ok) {
      result.status = moved.status;
      result.error = moved.error;
      return result;
    }
    result.rangeIndex++;
  }
  return result;
}

JobResult encodedResult(const EncodeResult& encoded) {
  JobResult result;
  result.status = encoded.status;
  result.encoded = encoded;
  return result;
}

}  // namespace swarm
