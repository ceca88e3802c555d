// Decoding one stream of a plane: a warp takes a tile of its symbols at a time and gives each lane those that lie side by side, for
// a sink: a Joiner, or the memory where the plane waits for the others.
#pragma once

#include "cuda/decode-join.h"

namespace swarm::gpu {

/** Where a warp turns rows of symbols into what each lane needs: a tile at most. */
constexpr uint32_t stageSymbols = tileBytes;

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
SWARM_DEVICE bool decodeTiles(Stream& stream, uint32_t size, uint8_t* stage, Sink& sink) {
  for (uint32_t first = 0; first < size; first += Sink::tileSymbols) {
    const uint32_t symbols = size - first < Sink::tileSymbols ? size - first : Sink::tileSymbols;
    sink.prepare(symbols);
    Words<Sink::planeWords> tile;
    if (!stream.decodeTile(first, symbols, stage, tile)) return false;
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
 * The words of a stream in turn, read long before they are needed: a row waits for a word between lanes, not for memory. Each lane
 * has one word of each of three windows of 32 that follow each other; the next word is in the first.
 */
class WordWindows {
 public:
  /** Words are read up to `readable`, whosever they are; those behind are zero. */
  SWARM_DEVICE WordWindows(const uint8_t* words, uint32_t readable)
      : words_(words), readable_(readable), ahead_(laneIds()), first_(next()), second_(next()), third_(next()) {}

  /** For each lane in `refills` the next word, in the order of the lanes; the others get any. */
  SWARM_DEVICE U32 take(uint32_t refills) {
    // Lanes whose word of the first window is gone already offer that of the second.
    const U32 offered = select(laneIds() < U32(gone_), second_, first_);
    const U32 words = laneValues(offered, U32(gone_) + countBits(U32(refills) & bitsBelow()));
    gone_ += countBits(refills);
    if (gone_ >= warpLanes) {
      gone_ -= warpLanes;
      windows_++;
      first_ = second_;
      second_ = third_;
      third_ = next();
    }
    return words;
  }

  SWARM_DEVICE uint32_t taken() const { return windows_ * warpLanes + gone_; }

 private:
  SWARM_DEVICE U32 next() {
    const U32 window = readHalf(words_, ahead_, ahead_ < U32(readable_));
    ahead_ += U32(warpLanes);
    return window;
  }

  const uint8_t* words_;
  uint32_t readable_;
  U32 ahead_;
  U32 first_;
  U32 second_;
  U32 third_;
  uint32_t gone_ = 0;
  uint32_t windows_ = 0;
};

/** A RANS stream under way. */
class RansRows {
 public:
  /** `readableEnd`: end of the chunk. `part` was checked. */
  SWARM_DEVICE RansRows(const PlanePlan& plane, const uint32_t* slots, uint32_t stream, const StreamPart& part,
                        const uint8_t* readableEnd)
      : slots_(slots),
        bits_(plane.probabilityBits),
        wordCount_(part.end - part.first),
        words_(plane.words + 2 * part.first, static_cast<uint32_t>((readableEnd - plane.words) / 2) - part.first),
        states_(readWord(plane.states, U32(stream * warpLanes) + laneIds(), true)) {}

  SWARM_DEVICE Status check() const {
    const Mask wrong = (states_ < U32(stateMin)) | (states_ >= U32(stateLimit));
    return ballot(wrong) == 0 ? Status::ok : Status::stateRange;
  }

  /** False when there were not enough words. */
  template <unsigned planeWords>
  SWARM_DEVICE bool decodeTile(uint32_t, uint32_t symbols, uint8_t* stage, Words<planeWords>& tile) {
    constexpr uint32_t tileRows = 4 * planeWords;
    const uint32_t rows = (symbols + warpLanes - 1) / warpLanes;
    if (rows == tileRows) {
#if defined(__CUDACC__)
#pragma unroll
#endif
      for (uint32_t row = 0; row < tileRows; row++) decodeRow(stage + row * warpLanes);
    } else {
      for (uint32_t row = 0; row < rows; row++) decodeRow(stage + row * warpLanes);
    }
    syncLanes();
    tile = loadWords<planeWords>(stage, laneIds());
    syncLanes();
    return words_.taken() <= wordCount_;
  }

  /** Whether the stream ended where and how it must. `rest`: symbols of its last row, 0 for all; `lastRow` still holds that row. */
  SWARM_DEVICE Status finish(uint32_t rest, const uint8_t* lastRow, uint8_t filler) const {
    if (words_.taken() != wordCount_) return Status::words;
    if (ballot(states_ != U32(stateMin)) != 0) return Status::finalState;
    const Mask wrong = (load(lastRow, laneIds()) != U32(filler)) & !firstLanes(rest);
    return rest == 0 || ballot(wrong) == 0 ? Status::ok : Status::paddingSymbol;
  }

 private:
  SWARM_DEVICE void decodeRow(uint8_t* row) {
    const U32 entry = load(slots_, states_ & U32((uint32_t{1} << bits_) - 1));
    store(row, laneIds(), entry & U32(0xFF));
    const U32 state = (entry >> U32(32 - bits_)) * (states_ >> U32(bits_)) + (entry >> U32(8) & U32(0xFFF));
    const Mask needs = state < U32(stateMin);
    const U32 words = words_.take(ballot(needs));
    states_ = select(needs, state << U32(16) | words, state);
  }

  const uint32_t* slots_;
  uint32_t bits_;
  uint32_t wordCount_;
  WordWindows words_;
  U32 states_;
};

/** Bit i of eight to bit 4 i. */
SWARM_DEVICE U32 spreadBits(U32 bits) {
  bits = (bits | bits << U32(12)) & U32(0x000F000F);
  bits = (bits | bits << U32(6)) & U32(0x03030303);
  return (bits | bits << U32(3)) & U32(0x11111111);
}

/** A FIX stream under way. A lane decodes the symbols that lie side by side itself, up to eight at a time: codes are of 4 bits then. */
class FixedRows {
 public:
  /** `part` was checked. */
  SWARM_DEVICE FixedRows(const PlanePlan& plane, uint32_t stream, const StreamPart& part)
      : bits_(plane.bits + (size_t{stream} << plane.streamBits) / 8),
        stride_(plane.bitPlaneBytes),
        escapes_(plane.escapes + part.first),
        codeBits_(codeBitsOf(plane.mode)),
        symbolCount_(plane.symbolCount),
        escapeCount_(part.end - part.first) {
    // Zeros follow the table up to 16 bytes.
    for (uint32_t word = 0; word < 4; word++) table_[word] = load32(plane.data + 4 * word);
  }

  /** Whether it has as many escapes as the index says. */
  SWARM_DEVICE Status check(uint32_t size) const {
    const uint32_t rows = (size + warpLanes - 1) / warpLanes;
    U32 escapes = 0;
    for (uint32_t row = 0; row < rows; row += warpLanes) {
      U32 all = UINT32_MAX;
      for (uint32_t bit = 0; bit < codeBits_; bit++)
        all = all & readWord(bits_ + bit * stride_, U32(row) + laneIds(), firstLanes(rows - row));
      escapes += countBits(all);
    }
    return sum(escapes) == escapeCount_ ? Status::ok : Status::escapes;
  }

  template <unsigned planeWords>
  SWARM_DEVICE bool decodeTile(uint32_t first, uint32_t symbols, uint8_t*, Words<planeWords>& tile) {
    constexpr uint32_t laneSymbols = 4 * planeWords;
    const Mask exists = laneIds() * U32(laneSymbols) < U32(symbols);
    U32 planes[codeBitsMax];
    U32 escaped = UINT32_MAX;
    for (uint32_t bit = 0; bit < codeBitsMax; bit++) {
      planes[bit] = bit < codeBits_ ? laneBits<laneSymbols>(bits_ + bit * stride_ + first / 8, exists) : U32(0);
      if (bit < codeBits_) escaped = escaped & planes[bit];
    }
    U32 invalid = 0;
    for (unsigned eight = 0; eight < (planeWords + 1) / 2; eight++) {
      U32 codes = 0;
      for (uint32_t bit = 0; bit < codeBitsMax; bit++)
        codes |= spreadBits(planes[bit] >> U32(8 * eight) & U32(0xFF)) << U32(bit);
      invalid += unknownCodes(codes);
      for (unsigned word = 2 * eight; word < 2 * eight + 2 && word < planeWords; word++)
        tile.of[word] = symbolsOf(codes >> U32(16 * (word % 2)));
    }
    const U32 own = countBits(escaped);
    putEscapes(escaped, own, tile);
    return ballot(invalid != own) == 0;
  }

 private:
  /** The next bits of each lane: as many as it has symbols. */
  template <uint32_t laneSymbols>
  SWARM_DEVICE static U32 laneBits(const uint8_t* from, Mask exists) {
    if constexpr (laneSymbols == 16) return readHalf(from, laneIds(), exists);
    if constexpr (laneSymbols == 8) return load(from, laneIds(), exists);
    return load(from, laneIds() >> U32(1), exists) >> (laneIds() % U32(2) * U32(4)) & U32(0xF);
  }

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
    if (codeBits_ < codeBitsMax) return low;
    const U32 high = permuteBytes(table_[2], table_[3], codes & U32(0x7777));
    const U32 isHigh = permuteBytes(0xFF00, 0, codes >> U32(3) & U32(0x1111));
    return (low & ~isHigh) | (high & isHigh);
  }

  /** Replaces the symbols whose bits in `escaped` are set, of which a lane has `own`, by the escapes that are next. */
  template <unsigned planeWords>
  SWARM_DEVICE void putEscapes(U32 escaped, U32 own, Words<planeWords>& tile) {
    U32 place = sumBelow(own);
    const uint32_t total = laneValue(place + own, warpLanes - 1);
    for (Mask has = escaped != U32(0); ballot(has) != 0; has = escaped != U32(0)) {
      const U32 index = countBits(~escaped & (escaped - U32(1)));
      const U32 symbol = load(escapes_, place, has);
      for (unsigned word = 0; word < planeWords; word++) {
        const Mask isThere = has & ((index >> U32(2)) == U32(word));
        const U32 shift = (index & U32(3)) * U32(8);
        tile.of[word] = select(isThere, (tile.of[word] & ~(U32(0xFF) << shift)) | symbol << shift, tile.of[word]);
      }
      escaped = escaped & (escaped - U32(1));
      place += U32(1);
    }
    escapes_ += total;
  }

  const uint8_t* bits_;
  size_t stride_;
  const uint8_t* escapes_;
  uint32_t table_[4];
  uint32_t codeBits_;
  uint32_t symbolCount_;
  uint32_t escapeCount_;
};

}  // namespace swarm::gpu
