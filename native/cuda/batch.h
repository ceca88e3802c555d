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

}  // namespace swarm::gpu
