// Decoding one stream of a plane: a warp takes a tile of its symbols at a time and gives each lane those that lie side by side, for
// a sink: a Joiner, or the memory where the plane waits for the others.
#pragma once

#include "cuda/decode-join.h"

namespace swarm::gpu {

/** Rows that are decoded without a look at how many words are left, and the words that they take at most. */
constexpr uint32_t stepRows = 4;
constexpr uint32_t stepWords = stepRows * warpLanes;

/** What a warp needs of shared memory for a stream. */
struct alignas(16) StreamStage {
  /** Rows of symbols, on their way to lanes that take those that lie side by side. */
  uint8_t symbols[tileBytes];
  /** The words that are next: enough for two steps. */
  uint8_t words[2 * 2 * stepWords];
};

/** Where the symbols of a stream go that has to be joined later. */
class PlaneSink {
 public:
  static constexpr unsigned planeWords = 4;
  static constexpr uint32_t tileSymbols = tileBytes;

  SWARM_DEVICE explicit PlaneSink(uint8_t* symbols) : to_(symbols) {}

  SWARM_DEVICE void prepare(uint32_t) {}

  SWARM_DEVICE void add(const Words<planeWords>& tile) {
    storeWords(to_, laneIds(), tile);
    to_ += tileSymbols;
  }

  /** Padding up to the next multiple of 16 may be written too. */
  SWARM_DEVICE void addLast(const Words<planeWords>& tile, uint32_t size) {
    const Mask own = laneIds() * U32(16) < U32(size);
    for (unsigned word = 0; word < planeWords; word++) storeWord(to_, laneIds() * U32(4) + U32(word), tile.of[word], own);
  }

 private:
  uint8_t* to_;
};

/** Decodes `size` symbols of a stream, at most a tile at a time, to a sink. False for a broken stream. */
template <class Stream, class Sink>
SWARM_DEVICE bool decodeTiles(Stream& stream, uint32_t size, Sink& sink) {
  for (uint32_t first = 0; first < size; first += Sink::tileSymbols) {
    const uint32_t symbols = size - first < Sink::tileSymbols ? size - first : Sink::tileSymbols;
    sink.prepare(symbols);
    Words<Sink::planeWords> tile;
    if (!stream.decodeTile(first, symbols, tile)) return false;
    if (symbols == Sink::tileSymbols)
      sink.add(tile);
    else
      sink.addLast(tile, symbols);
  }
  return true;
}

/** What a stream takes of its plane's words or escapes. */
struct StreamPart {
  uint32_t first;
  uint32_t end;

  SWARM_DEVICE StreamPart(const PlanePlan& plane, uint32_t stream)
      : first(stream == 0 ? 0 : load32(plane.streamEnds + 4 * (stream - 1))), end(load32(plane.streamEnds + 4 * stream)) {}

  /** Whether it is what protocols/chunk.md allows; `total`: what the plane has. */
  SWARM_DEVICE bool isRight(const PlanePlan& plane, uint32_t stream, uint32_t total) const {
    const bool isLast = stream + 1 == plane.streams;
    return end >= first && end - first <= uint32_t{1} << plane.streamBits && end <= total && (!isLast || end == total);
  }
};

/**
 * The words of a stream in turn, read long before they are needed: two steps' words wait in shared memory, a third one's in
 * registers, so that no row waits for the device's memory.
 */
class WordQueue {
 public:
  /** `words` is aligned to 16 bytes, and so is `readableEnd`: up to there words may be read, whosever they are. */
  SWARM_DEVICE WordQueue(const uint8_t* words, const StreamPart& part, const uint8_t* readableEnd, StreamStage& stage)
      : words_(words),
        readable_(static_cast<uint32_t>((readableEnd - words) / pairBytes)),
        ahead_(U32(part.first / pairWords) + laneIds()),
        queue_(stage.words),
        gone_(part.first % pairWords),
        end_(static_cast<int32_t>(part.first % pairWords + part.end - part.first)) {
    storeWords(queue_, laneIds(), next());
    storeWords(queue_ + 2 * stepWords, laneIds(), next());
    upcoming_ = next();
    syncLanes();
  }

