// Where every field of a chunk lies (protocols/chunk.md), and how little-endian fields are read and written.
// Numbers of the format stand here and nowhere else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "codec.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "fields are copied as they lie in memory, which is right on little-endian machines only"
#endif

// What follows is for GPUs too; constexpr functions are, by an option of their compiler.
#if defined(__CUDACC__)
#define SWARM_BOTH __host__ __device__
#else
#define SWARM_BOTH
#endif

namespace swarm {

/** "SWCK". */
constexpr uint32_t magicWord = 0x4B435753;
constexpr uint8_t formatVersion = 1;
constexpr uint8_t encoderVersion = 1;
constexpr uint8_t ansLevelMax = static_cast<uint8_t>(Profile::fast);
constexpr uint8_t zstdLevelMax = 19;

namespace header_at {
constexpr size_t version = 4, codec = 5, encoder = 6, level = 7, rawBytes = 8, encodedBytes = 12, segmentBits = 16,
                 streamBits = 17, hint = 18, reserved = 19, reservedWord = 20, rawChecksum = 24, headerChecksum = 28;
}

constexpr unsigned segmentBits = 20;
constexpr size_t segmentBytesMax = size_t{1} << segmentBits;
constexpr size_t segmentCountMax = rawBytesMax >> segmentBits;
/** log2 of a stream's symbols where an element has several planes, and where it has one. */
constexpr unsigned streamBitsOfPlanes = 14;
constexpr unsigned streamBitsOfBytes = 15;
constexpr size_t laneCount = 32;
constexpr size_t planeCountMax = 4;

constexpr size_t segmentHeaderBytes = 16;
constexpr size_t planeDescriptorBytes = 16;
constexpr size_t segmentPrefixBytes = segmentHeaderBytes + planeCountMax * planeDescriptorBytes;

namespace segment_at {
constexpr size_t element = 0, phase = 1, reserved = 2, head = 4, tail = 8, reservedWord = 12;
constexpr size_t edgeBytes = 4;
}

namespace plane_at {
/** `symbol` holds the probability bits of a RANS plane. `wordCount` counts the escapes of a FIX plane. */
constexpr size_t mode = 0, symbol = 1, symbolCount = 2, offset = 4, bytes = 8, wordCount = 12;
}

enum class PlaneMode : uint8_t { unused = 0, raw = 1, constant = 2, rans = 3, fix3e = 4, fix4e = 5 };

constexpr unsigned probabilityBitsMin = 10;
constexpr unsigned probabilityBitsMax = 12;
constexpr uint32_t stateMin = uint32_t{1} << 15;
constexpr uint32_t stateLimit = uint32_t{1} << 31;

constexpr size_t alignUp(size_t size) { return (size + 15) & ~size_t{15}; }

/** Bytes of one element; 0 for a number that is no element type. */
constexpr size_t elementWidth(Element element) {
  switch (element) {
    case Element::bytes: return 1;
    case Element::bf16: return 2;
    case Element::fp16: return 2;
    case Element::fp32: return 4;
    case Element::unknown: break;
  }
  return 0;
}

/** log2 of how many symbols of a plane make a stream. */
constexpr unsigned streamBitsOf(Element element) {
  return element == Element::bytes ? streamBitsOfBytes : streamBitsOfPlanes;
}

constexpr size_t segmentCountOf(size_t rawBytes) { return (rawBytes + segmentBytesMax - 1) >> segmentBits; }

constexpr size_t streamCount(size_t symbols, unsigned streamBits) {
  return (symbols + (size_t{1} << streamBits) - 1) >> streamBits;
}

/** Bits of a code of a FIX plane; 0 for the other modes. */
constexpr unsigned codeBitsOf(PlaneMode mode) {
  return mode == PlaneMode::fix3e ? 3 : mode == PlaneMode::fix4e ? 4 : 0;
}

constexpr unsigned codeBitsMax = 4;

/** The parts of a RANS plane, as offsets from its start. */
struct RansLayout {
  size_t streams, frequencies, streamEnds, states, words;
  SWARM_BOTH RansLayout(size_t symbols, size_t symbolCount, unsigned streamBits)
      : streams(streamCount(symbols, streamBits)),
        frequencies(alignUp(symbolCount)),
        streamEnds(frequencies + alignUp(2 * symbolCount)),
        states(streamEnds + alignUp(4 * streams)),
        words(states + 4 * laneCount * streams) {}
};

/** The parts of a FIX plane, as offsets from its start. Bit plane j starts at bits + j * bitPlaneBytes. */
struct FixedLayout {
  size_t streams, streamEnds, bits, bitPlaneBytes, escapes;
  SWARM_BOTH FixedLayout(size_t symbols, size_t symbolCount, unsigned codeBits, unsigned streamBits)
      : streams(streamCount(symbols, streamBits)),
        streamEnds(alignUp(symbolCount)),
        bits(streamEnds + alignUp(4 * streams)),
        bitPlaneBytes(alignUp((symbols + 7) / 8)),
        escapes(bits + codeBits * bitPlaneBytes) {}
};

#if defined(__CUDA_ARCH__)
// On GPUs chunks are aligned, so that their fields are, and copies of unknown alignment would go byte by byte.
__device__ inline uint16_t load16(const uint8_t* from) { return *reinterpret_cast<const uint16_t*>(from); }
__device__ inline uint32_t load32(const uint8_t* from) { return *reinterpret_cast<const uint32_t*>(from); }
__device__ inline void store16(uint8_t* to, uint16_t value) { *reinterpret_cast<uint16_t*>(to) = value; }
__device__ inline void store32(uint8_t* to, uint32_t value) { *reinterpret_cast<uint32_t*>(to) = value; }
#else
SWARM_BOTH inline uint16_t load16(const uint8_t* from) {
  uint16_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

SWARM_BOTH inline uint32_t load32(const uint8_t* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

SWARM_BOTH inline void store16(uint8_t* to, uint16_t value) { std::memcpy(to, &value, sizeof value); }
SWARM_BOTH inline void store32(uint8_t* to, uint32_t value) { std::memcpy(to, &value, sizeof value); }
#endif

SWARM_BOTH inline bool allZero(const uint8_t* bytes, size_t size) {
  uint8_t seen = 0;
  for (size_t index = 0; index < size; index++) seen |= bytes[index];
  return seen == 0;
}

}  // namespace swarm
