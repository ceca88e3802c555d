// Putting an encoded chunk together: places of all parts, the parts, the header.
#pragma once

#include "cuda/encode-streams.h"
#include "cuda/encode-survey.h"
#include "format/header.h"

namespace swarm::gpu {

/** Sizes and places of a segment's planes in the order in which they lie; returns its size. Plain code for one lane. */
SWARM_DEVICE uint32_t layOut(EncodeSegment& segment) {
  const unsigned streamBits = streamBitsOf(segment.element);
  const auto width = static_cast<uint32_t>(elementWidth(segment.element));
  const auto streams = static_cast<uint32_t>(streamCount(segment.elements, streamBits));
  size_t position = segmentPrefixBytes;
  for (const bool rawOnes : {true, false}) {
    for (uint32_t index = 0; index < width; index++) {
      EncodePlane& plane = segment.planes[index];
      if (plane.mode == PlaneMode::constant || (plane.mode == PlaneMode::raw) != rawOnes) continue;
      size_t bytes = segment.elements;
      if (plane.mode == PlaneMode::rans) {
        uint32_t words = 0;
        for (uint32_t stream = 0; stream < streams; stream++) words += segment.streamWords[index][stream];
        plane.wordCount = words;
        bytes = RansLayout(segment.elements, plane.symbolCount, streamBits).words + 2 * size_t{words};
      } else if (plane.mode != PlaneMode::raw) {
        bytes = FixedLayout(segment.elements, plane.symbolCount, codeBitsOf(plane.mode), streamBits).escapes + plane.wordCount;
      }
      plane.offset = static_cast<uint32_t>(position);
      plane.bytes = static_cast<uint32_t>(bytes);
      position += alignUp(bytes);
    }
  }
  return static_cast<uint32_t>(position);
}

/** Places of the segments, the directory, and whether the chunk is stored instead. By one warp. */
SWARM_DEVICE void layOutChunk(const EncodeBatch& batch, uint32_t chunk) {
  const EncodeTask& task = batch.tasks[chunk];
  const auto segments = static_cast<uint32_t>(segmentCountOf(task.rawBytes));
  EncodeSegment* const own = batch.segments + chunk * chunkSegments;
  U32 sizes = 0;
  U32 floats = 0;
  eachLane(segments, [&](uint32_t lane) {
    setLane(sizes, lane, layOut(own[lane]));
    setLane(floats, lane, own[lane].element == Element::bytes ? 0 : 1);
  });
  const auto directoryEnd = static_cast<uint32_t>(headerBytes + 4 * segments);
  const auto start = static_cast<uint32_t>(alignUp(directoryEnd));
  const uint32_t encodedBytes = start + sum(sizes);
  const bool isStored = segments == 0 || encodedBytes >= maxEncodedBytes(task.rawBytes);
  const U32 starts = U32(start) + sumBelow(sizes);
  const uint32_t floatSegments = sum(floats);
  if (!isStored) {
    storeWord(task.out + headerBytes, laneIds(), starts + sizes, firstLanes(segments));
    storeWord(task.out + directoryEnd, laneIds(), 0, firstLanes((start - directoryEnd) / 4));
    eachLane(segments, [&](uint32_t lane) { own[lane].offset = getLane(starts, lane); });
  }
  eachLane(1, [&](uint32_t) {
    EncodeState& state = batch.states[chunk];
    state.codec = isStored ? ChunkCodec::raw : ChunkCodec::ans;
    state.encodedBytes = isStored ? static_cast<uint32_t>(maxEncodedBytes(task.rawBytes)) : encodedBytes;
    state.floatSegments = isStored ? 0 : floatSegments;
  });
}

/** Rows of 32 that are loaded together, so that a warp waits less often. */
constexpr uint32_t copiedAtOnce = 8;

/** Copies `size` bytes, from and to multiples of 2, by one warp. */
SWARM_DEVICE void copyHalves(const uint8_t* from, uint32_t size, uint8_t* to) {
  for (uint32_t first = 0; first < size / 2; first += copiedAtOnce * warpLanes) {
    U32 halves[copiedAtOnce];
    for (uint32_t row = 0; row < copiedAtOnce; row++) {
      const U32 at = U32(first + row * warpLanes) + laneIds();
      halves[row] = readHalf(from, at, at < U32(size / 2));
    }
    for (uint32_t row = 0; row < copiedAtOnce; row++) {
      const U32 at = U32(first + row * warpLanes) + laneIds();
      storeHalf(to, at, halves[row], at < U32(size / 2));
    }
  }
}

SWARM_DEVICE void copyBytes(const uint8_t* from, uint32_t size, uint8_t* to) {
  for (uint32_t first = 0; first < size; first += warpLanes) {
    const U32 at = U32(first) + laneIds();
    const Mask isOne = at < U32(size);
    store(to, at, load(from, at, isOne), isOne);
  }
}

SWARM_DEVICE void clearBytes(uint8_t* to, uint32_t size) {
  for (uint32_t first = 0; first < size; first += warpLanes) {
    const U32 at = U32(first) + laneIds();
    store(to, at, 0, at < U32(size));
  }
}

/** Zeros from `end` up to the next multiple of 16; `base` is at one. */
SWARM_DEVICE void pad(uint8_t* base, size_t end) { clearBytes(base + end, static_cast<uint32_t>(alignUp(end) - end)); }

/** Segment header and descriptors. Plain code for one lane; the memory is zero. */
SWARM_DEVICE void writePrefix(const EncodeSegment& segment, const uint8_t* raw, uint8_t* to) {
  to[segment_at::element] = static_cast<uint8_t>(segment.element);
  to[segment_at::phase] = segment.phase;
  for (uint32_t byte = 0; byte < segment.phase; byte++) to[segment_at::head + byte] = raw[byte];
  for (uint32_t byte = 0; byte < segment.tailBytes; byte++)
    to[segment_at::tail + byte] = raw[segment.rawBytes - segment.tailBytes + byte];
  for (uint32_t index = 0; index < elementWidth(segment.element); index++) {
    const EncodePlane& plane = segment.planes[index];
    uint8_t* const descriptor = to + segmentHeaderBytes + index * planeDescriptorBytes;
    descriptor[plane_at::mode] = static_cast<uint8_t>(plane.mode);
    if (plane.mode == PlaneMode::constant) {
      descriptor[plane_at::symbol] = plane.symbol;
      continue;
    }
    if (plane.mode == PlaneMode::rans) descriptor[plane_at::symbol] = plane.probabilityBits;
    if (plane.mode != PlaneMode::raw) store16(descriptor + plane_at::symbolCount, static_cast<uint16_t>(plane.symbolCount));
    store32(descriptor + plane_at::offset, plane.offset);
    store32(descriptor + plane_at::bytes, plane.bytes);
    store32(descriptor + plane_at::wordCount, plane.mode == PlaneMode::raw ? 0 : plane.wordCount);
  }
}

/** Table and index of a plane, and what pads its parts. By one warp. */
SWARM_DEVICE void writeTable(const EncodeSegment& segment, uint32_t index, uint8_t* data) {
  const EncodePlane& plane = segment.planes[index];
  const unsigned streamBits = streamBitsOf(segment.element);
  const auto streams = static_cast<uint32_t>(streamCount(segment.elements, streamBits));
  copyBytes(plane.symbols, plane.symbolCount, data);
  pad(data, plane.symbolCount);
  size_t endsAt;
  if (plane.mode == PlaneMode::rans) {
    const RansLayout layout(segment.elements, plane.symbolCount, streamBits);
    for (uint32_t first = 0; first < plane.symbolCount; first += warpLanes) {
      const U32 entry = U32(first) + laneIds();
      const Mask isOne = entry < U32(plane.symbolCount);
      storeHalf(data + layout.frequencies, entry, load(plane.frequencies, entry, isOne), isOne);
    }
    pad(data, layout.frequencies + 2 * plane.symbolCount);
    endsAt = layout.streamEnds;
  } else {
    const FixedLayout layout(segment.elements, plane.symbolCount, codeBitsOf(plane.mode), streamBits);
    for (uint32_t bit = 0; bit < codeBitsOf(plane.mode); bit++)
      pad(data, layout.bits + bit * layout.bitPlaneBytes + (segment.elements + 7) / 8);
    endsAt = layout.streamEnds;
  }
  const Mask isOne = firstLanes(streams);
  const U32 words = load(segment.streamWords[index], laneIds(), isOne);
  storeWord(data + endsAt, laneIds(), sumBelow(words) + words, isOne);
  pad(data, endsAt + 4 * streams);
}

/** The stored planes of a segment from element `piece.first` on. By one warp. */
template <unsigned width>
SWARM_DEVICE void writeStored(const EncodeSegment& segment, const uint8_t* raw, const Piece& piece, uint8_t* to) {
  constexpr uint32_t tileElements = tileBytes / width;
  const ElementTiles tiles(raw, segment);
  for (uint32_t first = 0; first < piece.size; first += tileElements) {
    const uint32_t count = piece.size - first < tileElements ? piece.size - first : tileElements;
    PlaneWords<width> planes[width];
    splitPlanes<width>(tiles.read((piece.first + first) * width, count * width), segment.element, planes);
    for (uint32_t plane = 0; plane < width; plane++) {
      if (segment.planes[plane].mode != PlaneMode::raw) continue;
      uint8_t* const data = to + segment.planes[plane].offset + piece.first + first;
      if (count == tileElements) {
        storeWords(data, laneIds(), planes[plane]);
        continue;
      }
      // What is behind the last symbol in its word is padding: bytes that do not exist were read as zeros.
      for (unsigned word = 0; word < 4 / width; word++) {
        const U32 at = laneIds() * U32(4 / width) + U32(word);
        storeWord(data, at, planes[plane].of[word], at * U32(4) < U32(count));
      }
    }
  }
}

/** States, words or bits and escapes of one stream. By one warp. */
SWARM_DEVICE void writeStream(const EncodeBatch& batch, uint32_t segmentIndex, const EncodeSegment& segment,
                              uint32_t index, uint32_t stream, uint8_t* data) {
  const EncodePlane& plane = segment.planes[index];
  const unsigned streamBits = streamBitsOf(segment.element);
  const uint32_t size = segment.streamWords[index][stream];
  uint32_t before = 0;
  for (uint32_t other = 0; other < stream; other++) before += segment.streamWords[index][other];
  const uint8_t* const scratch = streamScratch(batch, segmentIndex, segment, index, stream);
  if (plane.mode == PlaneMode::rans) {
    const RansLayout layout(segment.elements, plane.symbolCount, streamBits);
    const uint32_t* const states = streamStates(batch, segmentIndex, segment, index, stream);
    storeWord(data + layout.states, U32(stream * warpLanes) + laneIds(), load(states, laneIds()), true);
    copyHalves(scratch + 2 * ((size_t{1} << streamBits) - size), 2 * size, data + layout.words + 2 * before);
    return;
  }
  const FixedLayout layout(segment.elements, plane.symbolCount, codeBitsOf(plane.mode), streamBits);
  const size_t stride = (size_t{1} << streamBits) / 8;
  const uint32_t symbols = pieceOf(segment.elements, streamBits, stream).size;
  for (uint32_t bit = 0; bit < codeBitsOf(plane.mode); bit++)
    copyBytes(scratch + bit * stride, (symbols + 7) / 8, data + layout.bits + bit * layout.bitPlaneBytes + stream * stride);
  copyBytes(scratch + escapesOffset(streamBits), size, data + layout.escapes + before);
}

/** By one block: eight streams of a plane, or of a stored chunk all raw bytes as long as `planeIndex` is 0. */
SWARM_DEVICE void writePlane(const EncodeBatch& batch, uint32_t segmentIndex, uint32_t planeIndex, uint32_t group) {
  const SegmentPlace place = placeOf(batch, segmentIndex);
  const EncodeSegment& segment = batch.segments[segmentIndex];
  const bool isStored = batch.states[place.chunk].codec == ChunkCodec::raw;
  eachWarp([&](uint32_t warp) {
    const uint32_t part = group * groupStreams + warp;
    if (isStored) {
      const uint32_t start = part * sumBytes;
      if (planeIndex != 0 || start >= segment.rawBytes) return;
      const uint32_t size = segment.rawBytes - start < sumBytes ? segment.rawBytes - start : sumBytes;
      uint8_t* const to = place.task->out + headerBytes + (size_t{place.index} << segmentBits) + start;
      for (uint32_t first = 0; first < size / 16; first += warpLanes) {
        const Mask isOne = U32(first) + laneIds() < U32(size / 16);
        const Quad quad = readQuad(place.raw + start, U32(first) + laneIds(), isOne);
        for (uint32_t word = 0; word < 4; word++)
          storeWord(to, (U32(first) + laneIds()) * U32(4) + U32(word), quad.of[word], isOne);
      }
      copyBytes(place.raw + start + size / 16 * 16, size % 16, to + size / 16 * 16);
      return;
    }
    uint8_t* const to = place.task->out + segment.offset;
    if (planeIndex == 0 && part == 0) {
      clearBytes(to, segmentPrefixBytes);
      syncLanes();
      eachLane(1, [&](uint32_t) { writePrefix(segment, place.raw, to); });
    }
    if (planeIndex >= elementWidth(segment.element)) return;
    const EncodePlane& plane = segment.planes[planeIndex];
    if (plane.mode == PlaneMode::constant) return;
    uint8_t* const data = to + plane.offset;
    if (part == 0) {
      if (plane.mode != PlaneMode::raw) writeTable(segment, planeIndex, data);
      pad(data, plane.bytes);
    }
    const unsigned streamBits = streamBitsOf(segment.element);
    if (part << streamBits >= segment.elements) return;
    if (plane.mode != PlaneMode::raw) return writeStream(batch, segmentIndex, segment, planeIndex, part, data);
    // The first stored plane takes the others along.
    for (uint32_t before = 0; before < planeIndex; before++)
      if (segment.planes[before].mode == PlaneMode::raw) return;
    const Piece piece = pieceOf(segment.elements, streamBits, part);
    switch (elementWidth(segment.element)) {
      case 1: return writeStored<1>(segment, place.raw, piece, to);
      case 2: return writeStored<2>(segment, place.raw, piece, to);
      default: return writeStored<4>(segment, place.raw, piece, to);
    }
  });
}

/** The header. By one block. */
SWARM_DEVICE void finishEncoding(const EncodeBatch& batch, uint32_t chunk, uint32_t& sharedCrc) {
  const EncodeTask& task = batch.tasks[chunk];
  const CrcTables& tables = batch.tables->crc;
  eachWarp([&](uint32_t warp) {
    if (warp == 0) eachLane(1, [&](uint32_t) { sharedCrc = 0; });
  });
  eachWarp([&](uint32_t warp) {
    for (uint32_t index = warp; index < segmentCountOf(task.rawBytes); index += blockWarps) {
      const uint32_t start = (index << segmentBits);
      const U32 end = U32(start) + ((laneIds() + U32(1)) << U32(sumBits));
      const Mask isOne = U32(start) + (laneIds() << U32(sumBits)) < U32(task.rawBytes);
      const U32 behind = select(end < U32(task.rawBytes), U32(task.rawBytes) - end, U32(0));
      const U32 remainder = load(batch.pieces + (chunk * chunkSegments + index) * segmentPieces, laneIds(), isOne);
      addWithoutCarry(&sharedCrc, sumWithoutCarry(multiplyResidues(remainder, shiftOver(tables, behind))));
    }
  });
  eachWarp([&](uint32_t warp) {
    if (warp != 0) return;
    const uint32_t checksum = checksumOf(tables, sharedCrc, task.rawBytes);
    eachLane(1, [&](uint32_t) {
      const EncodeState& state = batch.states[chunk];
      const bool isAns = state.codec == ChunkCodec::ans;
      const ChunkHeader header = {state.codec, encoderVersion, isAns ? static_cast<uint8_t>(task.profile) : uint8_t{0},
                                  isAns ? task.hint : Element::unknown, task.rawBytes, state.encodedBytes, checksum};
      fillHeader(header, task.out);
      store32(task.out + header_at::headerChecksum, headerCrc(task.out));
    });
  });
}

}  // namespace swarm::gpu
