// What there is to decode in a chunk: its header, directory and segments are checked, and the work on them is listed.
#pragma once

#include "cuda/decode-batch.h"
#include "format/check-segment.h"
#include "format/header.h"

namespace swarm::gpu {

/** Whether a segment is joined and summed as its first plane is decoded: because that is the only one which is coded. */
SWARM_DEVICE bool isFused(const SegmentPlan& segment) {
  if (!isCoded(segment.planes[0].mode)) return false;
  for (uint32_t plane = 1; plane < segment.planeCount; plane++)
    if (isCoded(segment.planes[plane].mode)) return false;
  return true;
}

/** Header and directory; plain code for one lane. Chunks of codec zstd are refused with `codec`. */
SWARM_DEVICE Status planHeader(const DecodeTask& task, DecodeState& state) {
  state.segmentCount = 0;
  if (task.encodedBytes < headerBytes) return Status::truncated;
  ChunkHeader header;
  const Status status = checkHeader({task.encoded, task.encodedBytes}, headerCrc(task.encoded), header);
  if (status != Status::ok) return status;
  if (header.rawBytes != task.rawBytes) return Status::outputSize;
  if (header.codec == ChunkCodec::zstd) return Status::codec;
  state.rawChecksum = header.rawChecksum;
  const auto segments = static_cast<uint32_t>(segmentCountOf(header.rawBytes));
  if (header.codec == ChunkCodec::ans) {
    const size_t directoryEnd = headerBytes + 4 * size_t{segments};
    if (alignUp(directoryEnd) > task.encodedBytes) return Status::directory;
    if (!allZero(task.encoded + directoryEnd, alignUp(directoryEnd) - directoryEnd)) return Status::paddingBytes;
    if (load32(task.encoded + directoryEnd - 4) != task.encodedBytes) return Status::directory;
  }
  state.segmentCount = segments;
  return Status::ok;
}

/** A stored chunk is taken for segments of bytes whose only plane is stored. */
SWARM_DEVICE void planStored(const DecodeTask& task, SegmentPlan& segment) {
  segment.element = Element::bytes;
  segment.phase = 0;
  segment.tailBytes = 0;
  segment.planeCount = 1;
  segment.head = task.encoded;
  segment.tail = task.encoded;
  segment.elements = segment.rawBytes;
  segment.planes[0] = PlanePlan{};
  segment.planes[0].mode = PlaneMode::raw;
  segment.planes[0].streamBits = streamBitsOfBytes;
  segment.planes[0].data = task.encoded + headerBytes + segment.rawOffset;
}

/** Segment `index`; plain code for one lane. */
SWARM_DEVICE Status planSegment(const DecodeTask& task, uint32_t segmentCount, uint32_t index, SegmentPlan& segment) {
  segment.rawOffset = size_t{index} << segmentBits;
  const size_t rest = task.rawBytes - segment.rawOffset;
  segment.rawBytes = rest < segmentBytesMax ? rest : segmentBytesMax;
  if (task.encoded[header_at::codec] == static_cast<uint8_t>(ChunkCodec::raw)) {
    planStored(task, segment);
    return Status::ok;
  }
  const uint8_t* const ends = task.encoded + headerBytes;
  const size_t start = index == 0 ? alignUp(headerBytes + 4 * size_t{segmentCount}) : load32(ends + 4 * (index - 1));
  const size_t end = load32(ends + 4 * index);
  if (start % 16 != 0 || end % 16 != 0 || end <= start || end > task.encodedBytes) return Status::directory;
  return parseSegment<Depth::layout>(task.encoded + start, end - start, segment);
}

SWARM_DEVICE Piece pieceOf(const SegmentPlan& segment, uint32_t index) {
  return pieceOf(static_cast<uint32_t>(segment.elements), streamBitsOf(segment.element), index);
}

SWARM_DEVICE uint32_t pieceCount(const SegmentPlan& segment) {
  return static_cast<uint32_t>(streamCount(segment.elements, streamBitsOf(segment.element)));
}

/** Plain code for one lane: adds what there is to do for a segment. */
SWARM_DEVICE void planWork(const DecodeBatch& batch, uint32_t segmentIndex) {
  const SegmentPlan& segment = batch.segments[segmentIndex];
  for (uint32_t plane = 0; plane < segment.planeCount; plane++) {
    const PlanePlan& own = segment.planes[plane];
    if (!isCoded(own.mode)) continue;
    const auto groups = static_cast<uint32_t>((own.streams + groupStreams - 1) / groupStreams);
    uint32_t* const items = own.mode == PlaneMode::rans
                                ? batch.decodeItems + take(&batch.work->ransCount, groups)
                                : batch.fixedItems(take(&batch.work->fixedCount, groups) + groups);
    for (uint32_t group = 0; group < groups; group++) items[group] = packItem(segmentIndex, plane, group);
  }
  if (isFused(segment)) return;
  const uint32_t groups = (pieceCount(segment) + groupStreams - 1) / groupStreams;
  uint32_t* const items = batch.joinItems + take(&batch.work->joinCount, groups);
  for (uint32_t group = 0; group < groups; group++) items[group] = packItem(segmentIndex, 0, group);
}

/** By one warp. */
SWARM_DEVICE void planChunk(const DecodeBatch& batch, uint32_t chunk) {
  const DecodeTask& task = batch.tasks[chunk];
  DecodeState& state = batch.states[chunk];
  eachLane(1, [&](uint32_t) { state.verdict = static_cast<int32_t>(planHeader(task, state)); });
  const uint32_t segmentCount = state.segmentCount;
  U32 failures = 0;
  eachLane(segmentCount, [&](uint32_t lane) {
    const Status status = planSegment(task, segmentCount, lane, batch.segments[chunk * chunkSegments + lane]);
    if (status == Status::ok) planWork(batch, chunk * chunkSegments + lane);
    setLane(failures, lane, static_cast<uint32_t>(status));
  });
  report(&state.verdict, static_cast<Status>(largest(failures)));
}

}  // namespace swarm::gpu
