// Decoding one stream of a plane: a warp takes a row of 32 symbols at a time to shared memory, where a sink picks up a tile.
#pragma once

#include "cuda/decode-batch.h"
#include "cuda/tiles.h"

namespace swarm::gpu {

/** Symbols of a tile at most. */
constexpr uint32_t stageSymbols = tileBytes;

/** Entries as in DecodeTable, by slot. */
struct SharedTable {
  uint32_t slots[size_t{1} << probabilityBitsMax];
  uint32_t fixed[size_t{1} << codeBitsMax];
};

/** Where the symbols of a stream go that has to be joined later. */
class PlaneSink {
 public:
  static constexpr uint32_t tileRows = stageSymbols / warpLanes;

  SWARM_DEVICE explicit PlaneSink(uint8_t* symbols) : to_(symbols) {}

  SWARM_DEVICE void add(const uint8_t* stage) {
    storeQuad(to_, laneIds(), loadQuad(stage, laneIds()));
    to_ += stageSymbols;
  }

  /** Padding up to the next multiple of 16 may be written too. */
  SWARM_DEVICE void addLast(const uint8_t* stage, uint32_t size) {
    const Quad tile = loadQuad(stage, laneIds());
    const Mask own = laneIds() * U32(16) < U32(size);
    for (unsigned word = 0; word < 4; word++) storeWord(to_, laneIds() * U32(4) + U32(word), tile.words[word], own);
  }

 private:
  uint8_t* to_;
};

/** Symbols that are the raw bytes. */
class ByteSink {
 public:
  static constexpr uint32_t tileRows = stageSymbols / warpLanes;

  SWARM_DEVICE explicit ByteSink(RawWriter& writer) : writer_(&writer) {}

  SWARM_DEVICE void add(const uint8_t* stage) { writer_->add(loadQuad(stage, laneIds())); }
  SWARM_DEVICE void addLast(const uint8_t* stage, uint32_t size) {
    writer_->addLast(loadQuad(stage, laneIds()), size);
  }

 private:
  RawWriter* writer_;
};

/** Exponents of bf16 elements, whose other plane is stored. */
class Bf16Sink {
 public:
  static constexpr uint32_t tileRows = tileBytes / 2 / warpLanes;

  SWARM_DEVICE Bf16Sink(RawWriter& writer, const uint8_t* lowPlane) : writer_(&writer), low_(lowPlane) {}

  SWARM_DEVICE void add(const uint8_t* stage) {
    writer_->add(join(stage, readPair(low_, laneIds(), true)));
    low_ += tileBytes / 2;
  }

  SWARM_DEVICE void addLast(const uint8_t* stage, uint32_t size) {
    // Coded planes lie behind stored ones: what is read behind the plane is still the chunk's.
    const Mask own = laneIds() * U32(8) < U32(size);
    writer_->addLast(join(stage, readPair(low_, laneIds(), own)), 2 * size);
  }

 private:
  SWARM_DEVICE Quad join(const uint8_t* stage, const Pair& low) const {
    Quad elements = interleave(loadPair(stage, laneIds()), low);
    rotateBf16(elements);
    return elements;
  }

  RawWriter* writer_;
  const uint8_t* low_;
};

/** Decodes `size` symbols of a stream, at most a tile at a time, to `stage` and from there to a sink. False for a broken stream. */
template <class Stream, class Sink>
SWARM_DEVICE bool decodeTiles(Stream& stream, uint32_t size, uint8_t* stage, Sink& sink) {
  constexpr uint32_t tileSymbols = Sink::tileRows * warpLanes;
  for (uint32_t first = 0; first < size; first += tileSymbols) {
    const uint32_t symbols = size - first < tileSymbols ? size - first : tileSymbols;
    const uint32_t rows = (symbols + warpLanes - 1) / warpLanes;
    if (!stream.template decodeTile<Sink::tileRows>(first, rows, stage)) return false;
    syncLanes();
    if (symbols == tileSymbols)
      sink.add(stage);
    else
      sink.addLast(stage, symbols);
    syncLanes();
  }
  return true;
}

/** What a stream takes of its plane's words or escapes. */
struct StreamPart {
  uint32_t next;
  uint32_t end;

  SWARM_DEVICE StreamPart(const PlanePlan& plane, uint32_t stream)
      : next(stream == 0 ? 0 : load32(plane.streamEnds + 4 * (stream - 1))), end(load32(plane.streamEnds + 4 * stream)) {}

  /** Whether it is what protocols/chunk.md allows; `total`: what the plane has. */
  SWARM_DEVICE bool isRight(const PlanePlan& plane, uint32_t stream, uint32_t total) const {
    const bool isLast = stream + 1 == plane.streams;
    return end >= next && end - next <= uint32_t{1} << plane.streamBits && end <= total && (!isLast || end == total);
  }
};

/** A RANS stream under way. */
class RansRows {
 public:
  /** `readableEnd`: end of the chunk. Words up to there may be read, whosever they are. */
  SWARM_DEVICE RansRows(const PlanePlan& plane, const uint32_t* slots, uint32_t stream, const uint8_t* readableEnd)
      : words_(plane.words),
        slots_(slots),
        bits_(plane.probabilityBits),
        readable_(static_cast<uint32_t>((readableEnd - plane.words) / 2)),
        part_(plane, stream),
        states_(readWord(plane.states, U32(stream * warpLanes) + laneIds(), true)) {}

  /** The stream's part of the index and its states are what protocols/chunk.md allows. */
  SWARM_DEVICE Status check(const PlanePlan& plane, uint32_t stream) const {
    const auto total = static_cast<uint32_t>((plane.dataEnd - plane.words) / 2);
    if (!part_.isRight(plane, stream, total)) return Status::streamIndex;
    const Mask wrong = (states_ < U32(stateMin)) | (states_ >= U32(stateLimit));
    return ballot(wrong) == 0 ? Status::ok : Status::stateRange;
  }

