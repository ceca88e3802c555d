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

struct DecodeBatch {
  const DecodeTask* tasks;
  uint32_t count;
  /** `count` of them. */
  DecodeState* states;
  /** chunkSegments for each chunk. */
  SegmentPlan* segments;
  /** segmentPieces for each segment: the remainders of its pieces. */
  uint32_t* pieces;
  /** planeScratchBytes for each segment. */
  uint8_t* planes;
  const CrcTables* tables;
};

}  // namespace swarm::gpu
