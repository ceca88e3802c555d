// Chunk decoder, scalar reference: slow paths and fast paths of other devices are compared with it.
#include "cpu/planes.h"
#include "cpu/rans.h"

namespace swarm {

namespace {

Status decodeSegment(const SegmentPlan& segment, uint8_t* raw, Workspace& workspace) {
  workspace.planes.resize(segmentBytesMax);
  const uint8_t* planes[planeCountMax] = {};
  size_t steps[planeCountMax] = {};
  for (size_t index = 0; index < segment.planeCount; index++) {
    const PlanePlan& plane = segment.planes[index];
    steps[index] = plane.mode == PlaneMode::constant ? 0 : 1;
    planes[index] = plane.mode == PlaneMode::constant ? &plane.symbol : plane.data;
    if (plane.mode != PlaneMode::rans) continue;
    // A single plane needs no joining: its symbols are the raw bytes.
    uint8_t* target = segment.planeCount == 1 ? raw : workspace.planes.data() + index * segment.elements;
    const Status status = decodeRansPlane(plane, segment.probabilityBits, target, segment.elements);
    if (status != Status::ok) return status;
    planes[index] = target;
  }
  std::memcpy(raw, segment.head, segment.phase);
  joinPlanes(segment.element, planes, steps, segment.elements, raw + segment.phase);
  std::memcpy(raw + segment.rawBytes - segment.tailBytes, segment.tail, segment.tailBytes);
  return Status::ok;
}

Status decodeSegments(ByteSpan encoded, const ChunkHeader& header, MutableSpan raw, Workspace& workspace) {
  ChunkPlan plan;
  plan.header = header;
  const Status parsed = parseSegments(encoded, plan);
  if (parsed != Status::ok) return parsed;
  uint32_t checksum = 0;
  for (size_t index = 0; index < plan.segmentCount; index++) {
    const SegmentPlan& segment = plan.segments[index];
    const Status status = decodeSegment(segment, raw.data + segment.rawOffset, workspace);
    if (status != Status::ok) return status;
    checksum = crc32c(checksum, {raw.data + segment.rawOffset, segment.rawBytes});
  }
  return checksum == header.rawChecksum ? Status::ok : Status::checksum;
}

Status copyChecked(ByteSpan content, const ChunkHeader& header, MutableSpan raw) {
  if (crc32c(0, content) != header.rawChecksum) return Status::checksum;
  if (content.size != 0) std::memcpy(raw.data, content.data, content.size);
  return Status::ok;
}

}  // namespace

Status decode(ByteSpan encoded, MutableSpan raw, Workspace& workspace) {
  ChunkHeader header;
  const Status parsed = parseHeader(encoded, header);
  if (parsed != Status::ok) return parsed;
  if (raw.size != header.rawBytes) return Status::outputSize;
  switch (header.codec) {
    case ChunkCodec::raw: return copyChecked({encoded.data + headerBytes, header.rawBytes}, header, raw);
    case ChunkCodec::ans: return decodeSegments(encoded, header, raw, workspace);
    case ChunkCodec::zstd: break;
  }
  return Status::codec;
}

Status finishZstd(ByteSpan encoded, ByteSpan frameContent, MutableSpan raw) {
  ChunkHeader header;
  const Status parsed = parseHeader(encoded, header);
  if (parsed != Status::ok) return parsed;
  if (header.codec != ChunkCodec::zstd) return Status::codec;
  if (raw.size != header.rawBytes) return Status::outputSize;
  if (frameContent.size != header.rawBytes) return Status::zstdPayload;
  return copyChecked(frameContent, header, raw);
}

}  // namespace swarm
