// CRC32C of decoded or raw bytes, 512 at a time: each lane has the remainders of its four words of each such tile, and moves them
// on over the tile by three lookups each. A remainder that is moved on by whole tiles from the same place is a sum of those, so
// that places count once, at the end. After the slicing of M. Kounavis and F. Berry, "A systematic approach to building high
// performance, software-based, CRC generators" (2005).
#pragma once

#include "cpu/crc32c.h"
#include "cuda/words.h"

namespace swarm::gpu {

/** Bytes that a warp handles at once: 16 of each lane. */
constexpr uint32_t tileBytes = 16 * warpLanes;

/** What moves a remainder on over a tile, by its bits 0 to 10, 11 to 21 and 22 to 31. Copied by 16 bytes. */
struct alignas(16) CrcSteps {
  uint32_t low[2048];
  uint32_t middle[2048];
  uint32_t high[1024];
};

/** All constants, as constants.h makes them. */
struct CrcTables {
  CrcSteps steps;
  /** By place of a word in its tile: what moves it to the tile's end. */
  uint32_t places[tileBytes / 4];
  /** By number of zero bytes at the end of a tile: what takes them back. */
  uint32_t withoutZeros[tileBytes];
  /** What moves a remainder on over 2^k bytes. */
  uint32_t powers[25];
};

/** crcMultiply in each lane. */
SWARM_DEVICE U32 multiplyResidues(U32 first, U32 second) {
#if defined(__CUDACC__)
  return crcMultiply(first, second);
#else
  return U32::each([&](uint32_t lane) { return crcMultiply(first.of[lane], second.of[lane]); });
#endif
}

/** What moves a remainder on over `bytes` bytes, fewer than 2^25. */
SWARM_DEVICE U32 shiftOver(const CrcTables& tables, U32 bytes) {
  U32 shift = 0x80000000;
  for (unsigned power = 0; power < 25; power++) {
    const Mask isPart = (bytes >> U32(power) & U32(1)) != U32(0);
    if (ballot(isPart) == 0) continue;
    shift = select(isPart, multiplyResidues(shift, tables.powers[power]), shift);
  }
  return shift;
}

/** The CRC32C of `size` bytes whose remainder, started from 0, is `remainder`. By one warp. */
SWARM_DEVICE uint32_t checksumOf(const CrcTables& tables, uint32_t remainder, uint32_t size) {
  const U32 start = multiplyResidues(UINT32_MAX, shiftOver(tables, size));
  return ~(remainder ^ laneValue(start, 0));
}

/** The remainder of bytes that a warp sees tile by tile, started from 0: what updateCrc(0, ..) gives. */
class TileCrc {
 public:
  /** `steps` is a copy near the warp. */
  SWARM_DEVICE explicit TileCrc(const CrcSteps& steps) : steps_(&steps), words_{0, 0, 0, 0} {}

  SWARM_DEVICE void add(const Quad& tile) {
    for (unsigned word = 0; word < 4; word++) {
      const U32 before = words_[word];
      words_[word] = load(steps_->low, before & U32(2047)) ^ load(steps_->middle, before >> U32(11) & U32(2047)) ^
                     load(steps_->high, before >> U32(22)) ^ tile.of[word];
    }
  }

  /** Of everything but the last `zeros` (fewer than a tile) bytes, which were zero. */
  SWARM_DEVICE uint32_t total(const CrcTables& tables, uint32_t zeros) const {
    U32 moved = 0;
    for (unsigned word = 0; word < 4; word++)
      moved ^= multiplyResidues(words_[word], load(tables.places, laneIds() * U32(4) + U32(word)));
    const U32 whole = sumWithoutCarry(moved);
    return laneValue(multiplyResidues(whole, tables.withoutZeros[zeros]), 0);
  }

 private:
  const CrcSteps* steps_;
  U32 words_[4];
};

/** Copies the constants for sums to where they are near. By one block. */
SWARM_DEVICE void loadSteps(const CrcTables& tables, CrcSteps& steps) {
  const auto from = reinterpret_cast<const uint8_t*>(&tables.steps);
  const auto to = reinterpret_cast<uint8_t*>(&steps);
  eachWarp([&](uint32_t warp) {
    for (uint32_t quad = warp * warpLanes; quad < sizeof(CrcSteps) / 16; quad += blockThreads)
      storeWords(to, U32(quad) + laneIds(), readQuad(from, U32(quad) + laneIds(), true));
  });
}

/** Continues the inverted CRC `crc` over a few bytes, bit by bit; plain code. */
SWARM_DEVICE uint32_t sumFew(uint32_t crc, const uint8_t* bytes, size_t size) {
  for (size_t at = 0; at < size; at++) {
    crc ^= bytes[at];
    for (unsigned bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (reflectedPolynomial & (0 - (crc & 1)));
  }
  return crc;
}

/** The CRC32C of a header's first 28 bytes; plain code. */
SWARM_DEVICE uint32_t headerCrc(const uint8_t* header) { return ~sumFew(UINT32_MAX, header, header_at::headerChecksum); }

}  // namespace swarm::gpu
