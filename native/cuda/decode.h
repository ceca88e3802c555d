// The kernels that decode a batch of chunks, in this order: planChunk for each chunk, which counts and lists the work of the next
// three; decodePlane for each RANS plane and eight streams, then for each FIX plane and eight streams; joinSegment for eight pieces of
// each segment that was not joined yet; finishChunk for each chunk. Each is the work of one block of 8 warps (planChunk: one warp).
// A chunk that breaks a rule is left alone by those that follow.
//
// Nothing that a chunk says is used before it is checked: what planChunk does not look at (RANS tables, indexes, states),
// decodePlane does, block by block and stream by stream.
#pragma once

#include "cuda/decode-streams.h"

namespace swarm::gpu {

/** What the warps of a block share that decode streams of a RANS plane. */
struct RansShared {
  JoinShared join;
  /** Entries of a RANS plane as in DecodeTable, by slot. */
  uint32_t slots[size_t{1} << probabilityBitsMax];
  union {
    StreamStage stages[blockWarps];
    /** Before any stream: how often each symbol is in the table, and the first slots of its entries. */
    struct {
      uint32_t used[256];
      uint32_t starts[256];
    };
  };
  /** A Status: whether the table is right. */
  int32_t tableVerdict;
};

/** The same for a FIX plane, whose table is small. */
struct FixedShared {
  JoinShared join;
};

/** Fills the slots from a table that is checked as it is read; returns whether it is right. */
SWARM_DEVICE Status makeTable(const PlanePlan& plane, RansShared& shared) {
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
  return static_cast<Status>(shared.tableVerdict);
}

SWARM_DEVICE Status makeTable(const PlanePlan&, FixedShared&) { return Status::ok; }

/** A stream under way, and what its warp has of the block's memory. */
struct StreamWork {
  const PlanePlan& plane;
  uint32_t stream;
  uint32_t size;
  uint32_t warp;
  /** End of the chunk. */
  const uint8_t* readableEnd;
};

template <class Sink>
SWARM_DEVICE Status decodeStream(const StreamWork& work, RansShared& shared, Sink& sink) {
  const PlanePlan& plane = work.plane;
  const StreamPart part(plane, work.stream);
  if (!part.isRight(plane, work.stream, static_cast<uint32_t>((plane.dataEnd - plane.words) / 2))) return Status::streamIndex;
  RansRows rows(plane, shared.slots, work.stream, part, work.readableEnd, shared.stages[work.warp]);
  const Status checked = rows.check();
  if (checked != Status::ok) return checked;
  if (!decodeTiles(rows, work.size, sink)) return Status::words;
  return rows.finish(work.size % warpLanes, (work.size - 1) % Sink::tileSymbols / warpLanes, plane.data[0]);
}

template <unsigned codeBits, class Sink>
SWARM_DEVICE Status decodeFixed(const StreamWork& work, const StreamPart& part, Sink& sink) {
  FixedRows<Sink::planeWords, codeBits> rows(work.plane, work.stream, part, work.size);
  const Status checked = rows.check();
  if (checked != Status::ok) return checked;
  return decodeTiles(rows, work.size, sink) ? Status::ok : Status::code;
}

template <class Sink>
SWARM_DEVICE Status decodeStream(const StreamWork& work, FixedShared&, Sink& sink) {
  const PlanePlan& plane = work.plane;
  const StreamPart part(plane, work.stream);
  if (!part.isRight(plane, work.stream, static_cast<uint32_t>(plane.dataEnd - plane.escapes))) return Status::streamIndex;
  return plane.mode == PlaneMode::fix3e ? decodeFixed<3>(work, part, sink) : decodeFixed<4>(work, part, sink);
}

/** By one block: a group of streams. `shared` says of which kind of plane. */
template <class Shared>
SWARM_DEVICE void decodePlane(const DecodeBatch& batch, uint32_t item, Shared& shared) {
  const uint32_t segmentIndex = item >> 4;
  const uint32_t planeIndex = item >> 2 & 3;
  const uint32_t group = item & 3;
  const uint32_t chunk = segmentIndex / chunkSegments;
  DecodeState& state = batch.states[chunk];
  if (!isRight(state, shared.join)) return;
  const SegmentPlan& segment = batch.segments[segmentIndex];
  const PlanePlan& plane = segment.planes[planeIndex];
  const Status table = makeTable(plane, shared);
  eachWarp([&](uint32_t warp) {
    if (table != Status::ok) return report(&state.verdict, table);
    const uint32_t stream = group * groupStreams + warp;
    if (stream >= plane.streams) return;
    const DecodeTask& task = batch.tasks[chunk];
    const Piece piece = pieceOf(segment, stream);
    const StreamWork work = {plane, stream, piece.size, warp, task.encoded + task.encodedBytes};
    if (!isFused(segment)) {
      PlaneSink sink(planeScratch(batch, segmentIndex, segment, planeIndex) + piece.first);
      return report(&state.verdict, decodeStream(work, shared, sink));
    }
    RawWriter writer(rawOf(task, segment, piece), shared.join.steps);
    Status status;
    if (segment.element == Element::bytes) {
      Joiner<1> joiner(batch, segmentIndex, segment, piece.first, writer);
      status = decodeStream(work, shared, joiner);
    } else if (segment.element == Element::fp32) {
      Joiner<4> joiner(batch, segmentIndex, segment, piece.first, writer);
      status = decodeStream(work, shared, joiner);
    } else {
      Joiner<2> joiner(batch, segmentIndex, segment, piece.first, writer);
      status = decodeStream(work, shared, joiner);
    }
    batch.pieces[segmentIndex * segmentPieces + stream] = writer.total(*batch.tables);
    report(&state.verdict, status);
  });
}

}  // namespace swarm::gpu
