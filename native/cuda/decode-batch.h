// What a processor and the decoding kernels hand each other. All pointers are to the memory of the device that runs the kernels.
#pragma once

#include "cuda/batch.h"
#include "cuda/crc.h"
#include "format/parse.h"

namespace swarm::gpu {

/** A chunk to decode. Both pointers are aligned to 16 bytes. */
struct DecodeTask {
  const uint8_t* encoded;
  uint32_t encodedBytes;
  /** A chunk whose header gives another size is refused. */
  uint32_t rawBytes;
  uint8_t* raw;
  /** planeScratchBytes for each segment. */
  uint8_t* planes;
};

/** A chunk under way. */
struct DecodeState {
  /** A Status. */
  int32_t verdict;
  uint32_t segmentCount;
  uint32_t rawChecksum;
};

/** Decoded planes of a segment that have to be joined later: each is padded to 16 bytes. */
constexpr size_t planeScratchBytes = segmentBytesMax + 16 * planeCountMax;

/** How many pieces of work the chunks gave. */
struct DecodeWork {
  uint32_t ransCount;
  uint32_t fixedCount;
  uint32_t joinCount;
};

/** A segment, a plane of it to decode, and a group of streams, or of pieces to join. */
SWARM_DEVICE uint32_t packItem(uint32_t segmentIndex, uint32_t plane, uint32_t group) {
  return segmentIndex << 4 | plane << 2 | group;
}
static_assert(planeCountMax <= 4 && groupCount <= 4, "two bits each");

/** A chunk's, at most. Two-byte elements and bytes have as many streams in a plane as four-byte ones in two. */
constexpr uint32_t decodeItemsMax = chunkSegments * 2 * groupCount;
constexpr uint32_t joinItemsMax = chunkSegments * groupCount;

struct DecodeBatch {
  const DecodeTask* tasks;
  uint32_t count;
  /** `count` of them. */
  DecodeState* states;
  /** chunkSegments for each chunk. */
  SegmentPlan* segments;
  /** segmentPieces for each segment: the remainders of its pieces. */
  uint32_t* pieces;
  /** Starts with zero counts. */
  DecodeWork* work;
  /** decodeItemsMax and joinItemsMax for each chunk: what `work` counts, groups of FIX planes from the end of `decodeItems` on. */
  uint32_t* decodeItems;
  uint32_t* joinItems;
  const CrcTables* tables;

  /** Where the items of FIX planes are as long as there are `taken`. */
  SWARM_DEVICE uint32_t* fixedItems(uint32_t taken) const { return decodeItems + count * decodeItemsMax - taken; }
};

}  // namespace swarm::gpu
