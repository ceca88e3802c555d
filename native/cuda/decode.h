// The kernels that decode a batch of chunks, in this order: planChunk for each chunk, which counts and lists the work of the next
// two; decodePlane for each plane and eight streams; joinSegment for eight pieces of each segment that was not joined yet;
// finishChunk for each chunk. Each is the work of one block of 8 warps (planChunk: one warp). A chunk that breaks a rule is left
// alone by those that follow.
//
// Nothing that a chunk says is used before it is checked: what planChunk does not look at (RANS tables, indexes, states),
// decodePlane does, block by block and stream by stream.
#pragma once

#include <type_traits>

#include "cuda/decode-streams.h"

namespace swarm::gpu {

struct DecodeShared {
  JoinShared join;
  /** Entries of a RANS plane as in DecodeTable, by slot. */
  uint32_t slots[size_t{1} << probabilityBitsMax];
  alignas(16) uint8_t stages[blockWarps][stageSymbols];
  /** A Status: whether the table is right. */
  int32_t tableVerdict;
  /** Flags by symbol. */
  uint32_t used[256];
  uint32_t starts[256];
};

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
        store(shared.slots, U32(start) + offset, U32(value) | offset << U32(8), offset < U32(frequency));
      }
    }
  });
}

template <class Sink>
SWARM_DEVICE Status decodeStream(const PlanePlan& plane, const DecodeShared& shared, uint32_t stream, uint32_t size,
                                 const uint8_t* readableEnd, uint8_t* stage, Sink& sink) {
  const StreamPart part(plane, stream);
  const uint8_t* const taken = plane.mode == PlaneMode::rans ? plane.words : plane.escapes;
  const auto takenBytes = static_cast<uint32_t>(plane.dataEnd - taken);
  if (!part.isRight(plane, stream, plane.mode == PlaneMode::rans ? takenBytes / 2 : takenBytes)) return Status::streamIndex;
  if (plane.mode == PlaneMode::rans) {
    RansRows rows(plane, shared.slots, stream, part, readableEnd);
    const Status checked = rows.check();
    if (checked != Status::ok) return checked;
    if (!decodeTiles(rows, size, stage, sink)) return Status::words;
    const uint32_t lastRow = (size - 1) % Sink::tileSymbols / warpLanes * warpLanes;
    return rows.finish(size % warpLanes, stage + lastRow, plane.data[0]);
  }
  FixedRows rows(plane, stream, part);
  const Status checked = rows.check(size);
  if (checked != Status::ok) return checked;
  return decodeTiles(rows, size, stage, sink) ? Status::ok : Status::code;
}

/** A stream of the first plane of a segment whose other planes are not coded. */
template <unsigned width>
SWARM_DEVICE Status decodeFused(const DecodeBatch& batch, uint32_t segmentIndex, const SegmentPlan& segment,
                                const DecodeShared& shared, uint32_t stream, const Piece& piece, const uint8_t* readableEnd,
                                uint8_t* stage, RawWriter& writer) {
  Joiner<width> joiner(batch, segmentIndex, segment, piece.first, writer);
  return decodeStream(segment.planes[0], shared, stream, piece.size, readableEnd, stage, joiner);
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
  const bool isRans = plane.mode == PlaneMode::rans;
  if (isRans) makeTable(plane, shared);
  eachWarp([&](uint32_t warp) {
    if (isRans && shared.tableVerdict != static_cast<int32_t>(Status::ok)) {
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
      const auto decode = [&](auto width) {
        return decodeFused<width>(batch, segmentIndex, segment, shared, stream, piece, readableEnd, stage, writer);
      };
      switch (elementWidth(segment.element)) {
        case 1: status = decode(std::integral_constant<unsigned, 1>()); break;
        case 2: status = decode(std::integral_constant<unsigned, 2>()); break;
        default: status = decode(std::integral_constant<unsigned, 4>());
      }
      batch.pieces[segmentIndex * segmentPieces + stream] = writer.total(*batch.tables);
    }
    report(&state.verdict, status);
  });
}

}  // namespace swarm::gpu
