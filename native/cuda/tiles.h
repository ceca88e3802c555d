// Tiles of raw bytes, 512 each: joined from planes, written, summed up.
#pragma once

#include "cuda/crc.h"

namespace swarm::gpu {

/** Rows of four bytes to rows of four bytes: byte j of word i becomes byte i of word j. */
SWARM_DEVICE void transpose(const U32 (&rows)[4], U32 (&columns)[4]) {
  const U32 low = permuteBytes(rows[0], rows[1], 0x5140);
  const U32 high = permuteBytes(rows[2], rows[3], 0x5140);
  columns[0] = permuteBytes(low, high, 0x5410);
  columns[1] = permuteBytes(low, high, 0x7632);
  const U32 lowUpper = permuteBytes(rows[0], rows[1], 0x7362);
  const U32 highUpper = permuteBytes(rows[2], rows[3], 0x7362);
  columns[2] = permuteBytes(lowUpper, highUpper, 0x5410);
  columns[3] = permuteBytes(lowUpper, highUpper, 0x7632);
}

/** Two bf16 elements in each word, from the rotated form that their planes have and to it. */
SWARM_DEVICE U32 rotateHalves(U32 halves) {
  return (halves >> U32(1) & U32(0x7FFF7FFF)) | (halves & U32(0x00010001)) << U32(15);
}
SWARM_DEVICE U32 rotateHalvesBack(U32 halves) {
  return (halves << U32(1) & U32(0xFFFEFFFE)) | (halves >> U32(15) & U32(0x00010001));
}

/** Bytes of the planes that a tile has in each lane, by number of planes. */
template <unsigned width>
using PlaneWords = Words<4 / width>;

/** A tile of elements that have `width` bytes, from their planes. */
template <unsigned width>
SWARM_DEVICE Quad joinPlanes(const PlaneWords<width> (&planes)[width], Element element) {
  Quad tile;
  if constexpr (width == 1) {
    tile = planes[0];
  } else if constexpr (width == 2) {
    for (unsigned half = 0; half < 2; half++) {
      tile.of[2 * half] = permuteBytes(planes[1].of[half], planes[0].of[half], 0x5140);
      tile.of[2 * half + 1] = permuteBytes(planes[1].of[half], planes[0].of[half], 0x7362);
    }
    if (element == Element::bf16)
      for (U32& word : tile.of) word = rotateHalves(word);
  } else {
    transpose({planes[3].of[0], planes[2].of[0], planes[1].of[0], planes[0].of[0]}, tile.of);
    for (U32& word : tile.of) word = word >> U32(1) | word << U32(31);
  }
  return tile;
}

/** The planes of a tile: the inverse of joinPlanes. */
template <unsigned width>
SWARM_DEVICE void splitPlanes(Quad tile, Element element, PlaneWords<width> (&planes)[width]) {
  if constexpr (width == 1) {
    planes[0] = tile;
  } else if constexpr (width == 2) {
    if (element == Element::bf16)
      for (U32& word : tile.of) word = rotateHalvesBack(word);
    for (unsigned half = 0; half < 2; half++) {
      planes[0].of[half] = permuteBytes(tile.of[2 * half], tile.of[2 * half + 1], 0x7531);
      planes[1].of[half] = permuteBytes(tile.of[2 * half], tile.of[2 * half + 1], 0x6420);
    }
  } else {
    for (U32& word : tile.of) word = word << U32(1) | word >> U32(31);
    U32 bytes[4];
    transpose(tile.of, bytes);
    for (unsigned plane = 0; plane < 4; plane++) planes[plane].of[0] = bytes[3 - plane];
  }
}

SWARM_DEVICE U32 smaller(U32 first, U32 second) { return select(first < second, first, second); }

/** How many of the first `size` bytes of a tile each lane has. */
SWARM_DEVICE U32 ownBytes(uint32_t size) {
  const U32 start = laneIds() * U32(16);
  return smaller(select(start < U32(size), U32(size) - start, U32(0)), U32(16));
}

/** Sets the bytes of a tile from `size` on to zero. */
SWARM_DEVICE void cut(Quad& tile, uint32_t size) {
  const U32 own = ownBytes(size);
  for (unsigned word = 0; word < 4; word++) {
    const U32 start = U32(4 * word);
    const U32 kept = smaller(select(own > start, own - start, U32(0)), U32(4));
    // A shift by 32 is undefined, on both sides.
    const U32 mask = select(kept == U32(4), U32(UINT32_MAX), (U32(1) << (kept % U32(4) * U32(8))) - U32(1));
    tile.of[word] = tile.of[word] & mask;
  }
}

/** Writes raw bytes one tile after the other, and sums them up. */
class RawWriter {
 public:
  SWARM_DEVICE RawWriter(uint8_t* to, const CrcSteps& steps) : to_(to), crc_(steps) {}

  SWARM_DEVICE void add(const Quad& tile) {
    crc_.add(tile);
    if (reinterpret_cast<uintptr_t>(to_) % 16 == 0)
      storeWords(to_, laneIds(), tile);
    else
      storeBytes(tile, tileBytes);
    to_ += tileBytes;
  }

  /** The last tile, of which only the first `size` bytes are meant. Nothing is written behind them. */
  SWARM_DEVICE void addLast(Quad tile, uint32_t size) {
    cut(tile, size);
    crc_.add(tile);
    storeBytes(tile, size);
    zeros_ = tileBytes - size;
  }

  SWARM_DEVICE uint32_t total(const CrcTables& tables) const { return crc_.total(tables, zeros_); }

 private:
  SWARM_DEVICE void storeBytes(const Quad& tile, uint32_t size) {
    const U32 own = ownBytes(size);
    for (unsigned byte = 0; byte < 16; byte++)
      store(to_, laneIds() * U32(16) + U32(byte), tile.of[byte / 4] >> U32(byte % 4 * 8) & U32(0xFF), U32(byte) < own);
  }

  uint8_t* to_;
  uint32_t zeros_ = 0;
  TileCrc crc_;
};

}  // namespace swarm::gpu
