// What the encoding kernels hand each other. All pointers are to the memory of the device that runs them.
#pragma once

#include "cuda/batch.h"
#include "cuda/crc.h"
#include "format/check-segment.h"

namespace swarm::gpu {

/** What became of a chunk. */
struct EncodeState {
  uint32_t encodedBytes;
  ChunkCodec codec;
  uint32_t floatSegments;
};

/**
 * The count of a symbol in a plane, and this for each block that saw the symbol where it was not to be counted: such symbols count 1
 * when nobody counted them. Counts reach 2^20.
 */
constexpr uint32_t tallySeen = uint32_t{1} << 24;

/** How a plane is encoded, and how large it becomes. */
struct EncodePlane {
  PlaneMode mode;
  /** constant */
  uint8_t symbol;
  /** rans */
  uint8_t probabilityBits;
  /** Entries of the table; `frequencies` are for rans. */
  uint32_t symbolCount;
  uint8_t symbols[256];
  uint16_t frequencies[256];
  /** fixed: escapes. rans: words, once the streams are encoded. */
  uint32_t wordCount;
  /** Where the data starts in the segment, and its size without padding. */
  uint32_t offset;
  uint32_t bytes;
};

struct EncodeSegment {
  Element element;
  uint8_t phase;
  uint8_t storedPlanes;
  uint8_t tailBytes;
  uint32_t rawBytes;
  uint32_t elements;
  /** In the chunk. */
  uint32_t offset;
  EncodePlane planes[planeCountMax];
  /** Zero, until the planes are counted. */
  uint32_t tallies[planeCountMax][256];
  /** Words or escapes of each stream. */
  uint32_t streamWords[planeCountMax][segmentPieces];
};

/** log2Fixed by value, from 1 on. */
constexpr size_t logCount = 16385;

struct EncodeTables {
  CrcTables crc;
  uint16_t logs[logCount];
};

/**
 * Room for what streams become before their places are known. A stream of 2^b symbols has 2 * 2^b bytes: words, which end there, or
 * the bit planes of a FIX stream and its escapes.
 */
constexpr size_t encodeScratchBytes = 2 * segmentBytesMax + 2 * planeCountMax * (size_t{1} << streamBitsOfBytes);

/** States that the streams of a segment start with; fp32 has half as many in each of twice as many planes. */
constexpr size_t streamStateCount = 2 * segmentPieces * warpLanes;

/** A chunk to encode. Pointers to bytes are aligned to 16 bytes; `out` holds maxEncodedBytes(rawBytes), rounded up to 16. */
struct EncodeTask {
  const uint8_t* raw;
  uint8_t* out;
  uint32_t rawBytes;
  Element hint;
  Profile profile;
  /** encodeScratchBytes for each segment. */
  uint8_t* scratch;
  /** streamStateCount for each segment. */
  uint32_t* streamStates;
};

struct EncodeBatch {
  const EncodeTask* tasks;
  uint32_t count;
  EncodeState* states;
  /** chunkSegments for each chunk. */
  EncodeSegment* segments;
  /** segmentPieces for each segment: remainders of its raw bytes, by 32 KiB. */
  uint32_t* pieces;
  const EncodeTables* tables;
  /** Numbers of the segments that there are: chunk * chunkSegments and the number in the chunk. */
  const uint32_t* segmentIndexes;
  uint32_t segmentCount;
};

/** A segment of a batch, and the chunk that it belongs to. */
struct SegmentPlace {
  uint32_t chunk;
  uint32_t index;
  const EncodeTask* task;
  const uint8_t* raw;
};

SWARM_DEVICE SegmentPlace placeOf(const EncodeBatch& batch, uint32_t segmentIndex) {
  const uint32_t chunk = segmentIndex / chunkSegments;
  const uint32_t index = segmentIndex % chunkSegments;
  const EncodeTask* const task = batch.tasks + chunk;
  return {chunk, index, task, task->raw + (size_t{index} << segmentBits)};
}

/** Elements of a segment, as their planes have them: rotated where they are floating point of that kind. */
class Elements {
 public:
  /** `first` is where the first element starts. */
  SWARM_DEVICE Elements(const uint8_t* first, Element element)
      : first_(first),
        width_(static_cast<uint32_t>(elementWidth(element))),
        rotates_(element == Element::bf16 || element == Element::fp32),
        isAligned_(reinterpret_cast<uintptr_t>(first) % elementWidth(element) == 0) {}

  SWARM_DEVICE uint32_t width() const { return width_; }

  SWARM_DEVICE U32 values(U32 index, Mask mask) const {
    if (width_ == 1) return load(first_, index, mask);
    const U32 at = index * U32(width_);
    if (width_ == 2) {
      const U32 value = isAligned_ ? readHalf(first_, index, mask)
                                   : load(first_, at, mask) | load(first_, at + U32(1), mask) << U32(8);
      return rotates_ ? (value << U32(1) | value >> U32(15)) & U32(0xFFFF) : value;
    }
    U32 value = 0;
    if (isAligned_) {
      value = readWord(first_, index, mask);
    } else {
      for (uint32_t byte = 0; byte < 4; byte++) value |= load(first_, at + U32(byte), mask) << U32(8 * byte);
    }
    return value << U32(1) | value >> U32(31);
  }

  SWARM_DEVICE U32 symbolOf(U32 value, uint32_t plane) const { return value >> U32(8 * (width_ - 1 - plane)) & U32(0xFF); }

 private:
  const uint8_t* first_;
  uint32_t width_;
  bool rotates_;
  bool isAligned_;
};

}  // namespace swarm::gpu