  template <uint32_t tileRows>
  SWARM_DEVICE bool decodeTile(uint32_t, uint32_t rows, uint8_t* stage) {
    if (rows == tileRows && part_.next + tileRows * warpLanes <= readable_) {
#if defined(__CUDACC__)
#pragma unroll
#endif
      for (uint32_t row = 0; row < tileRows; row++) decodeRow<false>(stage + row * warpLanes);
      return part_.next <= part_.end;
    }
    for (uint32_t row = 0; row < rows; row++) {
      decodeRow<true>(stage + row * warpLanes);
      if (part_.next > part_.end) return false;
    }
    return true;
  }

  /** Whether the stream ended where and how it must. `rest`: symbols of its last row, 0 for all; `stage` still holds that row. */
  SWARM_DEVICE Status finish(uint32_t rest, const uint8_t* lastRow, uint8_t filler) const {
    if (part_.next != part_.end) return Status::words;
    if (ballot(states_ != U32(stateMin)) != 0) return Status::finalState;
    const Mask wrong = (load(lastRow, laneIds()) != U32(filler)) & !firstLanes(rest);
    return rest == 0 || ballot(wrong) == 0 ? Status::ok : Status::paddingSymbol;
  }

 private:
  /** `checked`: near the end of the chunk, words that are not the stream's are not read. */
  template <bool checked>
  SWARM_DEVICE void decodeRow(uint8_t* row) {
    const U32 entry = load(slots_, states_ & U32((uint32_t{1} << bits_) - 1));
    store(row, laneIds(), entry & U32(0xFF));
    const U32 state = (entry >> U32(32 - bits_)) * (states_ >> U32(bits_)) + (entry >> U32(8) & U32(0xFFF));
    const Mask needs = state < U32(stateMin);
    const uint32_t refills = ballot(needs);
    const U32 place = U32(part_.next) + countBits(U32(refills) & bitsBelow());
    const Mask reads = checked ? needs & (place < U32(part_.end)) : needs;
    states_ = select(needs, state << U32(16) | readHalf(words_, place, reads), state);
    part_.next += countBits(refills);
  }

  const uint8_t* words_;
  const uint32_t* slots_;
  uint32_t bits_;
  uint32_t readable_;
  StreamPart part_;
  U32 states_;
};

/** A FIX stream under way. */
class FixedRows {
 public:
  SWARM_DEVICE FixedRows(const PlanePlan& plane, const uint32_t* symbols, uint32_t stream)
      : bits_(plane.bits + (size_t{stream} << plane.streamBits) / 8),
        stride_(plane.bitPlaneBytes),
        escapes_(plane.escapes),
        symbols_(symbols),
        codeBits_(codeBitsOf(plane.mode)),
        symbolCount_(plane.symbolCount),
        part_(plane, stream) {}

  /** The stream's part of the index is right, and it has as many escapes as that says. */
  SWARM_DEVICE Status check(const PlanePlan& plane, uint32_t stream, uint32_t size) const {
    const auto total = static_cast<uint32_t>(plane.dataEnd - plane.escapes);
    if (!part_.isRight(plane, stream, total)) return Status::streamIndex;
    const uint32_t rows = (size + warpLanes - 1) / warpLanes;
    U32 escapes = 0;
    for (uint32_t row = 0; row < rows; row += warpLanes) {
      U32 all = UINT32_MAX;
      for (uint32_t bit = 0; bit < codeBits_; bit++) all = all & rowBits(bit, row, rows - row);
      escapes += countBits(all);
    }
    return sum(escapes) == part_.end - part_.next ? Status::ok : Status::escapes;
  }

  template <uint32_t tileRows>
  SWARM_DEVICE bool decodeTile(uint32_t first, uint32_t rows, uint8_t* stage) {
    U32 bits[codeBitsMax];
    for (uint32_t bit = 0; bit < codeBitsMax; bit++)
      bits[bit] = bit < codeBits_ ? rowBits(bit, first / warpLanes, rows) : U32(UINT32_MAX);
    uint32_t wrong = 0;
    for (uint32_t row = 0; row < rows; row++) {
      uint32_t escapes = UINT32_MAX;
      U32 code = 0;
      for (uint32_t bit = 0; bit < codeBitsMax; bit++) {
        const uint32_t word = laneValue(bits[bit], row);
        escapes &= word;
        if (bit < codeBits_) code |= (U32(word) >> laneIds() & U32(1)) << U32(bit);
      }
      const Mask escaped = ownBit(escapes);
      const U32 place = U32(part_.next) + countBits(U32(escapes) & bitsBelow());
      const U32 symbol = select(escaped, load(escapes_, place, escaped), load(symbols_, code));
      store(stage + row * warpLanes, laneIds(), symbol);
      wrong |= ballot((code >= U32(symbolCount_)) & !escaped);
      part_.next += countBits(escapes);
    }
    return wrong == 0;
  }

 private:
  /** Bit plane `bit` of up to 32 rows from `row` on, a row in each lane; zero from `rows` on. */
  SWARM_DEVICE U32 rowBits(uint32_t bit, uint32_t row, uint32_t rows) const {
    return readWord(bits_ + bit * stride_, U32(row) + laneIds(), firstLanes(rows));
  }

  const uint8_t* bits_;
  size_t stride_;
  const uint8_t* escapes_;
  const uint32_t* symbols_;
  uint32_t codeBits_;
  uint32_t symbolCount_;
  StreamPart part_;
};

}  // namespace swarm::gpu
