// The second half of decoding: segments whose planes were decoded each on its own are joined, and checksums compared.
#pragma once

#include "cuda/decode-plan.h"
#include "cuda/tiles.h"

namespace swarm::gpu {

/** What the warps of a block share. `steps` are there before its first piece of work. */
struct JoinShared {
  CrcSteps steps;
  int32_t verdict;
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

SWARM_DEVICE uint8_t* planeScratch(const DecodeBatch& batch, uint32_t segmentIndex, const SegmentPlan& segment,
                                   uint32_t plane) {
  return batch.tasks[segmentIndex / chunkSegments].planes + segmentIndex % chunkSegments * planeScratchBytes +
         plane * alignUp(segment.elements);
}

/** Where the piece's raw bytes go. */
SWARM_DEVICE uint8_t* rawOf(const DecodeTask& task, const SegmentPlan& segment, const Piece& piece) {
  return task.raw + segment.rawOffset + segment.phase + piece.first * elementWidth(segment.element);
}

/** A plane that is to be joined. */
struct PlaneSource {
  const uint8_t* data;
  uint32_t everywhere;
  bool isConstant;
};

/** Joins tiles from the planes of a segment, wherever these are. */
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
    const U32 edge = select(firstLanes(1), sumFew(0, segment.head, segment.phase),
                            select(firstLanes(2), sumFew(0, segment.tail, segment.tailBytes), 0));
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
    if (checksumOf(*batch.tables, sharedCrc, task.rawBytes) != state.rawChecksum) report(&state.verdict, Status::checksum);
  });
}

}  // namespace swarm::gpu
