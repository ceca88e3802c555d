// Directory, segments, planes, tables: every number of an ans chunk is proven here before a decoder uses it.
// Sums cannot overflow: sizes are below 2^25 by the header's limits and are held in size_t.
#include "format/parse.h"

namespace swarm {

namespace {

/** Bytes between the end of a part and the next multiple of 16, which must be zero. */
bool paddingIsZero(const uint8_t* base, size_t end) { return allZero(base + end, alignUp(end) - end); }

Status parseTable(const uint8_t* data, const RansLayout& layout, unsigned probabilityBits, size_t symbolCount) {
  uint32_t sum = 0;
  uint32_t previous = uint32_t{1} << probabilityBits;
  bool used[256] = {};
  for (size_t index = 0; index < symbolCount; index++) {
    const uint8_t symbol = data[index];
    const uint32_t frequency = load16(data + layout.frequencies + 2 * index);
    if (frequency == 0 || frequency > previous || used[symbol]) return Status::table;
    if (frequency == previous && symbol < data[index - 1]) return Status::table;
    used[symbol] = true;
    sum += frequency;
    previous = frequency;
  }
  return sum == uint32_t{1} << probabilityBits ? Status::ok : Status::table;
}

Status parseStreams(const uint8_t* data, const RansLayout& layout, size_t wordCount) {
  size_t previous = 0;
  for (size_t stream = 0; stream < layout.streams; stream++) {
    const size_t end = load32(data + layout.streamEnds + 4 * stream);
    // A symbol takes at most one word, so a stream cannot need more than it has symbols.
    if (end < previous || end - previous > streamSymbols) return Status::streamIndex;
    previous = end;
  }
  if (previous != wordCount) return Status::streamIndex;
  for (size_t index = 0; index < layout.streams * laneCount; index++) {
    const uint32_t state = load32(data + layout.states + 4 * index);
    if (state < stateMin || state >= stateLimit) return Status::stateRange;
  }
  return Status::ok;
}

/** A RANS plane that starts at `data` and has `available` bytes up to the segment's end. */
Status parseRans(const uint8_t* descriptor, const uint8_t* data, size_t available, const SegmentPlan& segment,
                 PlanePlan& plane) {
  const size_t symbolCount = load16(descriptor + plane_at::symbolCount);
  if (symbolCount < 2 || symbolCount > 256) return Status::table;
  const RansLayout layout(segment.elements, symbolCount);
  const size_t wordCount = load32(descriptor + plane_at::wordCount);
  const size_t bytes = load32(descriptor + plane_at::bytes);
  if (wordCount > layout.streams * streamSymbols || bytes != layout.words + 2 * wordCount || bytes > available)
    return Status::planeLayout;
  const size_t endsEnd = layout.streamEnds + 4 * layout.streams;
  if (!paddingIsZero(data, symbolCount) || !paddingIsZero(data + layout.frequencies, 2 * symbolCount) ||
      !allZero(data + endsEnd, layout.states - endsEnd))
    return Status::paddingBytes;
  const Status table = parseTable(data, layout, segment.probabilityBits, symbolCount);
  if (table != Status::ok) return table;
  const Status streams = parseStreams(data, layout, wordCount);
  if (streams != Status::ok) return streams;
  plane.symbolCount = static_cast<uint16_t>(symbolCount);
  plane.data = data;
  plane.frequencies = data + layout.frequencies;
  plane.streamEnds = data + layout.streamEnds;
  plane.states = data + layout.states;
  plane.words = data + layout.words;
  plane.streams = layout.streams;
  return Status::ok;
}

/** `position` is where the plane's data must start, from the segment's start; moved to where the next must. */
Status parsePlane(const uint8_t* base, size_t segmentBytes, const uint8_t* descriptor, const SegmentPlan& segment,
                  size_t& position, PlanePlan& plane) {
  plane = PlanePlan{};
  const uint8_t mode = descriptor[plane_at::mode];
  if (mode < static_cast<uint8_t>(PlaneMode::raw) || mode > static_cast<uint8_t>(PlaneMode::rans))
    return Status::planeMode;
  plane.mode = static_cast<PlaneMode>(mode);
  plane.symbol = descriptor[plane_at::symbol];
  const size_t bytes = load32(descriptor + plane_at::bytes);
  if (plane.mode == PlaneMode::constant) {
    const bool rest = allZero(descriptor + plane_at::symbolCount, planeDescriptorBytes - plane_at::symbolCount);
    return rest ? Status::ok : Status::planeLayout;
  }
  if (plane.symbol != 0 || load32(descriptor + plane_at::offset) != position) return Status::planeLayout;
  if (plane.mode == PlaneMode::raw) {
    if (load16(descriptor + plane_at::symbolCount) != 0 || load32(descriptor + plane_at::wordCount) != 0 ||
        bytes != segment.elements || bytes > segmentBytes - position)
      return Status::planeLayout;
    plane.data = base + position;
  } else {
    const Status rans = parseRans(descriptor, base + position, segmentBytes - position, segment, plane);
    if (rans != Status::ok) return rans;
  }
  // The segment's size is a multiple of 16, so the padding lies inside it.
  if (!paddingIsZero(base + position, bytes)) return Status::paddingBytes;
  position += alignUp(bytes);
  return Status::ok;
}

Status parseSegment(const uint8_t* base, size_t segmentBytes, SegmentPlan& segment) {
  if (segmentBytes < segmentPrefixBytes) return Status::directory;
  segment.element = static_cast<Element>(base[segment_at::element]);
  segment.phase = base[segment_at::phase];
  segment.probabilityBits = base[segment_at::probabilityBits];
  const size_t width = elementWidth(segment.element);
  if (width == 0 || segment.phase >= width || segment.rawBytes < segment.phase + width) return Status::segmentHeader;
  if (segment.probabilityBits < probabilityBitsMin || segment.probabilityBits > probabilityBitsMax)
    return Status::segmentHeader;
  segment.elements = (segment.rawBytes - segment.phase) / width;
  segment.tailBytes = static_cast<uint8_t>((segment.rawBytes - segment.phase) % width);
  segment.planeCount = static_cast<uint8_t>(width);
  segment.head = base + segment_at::head;
  segment.tail = base + segment_at::tail;
  if (base[segment_at::reserved] != 0 || load32(base + segment_at::reservedWord) != 0 ||
      !allZero(segment.head + segment.phase, segment_at::edgeBytes - segment.phase) ||
      !allZero(segment.tail + segment.tailBytes, segment_at::edgeBytes - segment.tailBytes))
    return Status::segmentHeader;
  size_t position = segmentPrefixBytes;
  for (size_t index = 0; index < planeCountMax; index++) {
    const uint8_t* descriptor = base + segmentHeaderBytes + index * planeDescriptorBytes;
    if (index >= segment.planeCount) {
      if (!allZero(descriptor, planeDescriptorBytes)) return Status::planeMode;
      continue;
    }
    const Status plane = parsePlane(base, segmentBytes, descriptor, segment, position, segment.planes[index]);
    if (plane != Status::ok) return plane;
  }
  return position == segmentBytes ? Status::ok : Status::directory;
}

}  // namespace

Status parseSegments(ByteSpan encoded, ChunkPlan& plan) {
  const size_t rawBytes = plan.header.rawBytes;
  plan.segmentCount = (rawBytes + segmentBytesMax - 1) >> segmentBits;
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
    const Status status = parseSegment(encoded.data + start, end - start, segment);
    if (status != Status::ok) return status;
    start = end;
  }
  return start == encoded.size ? Status::ok : Status::directory;
}

}  // namespace swarm
