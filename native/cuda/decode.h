// The kernels that decode a batch of chunks, in this order: planChunk for each chunk, which counts and lists the work of the next
// two; decodePlane for each plane and eight streams; joinSegment for eight pieces of each segment that was not joined yet;
// finishChunk for each chunk. Each is the work of one block of 8 warps (planChunk: one warp). A chunk that breaks a rule is left
// alone by those that follow.
//
// Nothing that a chunk says is used before it is checked: what planChunk does not look at (RANS tables, indexes, states),
// decodePlane does, block by block and stream by stream.
#pragma once

#include "cuda/decode-streams.h"
#include "format/header.h"
#include "format/check-segment.h"

namespace swarm::gpu {

/** Whether a segment is joined and summed as its only coded plane is decoded. */
SWARM_DEVICE bool isFused(const SegmentPlan& segment) {
  const PlaneMode first = segment.planes[0].mode;
  const bool coded = first == PlaneMode::rans || codeBitsOf(first) != 0;
  if (segment.element == Element::bytes) return coded;
  return segment.element == Element::bf16 && coded && segment.planes[1].mode == PlaneMode::raw;
}

/** What the warps of a block share. `steps` are there before its first piece of work. */
struct JoinShared {
  CrcSteps steps;
  int32_t verdict;
};

struct DecodeShared {
  JoinShared join;
  SharedTable table;
  alignas(16) uint8_t stages[blockWarps][stageSymbols];
  /** A Status: whether the table is right. */
  int32_t tableVerdict;
  /** Flags by symbol. */
  uint32_t used[256];
  uint32_t starts[256];
};

/** Whether a chunk is right so far: one answer for all threads of the block, whatever others find meanwhile. */
SWARM_DEVICE bool isRight(const DecodeState& state, JoinShared& shared) {
  // Some may still read what the last piece of work left there.
  syncBlock();
  eachWarp([&](uint32_t warp) {
    if (warp == 0) eachLane(1, [&](uint32_t) { shared.verdict = state.verdict; });
  });
  return shared.verdict == static_cast<int32_t>(Status::ok);
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
  const auto segments = static_cast<uint32_t>((header.rawBytes + segmentBytesMax - 1) >> segmentBits);
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

/** What a warp decodes or joins of a segment: as many elements as a stream has symbols. */
struct Piece {
  uint32_t first;
  uint32_t size;
};

SWARM_DEVICE Piece pieceOf(const SegmentPlan& segment, uint32_t index) {
  const unsigned bits = streamBitsOf(segment.element);
  const uint32_t first = index << bits;
  const auto rest = static_cast<uint32_t>(segment.elements) - first;
  return {first, rest < uint32_t{1} << bits ? rest : uint32_t{1} << bits};
}

SWARM_DEVICE uint32_t pieceCount(const SegmentPlan& segment) {
  return static_cast<uint32_t>(streamCount(segment.elements, streamBitsOf(segment.element)));
}

/** Plain code for one lane: adds what there is to do for a segment. */
SWARM_DEVICE void planWork(const DecodeBatch& batch, uint32_t segmentIndex) {
  const SegmentPlan& segment = batch.segments[segmentIndex];
  for (uint32_t plane = 0; plane < segment.planeCount; plane++) {
    const PlanePlan& own = segment.planes[plane];
    if (own.mode == PlaneMode::raw || own.mode == PlaneMode::constant) continue;
    const auto groups = static_cast<uint32_t>((own.streams + groupStreams - 1) / groupStreams);
    uint32_t* const items = batch.decodeItems + take(&batch.work->decodeCount, groups);
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

/** Fills the slots from a table that is checked as it is read. */
SWARM_DEVICE void makeTable(const PlanePlan& plane, DecodeShared& shared) {
  const uint32_t count = plane.symbolCount;
  const uint32_t slotCount = uint32_t{1} << plane.probabilityBits;
  eachWarp([&](uint32_t warp) {
    store(shared.used, U32(warp * warpLanes) + laneIds(), 0);
    if (warp == 0) eachLane(1, [&](uint32_t) { shared.tableVerdict = static_cast<int32_t>(Status::ok); });
  });
  eachWarp([&](uint32_t warp) {
    if (warp != 0) return;
    uint32_t total = 0;
    uint32_t previous = slotCount;
    uint32_t wrong = 0;
    for (uint32_t first = 0; first < count; first += warpLanes) {
      const U32 entry = U32(first) + laneIds();
      const Mask exists = entry < U32(count);
      const U32 frequency = readHalf(plane.frequencies, entry, exists);
      const U32 below = readHalf(plane.frequencies, entry - U32(1), exists & (entry != U32(0)));
      const U32 before = select(entry == U32(0), previous, below);
      wrong |= ballot(exists & ((frequency == U32(0)) | (frequency > before)));
      store(shared.starts, entry, U32(total) + sumBelow(frequency), exists);
      total += sum(frequency);
      addTo(shared.used, load(plane.data, entry, exists), 1, exists);
    }
    if (wrong != 0 || total != slotCount) report(&shared.tableVerdict, Status::table);
  });
  eachWarp([&](uint32_t warp) {
    const U32 uses = load(shared.used, U32(warp * warpLanes) + laneIds());
    if (ballot(uses > U32(1)) != 0) report(&shared.tableVerdict, Status::table);
  });
  eachWarp([&](uint32_t warp) {
    if (shared.tableVerdict != static_cast<int32_t>(Status::ok)) return;
    for (uint32_t entry = warp; entry < count; entry += blockWarps) {
      const uint32_t frequency = load16(plane.frequencies + 2 * entry);
      const uint32_t start = shared.starts[entry];
      const uint32_t value = frequency << (32 - plane.probabilityBits) | plane.data[entry];
      for (uint32_t first = 0; first < frequency; first += warpLanes) {
        const U32 offset = U32(first) + laneIds();
        store(shared.table.slots, U32(start) + offset, U32(value) | offset << U32(8), offset < U32(frequency));
      }
    }
  });
}

SWARM_DEVICE void makeFixed(const PlanePlan& plane, DecodeShared& shared) {
  eachWarp([&](uint32_t warp) {
    if (warp != 0) return;
    eachLane(1, [&](uint32_t) { shared.tableVerdict = static_cast<int32_t>(Status::ok); });
    const Mask exists = laneIds() < U32(plane.symbolCount);
    store(shared.table.fixed, laneIds(), load(plane.data, laneIds(), exists), firstLanes(1 << codeBitsMax));
  });
}

template <class Sink>
SWARM_DEVICE Status decodeStream(const PlanePlan& plane, const DecodeShared& shared, uint32_t stream, uint32_t size,
                                 const uint8_t* readableEnd, uint8_t* stage, Sink& sink) {
  if (plane.mode == PlaneMode::rans) {
    RansRows rows(plane, shared.table.slots, stream, readableEnd);
    const Status checked = rows.check(plane, stream);
    if (checked != Status::ok) return checked;
    if (!decodeTiles(rows, size, stage, sink)) return Status::words;
    constexpr uint32_t tileSymbols = Sink::tileRows * warpLanes;
    const uint32_t lastRow = (size - 1) % tileSymbols / warpLanes * warpLanes;
    return rows.finish(size % warpLanes, stage + lastRow, plane.data[0]);
  }
  FixedRows rows(plane, shared.table.fixed, stream);
  const Status checked = rows.check(plane, stream, size);
  if (checked != Status::ok) return checked;
  return decodeTiles(rows, size, stage, sink) ? Status::ok : Status::code;
}

SWARM_DEVICE uint8_t* planeScratch(const DecodeBatch& batch, uint32_t segmentIndex, const SegmentPlan& segment,
                                   uint32_t plane) {
  return batch.tasks[segmentIndex / chunkSegments].planes + segmentIndex % chunkSegments * planeScratchBytes +
         plane * alignUp(segment.elements);
}

/** Where the piece's raw bytes go. */
SWARM_DEVICE uint8_t* rawOf(const DecodeTask& task, const SegmentPlan& segment, const Piece& piece) {
  return task.raw + segment.rawOffset + segment.phase + piece.first * elementWidth(segment.element);
}

/** By one block: a group of streams. */
SWARM_DEVICE void decodePlane(const DecodeBatch& batch, uint32_t item, DecodeShared& shared) {
  const uint32_t segmentIndex = item >> 4;
  const uint32_t planeIndex = item >> 2 & 3;
  const uint32_t group = item & 3;
  const uint32_t chunk = segmentIndex / chunkSegments;
  DecodeState& state = batch.states[chunk];
  if (!isRight(state, shared.join)) return;
  const SegmentPlan& segment = batch.segments[segmentIndex];
  const PlanePlan& plane = segment.planes[planeIndex];
  const bool fused = isFused(segment);
  if (plane.mode == PlaneMode::rans)
    makeTable(plane, shared);
  else
    makeFixed(plane, shared);
  eachWarp([&](uint32_t warp) {
    if (shared.tableVerdict != static_cast<int32_t>(Status::ok)) {
      report(&state.verdict, static_cast<Status>(shared.tableVerdict));
      return;
    }
    const uint32_t stream = group * groupStreams + warp;
    if (stream >= plane.streams) return;
    const DecodeTask& task = batch.tasks[chunk];
    const Piece piece = pieceOf(segment, stream);
    const uint8_t* const readableEnd = task.encoded + task.encodedBytes;
    uint8_t* const stage = shared.stages[warp];
    Status status;
    if (!fused) {
      PlaneSink sink(planeScratch(batch, segmentIndex, segment, planeIndex) + piece.first);
      status = decodeStream(plane, shared, stream, piece.size, readableEnd, stage, sink);
    } else {
      RawWriter writer(rawOf(task, segment, piece), shared.join.steps);
      if (segment.element == Element::bf16) {
        Bf16Sink sink(writer, segment.planes[1].data + piece.first);
        status = decodeStream(plane, shared, stream, piece.size, readableEnd, stage, sink);
      } else {
        ByteSink sink(writer);
        status = decodeStream(plane, shared, stream, piece.size, readableEnd, stage, sink);
      }
      batch.pieces[segmentIndex * segmentPieces + stream] = writer.total(*batch.tables);
    }
    report(&state.verdict, status);
  });
}

/** A plane that is to be joined. */
struct PlaneSource {
  const uint8_t* data;
  uint32_t everywhere;
  bool isConstant;
};

/** 1, 2 or 4 bytes of each of `width` planes for each lane, in the first of `words`, until a tile is full: 16 / width of them. */
class Joiner {
 public:
  SWARM_DEVICE Joiner(const DecodeBatch& batch, uint32_t segmentIndex, const SegmentPlan& segment)
      : element_(segment.element), width_(static_cast<uint32_t>(elementWidth(segment.element))) {
    for (uint32_t plane = 0; plane < planeCountMax; plane++) {
      if (plane >= width_) {
        sources_[plane] = {nullptr, 0, true};
        continue;
      }
      const PlanePlan& own = segment.planes[plane];
      if (own.mode == PlaneMode::constant)
        sources_[plane] = {nullptr, own.symbol * 0x01010101u, true};
      else if (own.mode == PlaneMode::raw)
        sources_[plane] = {own.data, 0, false};
      else
        sources_[plane] = {planeScratch(batch, segmentIndex, segment, plane), 0, false};
    }
  }

  /** The tile that starts with element `first`; of its elements `count` exist. */
  SWARM_DEVICE Quad tile(uint32_t first, uint32_t count) const {
    const uint32_t own = 16 / width_;
    const Mask exists = laneIds() * U32(own) < U32(count);
    if (width_ == 1) {
      const PlaneSource& source = sources_[0];
      if (source.isConstant) return {{source.everywhere, source.everywhere, source.everywhere, source.everywhere}};
      return readQuad(source.data + first, laneIds(), exists);
    }
    if (width_ == 2) {
      Quad elements = interleave(pair(sources_[0], first, exists), pair(sources_[1], first, exists));
      if (element_ == Element::bf16) rotateBf16(elements);
      return elements;
    }
    U32 rows[4];
    for (unsigned plane = 0; plane < 4; plane++) {
      const PlaneSource& source = sources_[3 - plane];
      rows[plane] = source.isConstant ? U32(source.everywhere) : readWord(source.data + first, laneIds(), exists);
    }
    Quad elements;
    transpose(rows, elements.words);
    for (U32& word : elements.words) word = word >> U32(1) | word << U32(31);
    return elements;
  }

 private:
  SWARM_DEVICE Pair pair(const PlaneSource& source, uint32_t first, Mask exists) const {
    if (source.isConstant) return {{source.everywhere, source.everywhere}};
    return readPair(source.data + first, laneIds(), exists);
  }

  Element element_;
  uint32_t width_;
  PlaneSource sources_[planeCountMax];
};

/** By one block: a group of pieces. */
SWARM_DEVICE void joinSegment(const DecodeBatch& batch, uint32_t item, JoinShared& shared) {
  const uint32_t segmentIndex = item >> 4;
  const uint32_t group = item & 3;
  const uint32_t chunk = segmentIndex / chunkSegments;
  const DecodeState& state = batch.states[chunk];
  if (!isRight(state, shared)) return;
  const SegmentPlan& segment = batch.segments[segmentIndex];
  eachWarp([&](uint32_t warp) {
    const uint32_t index = group * groupStreams + warp;
    if (index >= pieceCount(segment)) return;
    const Piece piece = pieceOf(segment, index);
    const Joiner joiner(batch, segmentIndex, segment);
    RawWriter writer(rawOf(batch.tasks[chunk], segment, piece), shared.steps);
    const auto width = static_cast<uint32_t>(elementWidth(segment.element));
    const uint32_t tileElements = tileBytes / width;
    for (uint32_t first = 0; first < piece.size; first += tileElements) {
      const uint32_t rest = piece.size - first;
      const uint32_t count = rest < tileElements ? rest : tileElements;
      const Quad tile = joiner.tile(piece.first + first, count);
      if (count == tileElements)
        writer.add(tile);
      else
        writer.addLast(tile, count * width);
    }
    batch.pieces[segmentIndex * segmentPieces + index] = writer.total(*batch.tables);
  });
}

/** The remainder of fewer than four bytes, in each lane the same. */
SWARM_DEVICE uint32_t remainderOf(const uint8_t* bytes, uint32_t size) {
  uint32_t crc = 0;
  for (uint32_t at = 0; at < size; at++) {
    crc ^= bytes[at];
    for (unsigned bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (reflectedPolynomial & (0 - (crc & 1)));
  }
  return crc;
}

/** What a segment adds to the remainder of its chunk; writes the bytes in front of its elements and behind. By one warp. */
SWARM_DEVICE uint32_t finishSegment(const DecodeBatch& batch, uint32_t segmentIndex, const DecodeTask& task) {
  const SegmentPlan& segment = batch.segments[segmentIndex];
  const CrcTables& tables = *batch.tables;
  const auto width = static_cast<uint32_t>(elementWidth(segment.element));
  const auto elements = static_cast<uint32_t>(segment.elements);
  const auto behind = static_cast<uint32_t>(task.rawBytes - segment.rawOffset - segment.rawBytes);
  const U32 end = (laneIds() + U32(1)) << U32(streamBitsOf(segment.element));
  const U32 left = select(end < U32(elements), U32(elements) - end, U32(0)) * U32(width);
  const Mask exists = firstLanes(pieceCount(segment));
  const U32 remainder = load(batch.pieces + segmentIndex * segmentPieces, laneIds(), exists);
  U32 moved = multiplyResidues(remainder, shiftOver(tables, left + U32(segment.tailBytes + behind)));
  if (segment.phase + segment.tailBytes != 0) {
    uint8_t* const raw = task.raw + segment.rawOffset;
    eachLane(segment.phase, [&](uint32_t lane) { raw[lane] = segment.head[lane]; });
    eachLane(segment.tailBytes, [&](uint32_t lane) { raw[segment.rawBytes - segment.tailBytes + lane] = segment.tail[lane]; });
    // The first lane has the bytes in front, the second those behind.
    const U32 edge = select(firstLanes(1), remainderOf(segment.head, segment.phase),
                            select(firstLanes(2), remainderOf(segment.tail, segment.tailBytes), 0));
    const auto afterHead = static_cast<uint32_t>(segment.rawBytes - segment.phase + behind);
    moved ^= multiplyResidues(edge, shiftOver(tables, select(firstLanes(1), afterHead, behind)));
  }
  return sumWithoutCarry(moved);
}

/** By one block. */
SWARM_DEVICE void finishChunk(const DecodeBatch& batch, uint32_t chunk, uint32_t& sharedCrc) {
  DecodeState& state = batch.states[chunk];
  if (state.verdict != static_cast<int32_t>(Status::ok)) return;
  const DecodeTask& task = batch.tasks[chunk];
  eachWarp([&](uint32_t warp) {
    if (warp == 0) eachLane(1, [&](uint32_t) { sharedCrc = 0; });
  });
  eachWarp([&](uint32_t warp) {
    for (uint32_t segment = warp; segment < state.segmentCount; segment += blockWarps)
      addWithoutCarry(&sharedCrc, finishSegment(batch, chunk * chunkSegments + segment, task));
  });
  eachWarp([&](uint32_t warp) {
    if (warp != 0) return;
    const U32 start = multiplyResidues(UINT32_MAX, shiftOver(*batch.tables, task.rawBytes));
    const uint32_t crc = ~(sharedCrc ^ laneValue(start, 0));
    if (crc != state.rawChecksum) report(&state.verdict, Status::checksum);
  });
}

}  // namespace swarm::gpu
