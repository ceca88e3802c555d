// The pass over all raw bytes that comes before modes and tables are chosen: it sums the bytes up and counts symbols.
#pragma once

#include "cuda/encode-batch.h"
#include "cuda/tiles.h"

namespace swarm::gpu {

/** Raw bytes of a segment that a warp sums up. */
constexpr unsigned sumBits = 15;
constexpr uint32_t sumBytes = 1 << sumBits;

/** Counted by the block of 1024 symbols where a plane is larger than this and level 0 is aimed at. */
constexpr uint32_t exactSymbols = 65536;
constexpr uint32_t countBlock = 1024;

struct SurveyShared {
  CrcSteps steps;
  uint32_t counts[planeCountMax][256];
  /** Flags by symbol. */
  uint8_t seen[planeCountMax][256];
};

/** Tiles of a segment's elements, whatever their alignment. */
class ElementTiles {
 public:
  SWARM_DEVICE ElementTiles(const uint8_t* raw, const EncodeSegment& segment)
      : first_(raw + segment.phase), isAligned_(segment.phase == 0) {}

  SWARM_DEVICE bool isAligned() const { return isAligned_; }

  /** The tile from byte `start`, a multiple of 16, of the elements on; of its bytes only `size` exist, the others are zero. */
  SWARM_DEVICE Quad read(uint32_t start, uint32_t size) const {
    const uint8_t* const from = first_ + start;
    if (isAligned_) {
      Quad tile = readQuad(from, laneIds(), laneIds() * U32(16) < U32(size));
      if (size < tileBytes) cut(tile, size);
      return tile;
    }
    Quad tile;
    for (unsigned word = 0; word < 4; word++) {
      tile.of[word] = 0;
      for (unsigned byte = 0; byte < 4; byte++) {
        const U32 at = laneIds() * U32(16) + U32(4 * word + byte);
        tile.of[word] |= load(from, at, at < U32(size)) << U32(8 * byte);
      }
    }
    return tile;
  }

 private:
  const uint8_t* first_;
  bool isAligned_;
};

/** Counts the symbols of a plane's part of a tile of which `count` exist, or notes that they occur. */
template <unsigned words>
SWARM_DEVICE void countSymbols(const Words<words>& symbols, uint32_t count, bool isCounted, uint32_t* counts, uint8_t* seen) {
  const auto eachSymbol = [&](auto work) {
    for (unsigned byte = 0; byte < 4 * words; byte++)
      work(symbols.of[byte / 4] >> U32(byte % 4 * 8) & U32(0xFF), laneIds() * U32(4 * words) + U32(byte) < U32(count));
  };
  if (isCounted)
    eachSymbol([&](U32 symbol, Mask exists) { addTo(counts, symbol, 1, exists); });
  else
    eachSymbol([&](U32 symbol, Mask exists) { store(seen, symbol, 1, exists); });
}

/** One warp's part of a survey: 32 KiB from byte `start` of the segment on. Returns their remainder. */
template <unsigned width>
SWARM_DEVICE uint32_t surveyPiece(const EncodeBatch& batch, const SegmentPlace& place, const EncodeSegment& segment,
                                  uint32_t start, SurveyShared& shared) {
  constexpr uint32_t tileElements = tileBytes / width;
  const uint32_t end = segment.rawBytes < start + sumBytes ? segment.rawBytes : start + sumBytes;
  const bool isSampled = place.task->profile == Profile::rans && segment.elements > exactSymbols;
  const ElementTiles tiles(place.raw, segment);
  TileCrc crc(shared.steps);
  uint32_t zeros = 0;
  for (uint32_t first = start; first < end; first += tileBytes) {
    const uint32_t size = end - first < tileBytes ? end - first : tileBytes;
    Quad tile = readQuad(place.raw + first, laneIds(), laneIds() * U32(16) < U32(size));
    if (size < tileBytes) cut(tile, size);
    crc.add(tile);
    zeros = tileBytes - size;
    const uint32_t element = first / width;
    if (element >= segment.elements) continue;
    const uint32_t count = segment.elements - element < tileElements ? segment.elements - element : tileElements;
    if (!tiles.isAligned()) tile = tiles.read(first, count * width);
    const uint32_t block = element / countBlock;
    const bool isCounted = !isSampled || block % 8 == block / 8 % 8;
    PlaneWords<width> planes[width];
    splitPlanes<width>(tile, segment.element, planes);
    for (uint32_t plane = 0; plane < width; plane++)
      if ((segment.storedPlanes >> plane & 1) == 0)
        countSymbols(planes[plane], count, isCounted, shared.counts[plane], shared.seen[plane]);
  }
  return crc.total(batch.tables->crc, zeros);
}

/** By one block: eight pieces of a segment. */
SWARM_DEVICE void surveySegment(const EncodeBatch& batch, uint32_t segmentIndex, uint32_t group, SurveyShared& shared) {
  const SegmentPlace place = placeOf(batch, segmentIndex);
  EncodeSegment& segment = batch.segments[segmentIndex];
  if (group * groupStreams * sumBytes >= segment.rawBytes) return;
  eachWarp([&](uint32_t warp) {
    const U32 symbol = U32(warp * warpLanes) + laneIds();
    for (uint32_t plane = 0; plane < planeCountMax; plane++) {
      store(shared.counts[plane], symbol, 0);
      store(shared.seen[plane], symbol, 0);
    }
  });
  loadSteps(batch.tables->crc, shared.steps);
  eachWarp([&](uint32_t warp) {
    const uint32_t piece = group * groupStreams + warp;
    const uint32_t start = piece * sumBytes;
    if (start >= segment.rawBytes) return;
    uint32_t remainder;
    switch (elementWidth(segment.element)) {
      case 1: remainder = surveyPiece<1>(batch, place, segment, start, shared); break;
      case 2: remainder = surveyPiece<2>(batch, place, segment, start, shared); break;
      default: remainder = surveyPiece<4>(batch, place, segment, start, shared);
    }
    eachLane(1, [&](uint32_t) { batch.pieces[segmentIndex * segmentPieces + piece] = remainder; });
  });
  eachWarp([&](uint32_t warp) {
    const U32 symbol = U32(warp * warpLanes) + laneIds();
    for (uint32_t plane = 0; plane < elementWidth(segment.element); plane++) {
      const U32 tally = load(shared.counts[plane], symbol) + load(shared.seen[plane], symbol) * U32(tallySeen);
      addTo(segment.tallies[plane], symbol, tally, tally != U32(0));
    }
  });
}

}  // namespace swarm::gpu