  /** Makes sure that there are words for a step. */
  SWARM_DEVICE void refill() {
    if (gone_ < stepWords) return;
    gone_ -= stepWords;
    end_ -= static_cast<int32_t>(stepWords);
    syncLanes();
    storeWords(queue_, laneIds(), loadWords<2>(queue_ + 2 * stepWords, laneIds()));
    storeWords(queue_ + 2 * stepWords, laneIds(), upcoming_);
    upcoming_ = next();
    syncLanes();
  }

  /** For each lane in `takers` the next word, in the order of the lanes; the others get any. */
  SWARM_DEVICE U32 take(uint32_t takers) {
    const U32 words = loadHalf(queue_, U32(gone_) + countBits(U32(takers) & bitsBelow()));
    gone_ += countBits(takers);
    return words;
  }

  /** How many words of the stream are left; more than there were may have been taken. */
  SWARM_DEVICE int32_t left() const { return end_ - static_cast<int32_t>(gone_); }

 private:
  static constexpr uint32_t pairBytes = 8;
  static constexpr uint32_t pairWords = pairBytes / 2;

  SWARM_DEVICE Pair next() {
    const Pair words = readWords<2>(words_, ahead_, ahead_ < U32(readable_));
    ahead_ += U32(warpLanes);
    return words;
  }

  const uint8_t* words_;
  uint32_t readable_;
  U32 ahead_;
  uint8_t* queue_;
  Pair upcoming_;
  /** Words of the queue that were taken, and where those of the stream end. */
  uint32_t gone_;
  int32_t end_;
};

/** A RANS stream under way. */
class RansRows {
 public:
  /** `readableEnd`: end of the chunk. `part` was checked. */
  SWARM_DEVICE RansRows(const PlanePlan& plane, const uint32_t* slots, uint32_t stream, const StreamPart& part,
                        const uint8_t* readableEnd, StreamStage& stage)
      : slots_(slots),
        bits_(plane.probabilityBits),
        words_(plane.words, part, readableEnd, stage),
        symbols_(stage.symbols),
        states_(readWord(plane.states, U32(stream * warpLanes) + laneIds(), true)) {}

  SWARM_DEVICE Status check() const {
    const Mask wrong = (states_ < U32(stateMin)) | (states_ >= U32(stateLimit));
    return ballot(wrong) == 0 ? Status::ok : Status::stateRange;
  }

  /** False when there were not enough words. */
  template <unsigned planeWords>
  SWARM_DEVICE bool decodeTile(uint32_t, uint32_t symbols, Words<planeWords>& tile) {
    constexpr uint32_t tileRows = 4 * planeWords;
    const uint32_t rows = (symbols + warpLanes - 1) / warpLanes;
    for (uint32_t step = 0; step < tileRows; step += stepRows) {
      words_.refill();
      if (step + stepRows <= rows) {
        for (uint32_t row = 0; row < stepRows; row++) decodeRow(step + row);
      } else {
        for (uint32_t row = step; row < rows; row++) decodeRow(row);
      }
    }
    syncLanes();
    tile = loadWords<planeWords>(symbols_, laneIds());
    syncLanes();
    return words_.left() >= 0;
  }

  /** Whether the stream ended where and how it must. `rest`: symbols of its last row, 0 for all; `lastRow`: which of its tile that is. */
  SWARM_DEVICE Status finish(uint32_t rest, uint32_t lastRow, uint8_t filler) const {
    if (words_.left() != 0) return Status::words;
    if (ballot(states_ != U32(stateMin)) != 0) return Status::finalState;
    const Mask wrong = (load(symbols_ + lastRow * warpLanes, laneIds()) != U32(filler)) & !firstLanes(rest);
    return rest == 0 || ballot(wrong) == 0 ? Status::ok : Status::paddingSymbol;
  }

