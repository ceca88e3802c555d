// Checks of one segment: its header, descriptors, layout, padding, tables, index and states. Used by the parser, and by the GPU's,
// which leaves to the threads that decode a stream what is about that stream.
// Sums cannot overflow: sizes are below 2^25 by the header's limits and are held in size_t.
#pragma once

#include "format/parse.h"

namespace swarm {

/** `layout` leaves out RANS tables, the indexes of streams, and states: what takes longer, and can be checked where it is used. */
enum class Depth { layout, all };

/** Bytes between the end of a part and the next multiple of 16, which must be zero. */
SWARM_BOTH inline bool paddingIsZero(const uint8_t* base, size_t end) { return allZero(base + end, alignUp(end) - end); }

SWARM_BOTH inline Status checkFrequencies(const uint8_t* data, const RansLayout& layout, unsigned probabilityBits,
                                          size_t symbolCount) {
  uint32_t sum = 0;
  uint32_t previous = uint32_t{1} << probabilityBits;
  bool used[256] = {};
  for (size_t index = 0; index < symbolCount; index++) {
    const uint8_t symbol = data[index];
    const uint32_t frequency = load16(data + layout.frequencies + 2 * index);
    if (frequency == 0 || frequency > previous || used[symbol]) return Status::table;
    used[symbol] = true;
    sum += frequency;
    previous = frequency;
  }
  return sum == uint32_t{1} << probabilityBits ? Status::ok : Status::table;
}

/** Ends of what the streams consume, `total` words or escapes in all: of each at most one per symbol. */
SWARM_BOTH inline Status checkStreamEnds(const uint8_t* ends, size_t streams, unsigned streamBits, size_t total) {
  size_t previous = 0;
  for (size_t stream = 0; stream < streams; stream++) {
    const size_t end = load32(ends + 4 * stream);
    if (end < previous || end - previous > size_t{1} << streamBits) return Status::streamIndex;
    previous = end;
  }
  return previous == total ? Status::ok : Status::streamIndex;
}

SWARM_BOTH inline Status checkStates(const uint8_t* states, size_t streams) {
  for (size_t index = 0; index < streams * laneCount; index++) {
    const uint32_t state = load32(states + 4 * index);
    if (state < stateMin || state >= stateLimit) return Status::stateRange;
  }
  return Status::ok;
}

/** The fields of a descriptor that count something. */
struct PlaneSizes {
  size_t symbolCount, bytes, wordCount;
  SWARM_BOTH explicit PlaneSizes(const uint8_t* descriptor)
      : symbolCount(load16(descriptor + plane_at::symbolCount)),
        bytes(load32(descriptor + plane_at::bytes)),
        wordCount(load32(descriptor + plane_at::wordCount)) {}
};

/** A RANS plane that starts at `data` and has `available` bytes up to the segment's end. */
template <Depth depth>
SWARM_BOTH Status parseRans(const PlaneSizes& sizes, const uint8_t* data, size_t available, size_t elements,
                            PlanePlan& plane) {
  const size_t symbolCount = sizes.symbolCount;
  if (plane.probabilityBits < probabilityBitsMin || plane.probabilityBits > probabilityBitsMax || symbolCount < 2 ||
      symbolCount > 256)
    return Status::table;
  const RansLayout layout(elements, symbolCount, plane.streamBits);
  if (sizes.wordCount > layout.streams << plane.streamBits || sizes.bytes != layout.words + 2 * sizes.wordCount ||
      sizes.bytes > available)
    return Status::planeLayout;
  const size_t endsEnd = layout.streamEnds + 4 * layout.streams;
  if (!paddingIsZero(data, symbolCount) || !paddingIsZero(data + layout.frequencies, 2 * symbolCount) ||
      !allZero(data + endsEnd, layout.states - endsEnd))
    return Status::paddingBytes;
  plane.symbolCount = static_cast<uint16_t>(symbolCount);
  plane.frequencies = data + layout.frequencies;
  plane.streamEnds = data + layout.streamEnds;
  plane.states = data + layout.states;
  plane.words = data + layout.words;
  plane.streams = layout.streams;
  if (depth == Depth::layout) return Status::ok;
  const Status table = checkFrequencies(data, layout, plane.probabilityBits, symbolCount);
  if (table != Status::ok) return table;
  const Status ends = checkStreamEnds(plane.streamEnds, layout.streams, plane.streamBits, sizes.wordCount);
  if (ends != Status::ok) return ends;
  return checkStates(plane.states, plane.streams);
}

/** Bit planes have nothing behind their last symbol, in its byte and up to the next multiple of 16. */
SWARM_BOTH inline bool bitPlanesEndInZeros(const uint8_t* bits, const FixedLayout& layout, unsigned codeBits,
                                           size_t elements) {
  for (size_t plane = 0; plane < codeBits; plane++) {
    const uint8_t* const own = bits + plane * layout.bitPlaneBytes;
    if (elements % 8 != 0 && own[elements / 8] >> elements % 8 != 0) return false;
    if (!paddingIsZero(own, (elements + 7) / 8)) return false;
  }
  return true;
}

/** A FIX plane that starts at `data` and has `available` bytes up to the segment's end. */
template <Depth depth>
SWARM_BOTH Status parseFixed(const PlaneSizes& sizes, const uint8_t* data, size_t available, size_t elements,
                             PlanePlan& plane) {
  const unsigned codeBits = codeBitsOf(plane.mode);
  const size_t symbolCount = sizes.symbolCount;
  if (symbolCount < 1 || symbolCount >= size_t{1} << codeBits) return Status::table;
  const FixedLayout layout(elements, symbolCount, codeBits, plane.streamBits);
  if (sizes.wordCount > elements || sizes.bytes != layout.escapes + sizes.wordCount || sizes.bytes > available)
    return Status::planeLayout;
  const size_t endsEnd = layout.streamEnds + 4 * layout.streams;
  if (!paddingIsZero(data, symbolCount) || !allZero(data + endsEnd, layout.bits - endsEnd) ||
      !bitPlanesEndInZeros(data + layout.bits, layout, codeBits, elements))
    return Status::paddingBytes;
  bool used[256] = {};
  for (size_t index = 0; index < symbolCount; index++) {
    if (used[data[index]]) return Status::table;
    used[data[index]] = true;
  }
  plane.symbolCount = static_cast<uint16_t>(symbolCount);
  plane.streamEnds = data + layout.streamEnds;
  plane.bits = data + layout.bits;
  plane.bitPlaneBytes = layout.bitPlaneBytes;
  plane.escapes = data + layout.escapes;
  plane.streams = layout.streams;
  if (depth == Depth::layout) return Status::ok;
  return checkStreamEnds(plane.streamEnds, layout.streams, plane.streamBits, sizes.wordCount);
}

/** `position` is where the plane's data must start, from the segment's start; moved to where the next must. */
template <Depth depth>
SWARM_BOTH Status parsePlane(const uint8_t* base, size_t segmentBytes, const uint8_t* descriptor, size_t elements,
                             size_t& position, PlanePlan& plane) {
  if (plane.mode == PlaneMode::constant) {
    const bool rest = allZero(descriptor + plane_at::symbolCount, planeDescriptorBytes - plane_at::symbolCount);
    return rest ? Status::ok : Status::planeLayout;
  }
  const bool isRans = plane.mode == PlaneMode::rans;
  const PlaneSizes sizes(descriptor);
  if ((!isRans && plane.symbol != 0) || load32(descriptor + plane_at::offset) != position) return Status::planeLayout;
  const size_t available = segmentBytes - position;
  plane.data = base + position;
  Status status = Status::ok;
  if (plane.mode == PlaneMode::raw) {
    if (sizes.symbolCount != 0 || sizes.wordCount != 0 || sizes.bytes != elements || elements > available)
      return Status::planeLayout;
  } else if (isRans) {
    plane.probabilityBits = plane.symbol;
    status = parseRans<depth>(sizes, plane.data, available, elements, plane);
  } else {
    status = parseFixed<depth>(sizes, plane.data, available, elements, plane);
  }
  if (status != Status::ok) return status;
  plane.dataEnd = plane.data + sizes.bytes;
  // The segment's size is a multiple of 16, so the padding lies inside it.
  if (!paddingIsZero(plane.data, sizes.bytes)) return Status::paddingBytes;
  position += alignUp(sizes.bytes);
  return Status::ok;
}

/** All four descriptors: the modes first, then the planes in the order of their data. */
template <Depth depth>
SWARM_BOTH Status parsePlanes(const uint8_t* base, size_t segmentBytes, SegmentPlan& segment) {
  const uint8_t* const descriptors = base + segmentHeaderBytes;
  for (size_t index = 0; index < planeCountMax; index++) {
    const uint8_t* descriptor = descriptors + index * planeDescriptorBytes;
    if (index >= segment.planeCount) {
      if (!allZero(descriptor, planeDescriptorBytes)) return Status::planeMode;
      continue;
    }
    const uint8_t mode = descriptor[plane_at::mode];
    if (mode < static_cast<uint8_t>(PlaneMode::raw) || mode > static_cast<uint8_t>(PlaneMode::fix4e))
      return Status::planeMode;
    PlanePlan& plane = segment.planes[index];
    plane = PlanePlan{};
    plane.mode = static_cast<PlaneMode>(mode);
    plane.symbol = descriptor[plane_at::symbol];
    plane.streamBits = static_cast<uint8_t>(streamBitsOf(segment.element));
  }
  size_t position = segmentPrefixBytes;
  for (const bool rawOnes : {true, false}) {
    for (size_t index = 0; index < segment.planeCount; index++) {
      PlanePlan& plane = segment.planes[index];
      if ((plane.mode == PlaneMode::raw) != rawOnes) continue;
      const uint8_t* descriptor = descriptors + index * planeDescriptorBytes;
      const Status status = parsePlane<depth>(base, segmentBytes, descriptor, segment.elements, position, plane);
      if (status != Status::ok) return status;
    }
  }
  return position == segmentBytes ? Status::ok : Status::directory;
}

template <Depth depth>
SWARM_BOTH Status parseSegment(const uint8_t* base, size_t segmentBytes, SegmentPlan& segment) {
  if (segmentBytes < segmentPrefixBytes) return Status::directory;
  segment.element = static_cast<Element>(base[segment_at::element]);
  segment.phase = base[segment_at::phase];
  const size_t width = elementWidth(segment.element);
  if (width == 0 || segment.phase >= width || segment.rawBytes < segment.phase + width) return Status::segmentHeader;
  segment.elements = (segment.rawBytes - segment.phase) / width;
  segment.tailBytes = static_cast<uint8_t>((segment.rawBytes - segment.phase) % width);
  segment.planeCount = static_cast<uint8_t>(width);
  segment.head = base + segment_at::head;
  segment.tail = base + segment_at::tail;
  if (load16(base + segment_at::reserved) != 0 || load32(base + segment_at::reservedWord) != 0 ||
      !allZero(segment.head + segment.phase, segment_at::edgeBytes - segment.phase) ||
      !allZero(segment.tail + segment.tailBytes, segment_at::edgeBytes - segment.tailBytes))
    return Status::segmentHeader;
  return parsePlanes<depth>(base, segmentBytes, segment);
}

}  // namespace swarm
