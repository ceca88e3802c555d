// Chunk decoder: segments, blocks, planes, and the check of the result. The loops are in kernels.h.
#include <algorithm>

#include "cpu/kernels.h"
#include "cuda/host-warp.h"

namespace swarm {

namespace {

/** What is the same for all blocks of a segment. */
struct SegmentDecoder {
  std::array<DecodeTable, planeCountMax> tables;
  std::array<FixedTable, planeCountMax> fixedTables;
  std::array<size_t, planeCountMax> steps;
};

void prepare(const SegmentPlan& segment, SegmentDecoder& decoder) {
  for (size_t index = 0; index < segment.planeCount; index++) {
    const PlanePlan& plane = segment.planes[index];
    decoder.steps[index] = plane.mode == PlaneMode::constant ? 0 : 1;
    if (plane.mode == PlaneMode::rans) makeDecodeTable(plane, decoder.tables[index]);
    if (codeBitsOf(plane.mode) != 0) decoder.fixedTables[index] = makeFixedTable(plane);
  }
}

/** joinAndSum by pieces that are still in the nearest cache when they are summed up. Moves `planes` on. */
uint32_t joinPieces(const Kernels& kernels, Element element, const uint8_t** planes, const size_t* steps, size_t count,
                    uint8_t* elements, uint32_t crc) {
  const size_t width = elementWidth(element);
  for (size_t first = 0; first < count; first += pieceSymbols) {
    const size_t size = std::min(pieceSymbols, count - first);
    uint8_t* const piece = elements + first * width;
    kernels.joinPlanes(element, planes, steps, size, piece);
    crc = kernels.updateCrc(crc, piece, size * width);
    for (size_t index = 0; index < width; index++) planes[index] += steps[index] * size;
  }
  return crc;
}

/**
 * Decodes `count` elements from the start of stream `firstStream` on to `elements`: as many streams as the segment's blocks
 * have. `scratch` holds a block of every plane. `crc` is continued.
 */
Status decodeBlock(const Kernels& kernels, const SegmentPlan& segment, const SegmentDecoder& decoder,
                   size_t firstStream, size_t count, uint8_t* scratch, uint8_t* elements, uint32_t& crc) {
  const unsigned streamBits = streamBitsOf(segment.element);
  const size_t first = firstStream << streamBits;
  if (segment.element == Element::bf16 && segment.planes[0].mode == PlaneMode::rans &&
      segment.planes[1].mode == PlaneMode::raw)
    return decodeStreams(kernels, decoder.tables[0], segment.planes[0], firstStream, scratch, count,
                         {segment.planes[1].data + first, elements, &crc});
  if (segment.element == Element::bf16 && codeBitsOf(segment.planes[0].mode) != 0 &&
      segment.planes[1].mode == PlaneMode::raw && kernels.joinFixed != nullptr)
    return kernels.joinFixed(decoder.fixedTables[0], fixedBlock(segment.planes[0], firstStream, count),
                             {segment.planes[1].data + first, elements, &crc});
  // A single plane needs no joining: its symbols are the raw bytes.
  if (segment.planeCount == 1 && segment.planes[0].mode == PlaneMode::rans)
    return decodeStreams(kernels, decoder.tables[0], segment.planes[0], firstStream, elements, count,
                         {nullptr, nullptr, &crc});
  const uint8_t* planes[planeCountMax] = {};
  for (size_t index = 0; index < segment.planeCount; index++) {
    const PlanePlan& plane = segment.planes[index];
    if (plane.mode == PlaneMode::constant || plane.mode == PlaneMode::raw) {
      planes[index] = plane.mode == PlaneMode::constant ? &plane.symbol : plane.data + first;
      continue;
    }
    uint8_t* target = segment.planeCount == 1 ? elements : scratch + index * blockSymbols(streamBits);
    const Status status =
        plane.mode == PlaneMode::rans
            ? decodeStreams(kernels, decoder.tables[index], plane, firstStream, target, count, {})
            : kernels.decodeFixed(decoder.fixedTables[index], fixedBlock(plane, firstStream, count), target);
    if (status != Status::ok) return status;
    planes[index] = target;
  }
  const size_t* const steps = decoder.steps.data();
  crc = kernels.joinAndSum != nullptr ? kernels.joinAndSum(segment.element, planes, steps, count, elements, crc)
                                      : joinPieces(kernels, segment.element, planes, steps, count, elements, crc);
  return Status::ok;
}

/** Streams of a block. RANS streams take less time together than one by one; FIX planes are decoded stream by stream. */
size_t blockStreams(const SegmentPlan& segment) {
  for (size_t index = 0; index < segment.planeCount; index++)
    if (codeBitsOf(segment.planes[index].mode) != 0) return 1;
  return streamsAtOnce;
}

/** Block by block, so that what is joined and summed still lies in the nearest caches. `crc` is continued over the segment. */
Status decodeSegment(const Kernels& kernels, const SegmentPlan& segment, SegmentDecoder& decoder, uint8_t* scratch,
                     uint8_t* raw, uint32_t& crc) {
  prepare(segment, decoder);
  const size_t width = elementWidth(segment.element);
  std::memcpy(raw, segment.head, segment.phase);
  crc = kernels.updateCrc(crc, raw, segment.phase);
  uint8_t* const elements = raw + segment.phase;
  const size_t block = blockStreams(segment) << streamBitsOf(segment.element);
  for (size_t first = 0; first < segment.elements; first += block) {
    const size_t count = std::min(block, segment.elements - first);
    const size_t firstStream = first >> streamBitsOf(segment.element);
    const Status status =
        decodeBlock(kernels, segment, decoder, firstStream, count, scratch, elements + first * width, crc);
    if (status != Status::ok) return status;
  }
  uint8_t* const tail = raw + segment.rawBytes - segment.tailBytes;
  std::memcpy(tail, segment.tail, segment.tailBytes);
  crc = kernels.updateCrc(crc, tail, segment.tailBytes);
  return Status::ok;
}

Status decodeSegments(ByteSpan encoded, const ChunkHeader& header, MutableSpan raw, Workspace& workspace) {
  ChunkPlan plan;
  plan.header = header;
  const Status parsed = parseSegments(encoded, plan);
  if (parsed != Status::ok) return parsed;
  const Kernels& kernels = kernelsOf(workspace.path);
  workspace.planes.resize(segmentBytesMax);
  SegmentDecoder decoder;
  uint32_t crc = UINT32_MAX;
  for (size_t index = 0; index < plan.segmentCount; index++) {
    const SegmentPlan& segment = plan.segments[index];
    const Status status = decodeSegment(kernels, segment, decoder, workspace.planes.data(),
                                        raw.data + segment.rawOffset, crc);
    if (status != Status::ok) return status;
  }
  return ~crc == header.rawChecksum ? Status::ok : Status::checksum;
}

Status copyChecked(ByteSpan content, const ChunkHeader& header, MutableSpan raw) {
  if (crc32c(0, content) != header.rawChecksum) return Status::checksum;
  if (content.size != 0) std::memcpy(raw.data, content.data, content.size);
  return Status::ok;
}

}  // namespace

Status decode(ByteSpan encoded, MutableSpan raw, Workspace& workspace) {
  if (workspace.path == CodePath::hostWarp) return gpu::decodeOnHostWarp(encoded, raw);
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