 private:
  SWARM_DEVICE void decodeRow(uint32_t row) {
    const U32 entry = load(slots_, states_ & U32((uint32_t{1} << bits_) - 1));
    store(symbols_ + row * warpLanes, laneIds(), entry & U32(0xFF));
    const U32 state = (entry >> U32(32 - bits_)) * (states_ >> U32(bits_)) + (entry >> U32(8) & U32(0xFFF));
    const Mask needs = state < U32(stateMin);
    const U32 words = words_.take(ballot(needs));
    states_ = select(needs, state << U32(16) | words, state);
  }

  const uint32_t* slots_;
  uint32_t bits_;
  WordQueue words_;
  uint8_t* symbols_;
  U32 states_;
};

/** Bit i of eight to bit 4 i. */
SWARM_DEVICE U32 spreadBits(U32 bits) {
  bits = (bits | bits << U32(12)) & U32(0x000F000F);
  bits = (bits | bits << U32(6)) & U32(0x03030303);
  return (bits | bits << U32(3)) & U32(0x11111111);
}

/**
 * A FIX stream under way. A lane decodes symbols that lie side by side, `planeWords` times four in a tile: eight codes of four bits at
 * a time.
 */
template <unsigned planeWords, unsigned codeBits>
class FixedRows {
 public:
  /** `part` was checked. */
  SWARM_DEVICE FixedRows(const PlanePlan& plane, uint32_t stream, const StreamPart& part, uint32_t size)
      : bits_(plane.bits + (size_t{stream} << plane.streamBits) / 8),
        stride_(static_cast<uint32_t>(plane.bitPlaneBytes)),
        size_(size),
        escapes_(plane.escapes + part.first),
        escapesLeft_(part.end - part.first),
        symbolCount_(plane.symbolCount) {
    // Zeros follow the table up to 16 bytes.
    for (uint32_t word = 0; word < 4; word++) table_[word] = load32(plane.data + 4 * word);
    readBits(0);
  }

  /** Whether it has as many escapes as the index says. Comes before all tiles. */
  SWARM_DEVICE Status check() {
    const uint32_t rows = (size_ + warpLanes - 1) / warpLanes;
    U32 escapes = 0;
    for (uint32_t row = 0; row < rows; row += warpLanes) {
      U32 all = UINT32_MAX;
      for (uint32_t bit = 0; bit < codeBits; bit++)
        all = all & readWord(bits_ + bit * stride_, U32(row) + laneIds(), firstLanes(rows - row));
      escapes += countBits(all);
    }
    if (sum(escapes) != escapesLeft_) return Status::escapes;
    readEscapes();
    return Status::ok;
  }

  SWARM_DEVICE bool decodeTile(uint32_t first, uint32_t, Words<planeWords>& tile) {
    U32 escaped = UINT32_MAX;
    for (const U32& bits : planes_) escaped = escaped & bits;
    U32 unknown = 0;
    for (unsigned eight = 0; eight < (planeWords + 1) / 2; eight++) {
      U32 codes = 0;
      for (uint32_t bit = 0; bit < codeBits; bit++)
        codes |= spreadBits(planes_[bit] >> U32(8 * eight) & U32(0xFF)) << U32(bit);
      if (symbolCount_ < escapeCode) unknown += unknownCodes(codes);
      for (unsigned word = 2 * eight; word < 2 * eight + 2 && word < planeWords; word++)
        tile.of[word] = symbolsOf(codes >> U32(16 * (word % 2)));
    }
    readBits(first + laneSymbols * warpLanes);
    const U32 own = countBits(escaped);
    putEscapes(escaped, own, tile);
    return symbolCount_ == escapeCode || ballot(unknown != own) == 0;
  }

