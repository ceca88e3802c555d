// Encoding the streams of planes, a warp for each, to scratch: sizes have to be known before anything has its place in the chunk.
#pragma once

#include "cuda/encode-batch.h"

namespace swarm::gpu {

/** Rows whose symbols are loaded together. */
constexpr uint32_t rowsAtOnce = 8;

/** What encoding one symbol needs, as in SymbolStep of native/cpu/rans.h. */
struct StreamShared {
  uint32_t starts[256];
  uint32_t reciprocals[256];
  uint32_t packed[256];
  uint32_t codes[256];
};

SWARM_DEVICE uint8_t* streamScratch(const EncodeBatch& batch, uint32_t segmentIndex, const EncodeSegment& segment,
                                    uint32_t plane, uint32_t stream) {
  const unsigned bits = streamBitsOf(segment.element);
  const size_t streams = streamCount(segment.elements, bits);
  return placeOf(batch, segmentIndex).task->scratch + segmentIndex % chunkSegments * encodeScratchBytes +
         ((plane * streams + stream) << (bits + 1));
}

SWARM_DEVICE uint32_t* streamStates(const EncodeBatch& batch, uint32_t segmentIndex, const EncodeSegment& segment,
                                    uint32_t plane, uint32_t stream) {
  const size_t streams = streamCount(segment.elements, streamBitsOf(segment.element));
  return placeOf(batch, segmentIndex).task->streamStates + segmentIndex % chunkSegments * streamStateCount +
         (plane * streams + stream) * warpLanes;
}

/** Escapes of a FIX stream lie behind room for its bit planes. */
SWARM_DEVICE size_t escapesOffset(unsigned streamBits) { return (size_t{codeBitsMax} << streamBits) / 8; }

SWARM_DEVICE void makeSteps(const EncodePlane& plane, StreamShared& shared) {
  eachWarp([&](uint32_t warp) {
    if (warp != 0) return;
    uint32_t total = 0;
    for (uint32_t first = 0; first < plane.symbolCount; first += warpLanes) {
      const U32 entry = U32(first) + laneIds();
      const Mask isOne = entry < U32(plane.symbolCount);
      const U32 frequency = load(plane.frequencies, entry, isOne);
      store(shared.starts, entry, U32(total) + sumBelow(frequency), isOne);
      total += sum(frequency);
    }
  });
  eachWarp([&](uint32_t warp) {
    eachLane(warpLanes, [&](uint32_t lane) {
      const uint32_t entry = warp * warpLanes + lane;
      if (entry >= plane.symbolCount) return;
      const uint32_t frequency = plane.frequencies[entry];
      const uint32_t start = shared.starts[entry];
      const uint32_t symbol = plane.symbols[entry];
      uint32_t shift = 0;
      while (uint32_t{2} << shift < frequency) shift++;
      // There is no reciprocal of 1; this one gives x - 1, which the addend makes up for.
      const bool isSingle = frequency == 1;
      shared.reciprocals[symbol] =
          isSingle ? UINT32_MAX
                   : static_cast<uint32_t>(((uint64_t{1} << (32 + shift)) + frequency - 1) / frequency);
      const uint32_t addend = isSingle ? start + (uint32_t{1} << plane.probabilityBits) - 1 : start;
      shared.packed[symbol] = frequency | addend << 12 | shift << 25;
    });
  });
}

/** From the last row to the first; words grow downwards in `words`, which ends with `streamSymbols` of them. Returns how many. */
SWARM_DEVICE uint32_t encodeRans(const EncodePlane& plane, const Elements& elements, uint32_t planeIndex, uint32_t first,
                                 uint32_t size, uint32_t streamSymbols, const StreamShared& shared, uint8_t* words,
                                 uint32_t* states) {
  const uint32_t bits = plane.probabilityBits;
  const uint32_t filler = plane.symbols[0];
  const uint32_t rows = (size + warpLanes - 1) / warpLanes;
  uint32_t next = streamSymbols;
  U32 state = stateMin;
  for (uint32_t end = rows; end > 0;) {
    const uint32_t start = end > rowsAtOnce ? end - rowsAtOnce : 0;
    U32 symbols[rowsAtOnce];
    for (uint32_t row = 0; row < rowsAtOnce; row++) {
      const U32 at = U32((start + row) * warpLanes) + laneIds();
      const Mask isOne = at < U32(size);
      symbols[row] = select(isOne, elements.symbols(U32(first) + at, isOne, planeIndex), filler);
    }
    for (uint32_t row = rowsAtOnce; row-- > 0;) {
      if (start + row >= end) continue;
      const U32 packed = load(shared.packed, symbols[row]);
      const U32 frequency = packed & U32(0xFFF);
      const Mask emits = state >= frequency << U32(31 - bits);
      const uint32_t emitted = ballot(emits);
      next -= countBits(emitted);
      storeHalf(words, U32(next) + countBits(U32(emitted) & bitsBelow()), state & U32(0xFFFF), emits);
      state = select(emits, state >> U32(16), state);
      const U32 quotient = multiplyHigh(state, load(shared.reciprocals, symbols[row])) >> (packed >> U32(25));
      state = state + (packed >> U32(12) & U32(0x1FFF)) + quotient * (U32(uint32_t{1} << bits) - frequency);
    }
    end = start;
  }
  store(states, laneIds(), state);
  return streamSymbols - next;
}

/** Bit planes, each 2^streamBits / 8 bytes, and escapes to `scratch`. Returns how many escapes there are. */
SWARM_DEVICE uint32_t encodeFixed(const EncodePlane& plane, const Elements& elements, uint32_t planeIndex, uint32_t first,
                                  uint32_t size, unsigned streamBits, const StreamShared& shared, uint8_t* scratch) {
  const uint32_t codeBits = codeBitsOf(plane.mode);
  const uint32_t escape = (uint32_t{1} << codeBits) - 1;
  const size_t stride = (size_t{1} << streamBits) / 8;
  uint8_t* const escapes = scratch + escapesOffset(streamBits);
  uint32_t next = 0;
  for (uint32_t start = 0; start < size; start += warpLanes) {
    const U32 at = U32(start) + laneIds();
    const Mask isOne = at < U32(size);
    const U32 symbol = elements.symbols(U32(first) + at, isOne, planeIndex);
    const U32 code = select(isOne, load(shared.codes, symbol), 0);
    for (uint32_t bit = 0; bit < codeBits; bit++) {
      const uint32_t word = ballot((code >> U32(bit) & U32(1)) != U32(0));
      storeWord(scratch + bit * stride, U32(start / warpLanes), word, firstLanes(1));
    }
    const Mask escaped = code == U32(escape);
    const uint32_t lanes = ballot(escaped);
    store(escapes, U32(next) + countBits(U32(lanes) & bitsBelow()), symbol, escaped);
    next += countBits(lanes);
  }
  return next;
}

/** By one block: streams from group * groupStreams on of a plane. */
SWARM_DEVICE void encodePlane(const EncodeBatch& batch, uint32_t segmentIndex, uint32_t planeIndex, uint32_t group,
                              StreamShared& shared) {
  const SegmentPlace place = placeOf(batch, segmentIndex);
  EncodeSegment& segment = batch.segments[segmentIndex];
  if (planeIndex >= elementWidth(segment.element)) return;
  const EncodePlane& plane = segment.planes[planeIndex];
  const unsigned streamBits = streamBitsOf(segment.element);
  const auto streams = static_cast<uint32_t>(streamCount(segment.elements, streamBits));
  if (!isCoded(plane.mode) || group * groupStreams >= streams) return;
  if (plane.mode == PlaneMode::rans) {
    makeSteps(plane, shared);
  } else {
    const uint32_t escape = (uint32_t{1} << codeBitsOf(plane.mode)) - 1;
    eachWarp([&](uint32_t warp) { store(shared.codes, U32(warp * warpLanes) + laneIds(), escape); });
    eachWarp([&](uint32_t warp) {
      if (warp == 0)
        eachLane(plane.symbolCount, [&](uint32_t entry) { shared.codes[plane.symbols[entry]] = entry; });
    });
  }
  eachWarp([&](uint32_t warp) {
    const uint32_t stream = group * groupStreams + warp;
    if (stream >= streams) return;
    const Elements elements(place.raw + segment.phase, segment.element);
    const auto [first, size] = pieceOf(segment.elements, streamBits, stream);
    uint8_t* const scratch = streamScratch(batch, segmentIndex, segment, planeIndex, stream);
    const uint32_t words =
        plane.mode == PlaneMode::rans
            ? encodeRans(plane, elements, planeIndex, first, size, uint32_t{1} << streamBits, shared, scratch,
                         streamStates(batch, segmentIndex, segment, planeIndex, stream))
            : encodeFixed(plane, elements, planeIndex, first, size, streamBits, shared, scratch);
    eachLane(1, [&](uint32_t) { segment.streamWords[planeIndex][stream] = words; });
  });
}

}  // namespace swarm::gpu
