// From untrusted chunk bytes to a plan whose every offset, size and table has been proven. Decoders (scalar, SIMD, GPU) read
// the plan and need no range checks of their own, except for how many words a stream really consumes.
#pragma once

#include <array>

#include "format/layout.h"

namespace swarm {

/** One plane of one segment. Pointers lie inside the chunk. */
struct PlanePlan {
  PlaneMode mode;
  uint8_t symbol;              // constant: the one symbol
  uint8_t probabilityBits;     // rans
  uint8_t streamBits;          // log2 of the symbols of a stream
  uint16_t symbolCount;        // rans, fixed: entries of the table
  const uint8_t* data;         // raw: the plane; rans, fixed: the table's symbols
  const uint8_t* dataEnd;      // raw, rans, fixed: end of the plane's data
  const uint8_t* frequencies;  // rans, 16 bits each
  const uint8_t* streamEnds;   // rans, fixed: 32 bits each, in words or escapes
  const uint8_t* states;       // rans, 32 lanes of 32 bits per stream
  const uint8_t* words;        // rans, 16 bits each
  const uint8_t* bits;         // fixed: the first bit plane
  size_t bitPlaneBytes;        // fixed: from one bit plane to the next
  const uint8_t* escapes;      // fixed
  size_t streams;              // rans, fixed
};

struct SegmentPlan {
  Element element;
  uint8_t phase;
  uint8_t tailBytes;
  uint8_t planeCount;
  const uint8_t* head;
  const uint8_t* tail;
  size_t rawOffset;
  size_t rawBytes;
  size_t elements;
  std::array<PlanePlan, planeCountMax> planes;
};

struct ChunkPlan {
  ChunkHeader header;
  size_t segmentCount;
  std::array<SegmentPlan, segmentCountMax> segments;
};

/** Checks an ans chunk from end to end, except what only decoding can show. `plan.header` must come from parseHeader. */
Status parseSegments(ByteSpan encoded, ChunkPlan& plan);

/** Writes the 32 header bytes, checksums included. */
void writeHeader(const ChunkHeader& header, uint8_t* out);

}  // namespace swarm
