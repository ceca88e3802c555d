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

/** The bytes of a plane, wherever they are: at an address, or one byte everywhere. */
class PlaneSource {
 public:
  SWARM_DEVICE PlaneSource() : place_(0), isConstant_(true) {}
  SWARM_DEVICE PlaneSource(const DecodeBatch& batch, uint32_t segmentIndex, const SegmentPlan& segment, uint32_t plane)
      : isConstant_(segment.planes[plane].mode == PlaneMode::constant) {
    const PlanePlan& own = segment.planes[plane];
    const uint8_t* const data =
        own.mode == PlaneMode::raw ? own.data : planeScratch(batch, segmentIndex, segment, plane);
    place_ = isConstant_ ? own.symbol * 0x01010101u : reinterpret_cast<uintptr_t>(data);
  }

  /** The plane's part of a tile that starts with element `first`, in lanes with `exists`. */
  template <unsigned count>
  SWARM_DEVICE Words<count> tile(uint32_t first, Mask exists) const {
    if (!isConstant_) return readWords<count>(reinterpret_cast<const uint8_t*>(place_) + first, laneIds(), exists);
    Words<count> words;
    for (U32& word : words.of) word = static_cast<uint32_t>(place_);
    return words;
  }

 private:
  uintptr_t place_;
  bool isConstant_;
};

/** Makes elements of `width` bytes of their planes, tile by tile, and writes them: where the first plane comes from, others know. */
template <unsigned width>
class Joiner {
 public:
  static constexpr unsigned planeWords = 4 / width;
  static constexpr uint32_t tileSymbols = tileBytes / width;

  /** Starts with element `first` of the segment. */
  SWARM_DEVICE Joiner(const DecodeBatch& batch, uint32_t segmentIndex, const SegmentPlan& segment, uint32_t first,
                      RawWriter& writer)
      : element_(segment.element), next_(first), writer_(&writer) {
    for (uint32_t plane = 1; plane < width; plane++) sources_[plane] = PlaneSource(batch, segmentIndex, segment, plane);
  }

  /** Loads the other planes of the next tile, of whose elements `count` exist, while its first plane is still to come. */
  SWARM_DEVICE void prepare(uint32_t count) {
    const Mask exists = laneIds() * U32(tileSymbols / warpLanes) < U32(count);
    for (uint32_t plane = 1; plane < width; plane++) planes_[plane] = sources_[plane].template tile<planeWords>(next_, exists);
  }

  SWARM_DEVICE void add(const Words<planeWords>& first) {
    planes_[0] = first;
    writer_->add(joinPlanes<width>(planes_, element_));
    next_ += tileSymbols;
  }

  /** The last tile, of whose elements only `count` exist. */
  SWARM_DEVICE void addLast(const Words<planeWords>& first, uint32_t count) {
    planes_[0] = first;
    writer_->addLast(joinPlanes<width>(planes_, element_), count * width);
  }

 private:
  Element element_;
  uint32_t next_;
  RawWriter* writer_;
  /** The first one is not used. */
  PlaneSource sources_[width];
  PlaneWords<width> planes_[width];
};

template <unsigned width>
SWARM_DEVICE void joinPiece(const DecodeBatch& batch, uint32_t segmentIndex, const SegmentPlan& segment, const Piece& piece,
                            RawWriter& writer) {
  using Own = Joiner<width>;
  const PlaneSource source(batch, segmentIndex, segment, 0);
  Own joiner(batch, segmentIndex, segment, piece.first, writer);
  for (uint32_t first = 0; first < piece.size; first += Own::tileSymbols) {
    const uint32_t rest = piece.size - first;
    joiner.prepare(rest);
    const Mask exists = laneIds() * U32(Own::tileSymbols / warpLanes) < U32(rest);
    const Words<Own::planeWords> symbols = source.template tile<Own::planeWords>(piece.first + first, exists);
    if (rest >= Own::tileSymbols)
      joiner.add(symbols);
    else
      joiner.addLast(symbols, rest);
  }
}

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
    RawWriter writer(rawOf(batch.tasks[chunk], segment, piece), shared.steps);
    switch (elementWidth(segment.element)) {
      case 1: joinPiece<1>(batch, segmentIndex, segment, piece, writer); break;
      case 2: joinPiece<2>(batch, segmentIndex, segment, piece, writer); break;
      default: joinPiece<4>(batch, segmentIndex, segment, piece, writer);
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
