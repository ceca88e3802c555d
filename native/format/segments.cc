// Directory and segments: every number of an ans chunk is proven here before a decoder uses it.
#include "format/check-segment.h"

namespace swarm {

Status parseSegments(ByteSpan encoded, ChunkPlan& plan) {
  const size_t rawBytes = plan.header.rawBytes;
  plan.segmentCount = segmentCountOf(rawBytes);
  const size_t directoryEnd = headerBytes + 4 * plan.segmentCount;
  size_t start = alignUp(directoryEnd);
  if (start > encoded.size) return Status::directory;
  if (!allZero(encoded.data + directoryEnd, start - directoryEnd)) return Status::paddingBytes;
  for (size_t index = 0; index < plan.segmentCount; index++) {
    const size_t end = load32(encoded.data + headerBytes + 4 * index);
    if (end % 16 != 0 || end <= start || end > encoded.size) return Status::directory;
    SegmentPlan& segment = plan.segments[index];
    segment.rawOffset = index << segmentBits;
    segment.rawBytes = rawBytes - segment.rawOffset < segmentBytesMax ? rawBytes - segment.rawOffset : segmentBytesMax;
    const Status status = parseSegment<Depth::all>(encoded.data + start, end - start, segment);
    if (status != Status::ok) return status;
    start = end;
  }
  return start == encoded.size ? Status::ok : Status::directory;
}

}  // namespace swarm