 private:
  static constexpr uint32_t laneSymbols = 4 * planeWords;
  static constexpr uint32_t escapeCode = (uint32_t{1} << codeBits) - 1;

  /** Reads the bits of the tile that starts with symbol `first`, as many in each lane as it has symbols; none behind the stream. */
  SWARM_DEVICE void readBits(uint32_t first) {
    const Mask exists = U32(first) + laneIds() * U32(laneSymbols) < U32(size_);
    for (uint32_t bit = 0; bit < codeBits; bit++) {
      const uint32_t start = bit * stride_ + first / 8;
      if constexpr (laneSymbols == 16)
        planes_[bit] = readHalf(bits_, U32(start / 2) + laneIds(), exists);
      else if constexpr (laneSymbols == 8)
        planes_[bit] = load(bits_, U32(start) + laneIds(), exists);
      else
        planes_[bit] = load(bits_, U32(start) + (laneIds() >> U32(1)), exists) >> (laneIds() % U32(2) * U32(4)) & U32(0xF);
    }
  }

  /** Reads the next 32 escapes, one in each lane. */
  SWARM_DEVICE void readEscapes() { upcoming_ = load(escapes_, laneIds(), firstLanes(escapesLeft_)); }

  /** How many of eight codes are none of the table's; escapes among them. */
  SWARM_DEVICE U32 unknownCodes(U32 codes) const {
    // A sum of a code and this one reaches 16 where the code is too large.
    const U32 complements = (16 - symbolCount_) * 0x01010101u;
    const U32 even = ((codes & U32(0x0F0F0F0F)) + complements) & U32(0x10101010);
    const U32 odd = ((codes >> U32(4) & U32(0x0F0F0F0F)) + complements) & U32(0x10101010);
    return countBits(even | odd >> U32(1));
  }

  /** Symbols of the lower four codes. */
  SWARM_DEVICE U32 symbolsOf(U32 codes) const {
    const U32 low = permuteBytes(table_[0], table_[1], codes & U32(0x7777));
    if constexpr (codeBits < codeBitsMax) return low;
    const U32 high = permuteBytes(table_[2], table_[3], codes & U32(0x7777));
    const U32 isHigh = permuteBytes(0xFF00, 0, codes >> U32(3) & U32(0x1111));
    return (low & ~isHigh) | (high & isHigh);
  }

  /** Replaces the symbols whose bits in `escaped` are set, of which a lane has `own`, by the escapes that are next. */
  SWARM_DEVICE void putEscapes(U32 escaped, U32 own, Words<planeWords>& tile) {
    U32 place = sumBelow(own);
    const uint32_t total = laneValue(place + own, warpLanes - 1);
    for (Mask has = escaped != U32(0); ballot(has) != 0; has = escaped != U32(0)) {
      const U32 index = countBits(~escaped & (escaped - U32(1)));
      const Mask isNear = place < U32(warpLanes);
      const U32 symbol = select(isNear, laneValues(upcoming_, place), load(escapes_, place, has & !isNear));
      for (unsigned word = 0; word < planeWords; word++) {
        const Mask isThere = has & ((index >> U32(2)) == U32(word));
        const U32 shift = (index & U32(3)) * U32(8);
        tile.of[word] = select(isThere, (tile.of[word] & ~(U32(0xFF) << shift)) | symbol << shift, tile.of[word]);
      }
      escaped = escaped & (escaped - U32(1));
      place += U32(1);
    }
    escapes_ += total;
    escapesLeft_ -= total;
    readEscapes();
  }

  const uint8_t* bits_;
  uint32_t stride_;
  uint32_t size_;
  const uint8_t* escapes_;
  uint32_t escapesLeft_;
  uint32_t table_[4];
  uint32_t symbolCount_;
  /** Of the next tile. */
  U32 planes_[codeBits];
  U32 upcoming_;
};

}  // namespace swarm::gpu
