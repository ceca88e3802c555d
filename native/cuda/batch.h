// How the work on a batch of chunks is cut: by segment, plane, and group of streams or pieces.
#pragma once

#include "cuda/lanes.h"

namespace swarm::gpu {

constexpr uint32_t chunkSegments = segmentCountMax;
/** Streams of a plane at most; also the pieces of a segment that are summed each on its own, as long as a stream each. */
constexpr uint32_t segmentPieces = segmentBytesMax >> streamBitsOfBytes;
static_assert(segmentPieces == segmentBytesMax / 2 >> streamBitsOfPlanes, "bytes have as many streams as 16-bit elements");

/** Streams of a plane that one block works on, one for each warp. */
constexpr uint32_t groupStreams = blockWarps;
constexpr uint32_t groupCount = segmentPieces / groupStreams;

/** What a warp works on of a segment: as many elements as a stream has symbols. */
struct Piece {
  uint32_t first;
  uint32_t size;
};

/** Piece `index` of `elements`, which go that far. */
SWARM_DEVICE Piece pieceOf(uint32_t elements, unsigned streamBits, uint32_t index) {
  const uint32_t first = index << streamBits;
  const uint32_t rest = elements - first;
  return {first, rest < uint32_t{1} << streamBits ? rest : uint32_t{1} << streamBits};
}

/** Whether a plane consists of streams. */
SWARM_DEVICE bool isCoded(PlaneMode mode) { return mode == PlaneMode::rans || codeBitsOf(mode) != 0; }

}  // namespace swarm::gpu
