// Encoding the streams of planes, a warp for each, to scratch: sizes have to be known before anything has its place in the chunk.
#pragma once

#include "cuda/encode-batch.h"

namespace swarm::gpu {

/** Rows whose symbols are loaded together. */
constexpr uint32_t rowsAtOnce = 8;

struct StreamShared {
  /** What encoding a symbol needs; see makeSteps. By symbol. */
  alignas(8) uint32_t steps[256][2];
  uint32_t starts[256];
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

/**
 * Steps as SymbolStep of native/cpu/rans.h has them: x / f * 2^b + x mod f + c is x + c + x / f * (2^b - f), and x / f the upper half
 * of a product with the second word, shifted. The first word has 2^b - f, the addend and the shift, from bits 0, 12 and 25 on.
 */
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
      const uint32_t slots = uint32_t{1} << plane.probabilityBits;
      const uint32_t frequency = plane.frequencies[entry];
      uint32_t shift = 0;
      while (uint32_t{2} << shift < frequency) shift++;
      // There is no reciprocal of 1; this one gives x - 1, which the addend makes up for.
      const bool isSingle = frequency == 1;
      const uint32_t addend = shared.starts[entry] + (isSingle ? slots - 1 : 0);
      uint32_t* const step = shared.steps[plane.symbols[entry]];
      step[0] = (slots - frequency) | addend << 12 | shift << 25;
      step[1] = isSingle ? UINT32_MAX : static_cast<uint32_t>(((uint64_t{1} << (32 + shift)) + frequency - 1) / frequency);
    });
  });
}

/** The symbols of a plane, a row of 32 elements at a time. `isAligned`: elements of `width` bytes lie at multiples of it. */
template <unsigned width, bool isAligned>
class SymbolReader {
 public:
  SWARM_DEVICE SymbolReader(const uint8_t* first, Element element, uint32_t plane)
      : first_(first), rotation_(8 * (width - 1 - plane)) {
    // Planes are those of elements that were rotated to the left by one.
    if (element == Element::bf16 || element == Element::fp32) rotation_ = (rotation_ + 8 * width - 1) % (8 * width);
  }

  /** Lanes without `mask` get any. */
  SWARM_DEVICE U32 row(uint32_t row, Mask mask) const {
    const uint8_t* const from = first_ + size_t{row} * (warpLanes * width);
    U32 value = 0;
    if constexpr (width == 1)
      value = load(from, laneIds(), mask);
    else if constexpr (isAligned && width == 2)
      value = readHalf(from, laneIds(), mask);
    else if constexpr (isAligned)
      value = readWord(from, laneIds(), mask);
    else
      for (unsigned byte = 0; byte < width; byte++) value |= load(from, laneIds() * U32(width) + U32(byte), mask) << U32(8 * byte);
    if constexpr (width == 2) value |= value << U32(16);
    return rotateRight(value, rotation_) & U32(0xFF);
  }

 private:
  const uint8_t* first_;
  uint32_t rotation_;
};

/** A RANS stream that is written from its last row to its first; its words grow downwards. */
class RansRowWriter {
 public:
  /** `words` ends with word `capacity`. */
  SWARM_DEVICE RansRowWriter(const StreamShared& shared, uint32_t bits, uint8_t* words, uint32_t capacity)
      : steps_(reinterpret_cast<const uint8_t*>(shared.steps)), bits_(bits), words_(words), next_(capacity) {}

  SWARM_DEVICE void encode(U32 symbols) {
    const Pair step = loadWords<2>(steps_, symbols);
    const U32 others = step.of[0] & U32(0xFFF);
    // The same as state >= f * 2^(31 - b).
    const Mask emits = state_ + (others << U32(31 - bits_)) >= U32(stateLimit);
    const uint32_t emitted = ballot(emits);
    next_ -= countBits(emitted);
    storeHalf(words_, U32(next_) + countBits(U32(emitted) & bitsBelow()), state_ & U32(0xFFFF), emits);
    state_ = select(emits, state_ >> U32(16), state_);
    const U32 quotient = multiplyHigh(state_, step.of[1]) >> (step.of[0] >> U32(25));
    state_ = state_ + (step.of[0] >> U32(12) & U32(0x1FFF)) + quotient * others;
  }

  SWARM_DEVICE uint32_t next() const { return next_; }
  SWARM_DEVICE U32 state() const { return state_; }

 private:
  const uint8_t* steps_;
  uint32_t bits_;
  uint8_t* words_;
  uint32_t next_;
  U32 state_ = stateMin;
};

/** Words grow downwards in `words`, which ends with `capacity` of them. Returns how many there are. */
template <unsigned width, bool isAligned>
SWARM_DEVICE uint32_t encodeRans(const EncodePlane& plane, const SymbolReader<width, isAligned>& symbols, uint32_t size,
                                 uint32_t capacity, const StreamShared& shared, uint8_t* words, uint32_t* states) {
  RansRowWriter writer(shared, plane.probabilityBits, words, capacity);
  uint32_t rows = size / warpLanes;
  if (size % warpLanes != 0) {
    const Mask exists = firstLanes(size % warpLanes);
    writer.encode(select(exists, symbols.row(rows, exists), plane.symbols[0]));
  }
  for (; rows % rowsAtOnce != 0; rows--) writer.encode(symbols.row(rows - 1, true));
  for (; rows != 0; rows -= rowsAtOnce) {
    U32 loaded[rowsAtOnce];
    for (uint32_t row = 0; row < rowsAtOnce; row++) loaded[row] = symbols.row(rows - rowsAtOnce + row, true);
    for (uint32_t row = rowsAtOnce; row-- > 0;) writer.encode(loaded[row]);
  }
  store(states, laneIds(), writer.state());
  return capacity - writer.next();
}

/** Bit planes, each 2^streamBits / 8 bytes, and escapes to `scratch`. Returns how many escapes there are. */
template <unsigned width, bool isAligned>
SWARM_DEVICE uint32_t encodeFixed(const EncodePlane& plane, const SymbolReader<width, isAligned>& symbols, uint32_t size,
                                  unsigned streamBits, const StreamShared& shared, uint8_t* scratch) {
  const uint32_t codeBits = codeBitsOf(plane.mode);
  const uint32_t escape = (uint32_t{1} << codeBits) - 1;
  const uint32_t stride = (uint32_t{1} << streamBits) / 8;
  uint8_t* const escapes = scratch + escapesOffset(streamBits);
  uint32_t next = 0;
  for (uint32_t row = 0; row * warpLanes < size; row++) {
    const Mask exists = firstLanes(size - row * warpLanes);
    const U32 symbol = symbols.row(row, exists);
    const U32 code = select(exists, load(shared.codes, symbol), 0);
    uint32_t escaped = UINT32_MAX;
    // A lane for each bit plane.
    U32 own = 0;
    for (uint32_t bit = 0; bit < codeBitsMax; bit++) {
      const uint32_t word = ballot((code >> U32(bit) & U32(1)) != U32(0));
      if (bit < codeBits) escaped &= word;
      own = select(laneIds() == U32(bit), word, own);
    }
    storeWord(scratch + 4 * row, laneIds() * U32(stride / 4), own, firstLanes(codeBits));
    store(escapes, U32(next) + countBits(U32(escaped) & bitsBelow()), symbol, code == U32(escape));
    next += countBits(escaped);
  }
  return next;
}

/** One stream of a plane to scratch. Returns how many words or escapes it has. */
template <unsigned width, bool isAligned>
SWARM_DEVICE uint32_t encodeStream(const EncodeBatch& batch, uint32_t segmentIndex, uint32_t planeIndex, uint32_t stream,
                                   const StreamShared& shared) {
  const SegmentPlace place = placeOf(batch, segmentIndex);
  const EncodeSegment& segment = batch.segments[segmentIndex];
  const EncodePlane& plane = segment.planes[planeIndex];
  const unsigned streamBits = streamBitsOf(segment.element);
  const Piece piece = pieceOf(segment.elements, streamBits, stream);
  const SymbolReader<width, isAligned> symbols(place.raw + segment.phase + piece.first * width, segment.element, planeIndex);
  uint8_t* const scratch = streamScratch(batch, segmentIndex, segment, planeIndex, stream);
  if (plane.mode != PlaneMode::rans) return encodeFixed(plane, symbols, piece.size, streamBits, shared, scratch);
  return encodeRans(plane, symbols, piece.size, uint32_t{1} << streamBits, shared, scratch,
                    streamStates(batch, segmentIndex, segment, planeIndex, stream));
}

/** By one block: streams from group * groupStreams on of a plane. */
SWARM_DEVICE void encodePlane(const EncodeBatch& batch, uint32_t segmentIndex, uint32_t planeIndex, uint32_t group,
                              StreamShared& shared) {
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
    const bool isAligned = segment.phase == 0;
    uint32_t words;
    switch (elementWidth(segment.element)) {
      case 1: words = encodeStream<1, true>(batch, segmentIndex, planeIndex, stream, shared); break;
      case 2:
        words = isAligned ? encodeStream<2, true>(batch, segmentIndex, planeIndex, stream, shared)
                          : encodeStream<2, false>(batch, segmentIndex, planeIndex, stream, shared);
        break;
      default:
        words = isAligned ? encodeStream<4, true>(batch, segmentIndex, planeIndex, stream, shared)
                          : encodeStream<4, false>(batch, segmentIndex, planeIndex, stream, shared);
    }
    eachLane(1, [&](uint32_t) { segment.streamWords[planeIndex][stream] = words; });
  });
}

}  // namespace swarm::gpu
