// What the encoder decides, as protocols/chunk.md says: the element type of a segment, the modes and tables of its planes.
// Integers as in native/cpu, which makes the same chunks; here a warp or a block works on each decision.
#pragma once

#include "cuda/encode-batch.h"

namespace swarm::gpu {

/** A sample: 16 windows of 1024 bytes, or all of a small segment. */
constexpr uint32_t windowCount = 16;
constexpr uint32_t windowBytes = 1024;
/** Estimated cost in 1/256 bits of a symbol that a small sample hides. */
constexpr uint32_t hiddenCost = 185;
constexpr uint32_t storedSymbolCost = 2048;
constexpr uint64_t costMax = UINT64_MAX / 256;

struct Candidate {
  Element element;
  uint8_t phase;
  uint8_t storedPlanes;
  uint64_t cost;
};

struct ChooseShared {
  uint32_t counts[planeCountMax][256];
  uint32_t planeCosts[planeCountMax];
  Candidate own;
  Candidate best;
};

struct Window {
  uint32_t start;
  uint32_t size;
};

SWARM_DEVICE Window windowOf(uint32_t segmentBytes, uint32_t index) {
  if (segmentBytes <= windowCount * windowBytes) return {0, segmentBytes};
  return {(segmentBytes - windowBytes) * index / (windowCount - 1) & ~uint32_t{3}, windowBytes};
}

/** Whole elements of a window behind `phase` bytes. */
SWARM_DEVICE uint32_t elementsOf(const Window& window, uint32_t phase, uint32_t width) {
  return (window.size - (phase < window.size ? phase : window.size)) / width;
}

/** Estimated cost of a plane of `total` (at most 16384) symbols. By one warp. All sums fit in 32 bits. */
SWARM_DEVICE uint32_t planeCost(const uint32_t* counts, uint32_t total, const uint16_t* logs) {
  const uint32_t whole = logs[total];
  U32 cost = 0;
  uint32_t different = 0;
  for (uint32_t first = 0; first < 256; first += warpLanes) {
    const U32 count = load(counts, U32(first) + laneIds());
    const Mask occurs = count != U32(0);
    cost += count * (U32(whole) - load(logs, count, occurs));
    different += countBits(ballot(occurs));
  }
  if (different < 2) return 0;
  const uint32_t estimate = sum(cost) + (different - 1) * hiddenCost;
  const uint32_t stored = total * storedSymbolCost;
  return estimate * 50 > stored * 49 ? stored : estimate;
}

/** Leaves the cost of a candidate in shared.own. By one block. */
SWARM_DEVICE void weigh(const uint8_t* raw, uint32_t size, Element element, uint8_t phase, const uint16_t* logs,
                        ChooseShared& shared) {
  const auto width = static_cast<uint32_t>(elementWidth(element));
  const uint32_t windows = size <= windowCount * windowBytes ? 1 : windowCount;
  uint32_t elements = 0;
  uint32_t edgeBytes = 0;
  for (uint32_t index = 0; index < windows; index++) {
    const Window window = windowOf(size, index);
    const uint32_t own = elementsOf(window, phase, width);
    elements += own;
    edgeBytes += window.size - own * width;
  }
  eachWarp([&](uint32_t warp) {
    for (uint32_t plane = 0; plane < planeCountMax; plane++)
      store(shared.counts[plane], U32(warp * warpLanes) + laneIds(), 0);
  });
  eachWarp([&](uint32_t warp) {
    for (uint32_t index = 0; index < windows; index++) {
      const Window window = windowOf(size, index);
      const uint32_t own = elementsOf(window, phase, width);
      const Elements values(raw + window.start + (own == 0 ? 0 : phase), element);
      for (uint32_t first = warp * warpLanes; first < own; first += blockThreads) {
        const U32 at = U32(first) + laneIds();
        const Mask isOne = at < U32(own);
        const U32 value = values.values(at, isOne);
        for (uint32_t plane = 0; plane < width; plane++)
          addTo(shared.counts[plane], values.symbolOf(value, plane), 1, isOne);
      }
    }
  });
  eachWarp([&](uint32_t warp) {
    if (warp >= width || elements == 0) return;
    const uint32_t cost = planeCost(shared.counts[warp], elements, logs);
    eachLane(1, [&](uint32_t) { shared.planeCosts[warp] = cost; });
  });
  eachWarp([&](uint32_t warp) {
    if (warp != 0) return;
    eachLane(1, [&](uint32_t) {
      Candidate candidate = {element, phase, 0, costMax};
      if (elements != 0) candidate.cost = edgeBytes * uint64_t{storedSymbolCost};
      for (uint32_t plane = 0; plane < width && elements != 0; plane++) {
        candidate.cost += shared.planeCosts[plane];
        if (shared.planeCosts[plane] == elements * storedSymbolCost)
          candidate.storedPlanes = static_cast<uint8_t>(candidate.storedPlanes | 1 << plane);
      }
      shared.own = candidate;
    });
  });
}

/** Element type, phase, and which planes to store. By one block. */
SWARM_DEVICE void chooseElement(const EncodeBatch& batch, uint32_t segmentIndex, ChooseShared& shared) {
  const SegmentPlace place = placeOf(batch, segmentIndex);
  const auto size = static_cast<uint32_t>(
      place.index + 1 < segmentCountOf(place.task->rawBytes) ? segmentBytesMax
                                                    : place.task->rawBytes - (size_t{place.index} << segmentBits));
  eachWarp([&](uint32_t warp) {
    if (warp == 0) eachLane(1, [&](uint32_t) { shared.best = {Element::unknown, 0, 0, costMax}; });
  });
  const auto consider = [&](Element element, uint8_t phase) {
    weigh(place.raw, size, element, phase, batch.tables->logs, shared);
    eachWarp([&](uint32_t warp) {
      if (warp != 0) return;
      eachLane(1, [&](uint32_t) {
        if (shared.own.cost * 256 < shared.best.cost * 255) shared.best = shared.own;
      });
    });
  };
  const Element hint = place.task->hint;
  for (uint8_t number = static_cast<uint8_t>(Element::bf16); number <= static_cast<uint8_t>(Element::fp32); number++) {
    const auto element = static_cast<Element>(number);
    if (hint != Element::unknown && hint != element) continue;
    for (uint8_t phase = 0; phase < elementWidth(element); phase++) consider(element, phase);
  }
  weigh(place.raw, size, Element::bytes, 0, batch.tables->logs, shared);
  eachWarp([&](uint32_t warp) {
    if (warp != 0) return;
    eachLane(1, [&](uint32_t) {
      const Candidate& chosen = shared.best.cost * 64 < shared.own.cost * 63 ? shared.best : shared.own;
      const auto width = static_cast<uint32_t>(elementWidth(chosen.element));
      EncodeSegment& segment = batch.segments[segmentIndex];
      segment.element = chosen.element;
      segment.phase = chosen.phase;
      segment.storedPlanes = chosen.storedPlanes;
      segment.rawBytes = size;
      segment.elements = (size - chosen.phase) / width;
      segment.tailBytes = static_cast<uint8_t>((size - chosen.phase) % width);
    });
  });
  eachWarp([&](uint32_t warp) {
    for (uint32_t plane = 0; plane < planeCountMax; plane++)
      store(batch.segments[segmentIndex].tallies[plane], U32(warp * warpLanes) + laneIds(), 0);
  });
}

/** For one warp. Frequencies are those of the entries in the order of the counts, before they are sorted. */
struct TableShared {
  uint32_t counts[256];
  uint32_t keys[256];
  uint32_t frequencies[256];
  uint32_t remainders[256];
  uint8_t order[256];
  EncodePlane candidate;
};

/** Sums of 64 bits over the lanes, whose own are below 2^48. */
SWARM_DEVICE uint64_t sumParts(U32 low, U32 middle, U32 high) {
  return (uint64_t{sum(high)} << 32) + (uint64_t{sum(middle)} << 16) + sum(low);
}

/** Calls `work(entry)` for all entries, by all lanes. */
template <class Work>
SWARM_DEVICE void eachEntry(uint32_t count, Work work) {
  eachLane(warpLanes, [&](uint32_t lane) {
    for (uint32_t entry = lane; entry < count; entry += warpLanes) work(entry);
  });
}

/** The sum of `value(entry)`, below 2^42, over all entries. */
template <class Value>
SWARM_DEVICE uint64_t sumEntries(uint32_t count, Value value) {
  U32 low = 0;
  U32 middle = 0;
  U32 high = 0;
  eachLane(warpLanes, [&](uint32_t lane) {
    uint64_t own = 0;
    for (uint32_t entry = lane; entry < count; entry += warpLanes) own += value(entry);
    setLane(low, lane, static_cast<uint32_t>(own & 0xFFFF));
    setLane(middle, lane, static_cast<uint32_t>(own >> 16 & 0xFFFF));
    setLane(high, lane, static_cast<uint32_t>(own >> 32));
  });
  return sumParts(low, middle, high);
}

/** How many of `count` keys are smaller than `key`. */
SWARM_DEVICE uint32_t rankOf(const uint32_t* keys, uint32_t count, uint32_t key) {
  uint32_t rank = 0;
  for (uint32_t other = 0; other < count; other++) rank += keys[other] < key ? 1 : 0;
  return rank;
}

/** Counts reach 2^20. */
constexpr uint32_t countLimit = uint32_t{1} << 21;

/** Orders the symbols that occur in `tallies`; returns how many there are. */
SWARM_DEVICE uint32_t orderSymbols(const uint32_t* tallies, TableShared& shared) {
  uint32_t symbols = 0;
  for (uint32_t first = 0; first < 256; first += warpLanes) {
    const U32 symbol = U32(first) + laneIds();
    const U32 tally = load(tallies, symbol);
    const Mask occurs = tally != U32(0);
    const U32 count = select(occurs & ((tally & U32(tallySeen - 1)) == U32(0)), 1, tally & U32(tallySeen - 1));
    store(shared.counts, symbol, count);
    // The keys of those that occur stand side by side: there may be few.
    store(shared.keys, U32(symbols) + countBits(U32(ballot(occurs)) & bitsBelow()),
          (U32(countLimit - 1) - count) << U32(8) | symbol, occurs);
    symbols += countBits(ballot(occurs));
  }
  syncLanes();
  eachEntry(symbols, [&](uint32_t entry) {
    const uint32_t key = shared.keys[entry];
    shared.order[rankOf(shared.keys, symbols, key)] = static_cast<uint8_t>(key & 0xFF);
  });
  return symbols;
}

/** Takes `excess` slots one at a time from the largest frequency, the earliest of equals. They do not rise. */
SWARM_DEVICE void removeSlots(uint32_t* frequencies, uint32_t count, uint32_t excess) {
  eachLane(1, [&](uint32_t) {
    uint32_t givers = 0;
    uint32_t left = excess;
    for (uint32_t largest = frequencies[0]; left > 0; largest--) {
      while (givers < count && frequencies[givers] == largest) givers++;
      for (uint32_t entry = 0; entry < givers && left > 0; entry++, left--) frequencies[entry]--;
    }
  });
}

/** Makes a table of `symbols` entries for the counts, whose sum is `total`; returns its estimated cost in 1/256 bits. */
SWARM_DEVICE uint64_t makeFrequencies(uint32_t symbols, uint32_t total, uint32_t bits,
                                      const uint16_t* logs, TableShared& shared, EncodePlane& plane) {
  const uint32_t slots = uint32_t{1} << bits;
  const auto given = static_cast<uint32_t>(sumEntries(symbols, [&](uint32_t entry) {
    const uint64_t scaled = uint64_t{shared.counts[shared.order[entry]]} * slots;
    const auto whole = static_cast<uint32_t>(scaled / total);
    shared.frequencies[entry] = whole == 0 ? 1 : whole;
    shared.remainders[entry] = static_cast<uint32_t>(scaled % total);
    return shared.frequencies[entry];
  }));
  if (given < slots) {
    eachEntry(symbols, [&](uint32_t entry) {
      shared.keys[entry] = (countLimit - 1 - shared.remainders[entry]) << 8 | entry;
    });
    eachEntry(symbols, [&](uint32_t entry) {
      if (rankOf(shared.keys, symbols, shared.keys[entry]) < slots - given) shared.frequencies[entry]++;
    });
  } else if (given > slots) {
    removeSlots(shared.frequencies, symbols, given - slots);
  }
  eachEntry(symbols, [&](uint32_t entry) { shared.keys[entry] = (slots - shared.frequencies[entry]) << 8 | entry; });
  eachEntry(symbols, [&](uint32_t entry) {
    const uint32_t rank = rankOf(shared.keys, symbols, shared.keys[entry]);
    plane.symbols[rank] = shared.order[entry];
    plane.frequencies[rank] = static_cast<uint16_t>(shared.frequencies[entry]);
  });
  return sumEntries(symbols, [&](uint32_t entry) {
    return uint64_t{shared.counts[plane.symbols[entry]]} * (256 * bits - logs[plane.frequencies[entry]]);
  });
}

SWARM_DEVICE bool isWorthCoding(uint64_t bytes, uint32_t size) { return bytes * 50 <= uint64_t{size} * 49; }

SWARM_DEVICE void copyTable(const EncodePlane& from, uint32_t symbols, EncodePlane& to) {
  eachEntry(symbols, [&](uint32_t entry) {
    to.symbols[entry] = from.symbols[entry];
    to.frequencies[entry] = from.frequencies[entry];
  });
}

/** By one warp. */
SWARM_DEVICE void chooseRans(uint32_t symbols, uint32_t size, unsigned streamBits,
                             const uint16_t* logs, TableShared& shared, EncodePlane& plane) {
  const auto total = static_cast<uint32_t>(sumEntries(256, [&](uint32_t symbol) { return shared.counts[symbol]; }));
  const uint64_t whole = uint64_t{total} * 2048;
  const size_t others = RansLayout(size, symbols, streamBits).words;
  uint64_t bytes = others + (makeFrequencies(symbols, total, 11, logs, shared, plane) * size + whole - 1) / whole;
  const uint64_t finerBytes =
      others + (makeFrequencies(symbols, total, 12, logs, shared, shared.candidate) * size + whole - 1) / whole;
  const bool isFiner = finerBytes * 512 < bytes * 511;
  if (isFiner) {
    copyTable(shared.candidate, symbols, plane);
    bytes = finerBytes;
  }
  eachLane(1, [&](uint32_t) {
    plane.probabilityBits = isFiner ? 12 : 11;
    if (isWorthCoding(bytes, size)) plane.mode = PlaneMode::rans;
  });
}

/** By one warp. */
SWARM_DEVICE void chooseFixed(uint32_t symbols, uint32_t size, unsigned streamBits,
                              TableShared& shared, EncodePlane& plane) {
  eachLane(1, [&](uint32_t) {
    size_t best = SIZE_MAX;
    for (uint32_t codeBits = 3; codeBits <= codeBitsMax; codeBits++) {
      const uint32_t entriesMax = (uint32_t{1} << codeBits) - 1;
      const uint32_t entries = symbols < entriesMax ? symbols : entriesMax;
      uint32_t escapes = size;
      for (uint32_t entry = 0; entry < entries; entry++) escapes -= shared.counts[shared.order[entry]];
      const size_t bytes = FixedLayout(size, entries, codeBits, streamBits).escapes + escapes;
      if (bytes >= best) continue;
      best = bytes;
      plane.symbolCount = entries;
      plane.wordCount = escapes;
      if (isWorthCoding(bytes, size)) plane.mode = codeBits == 3 ? PlaneMode::fix3e : PlaneMode::fix4e;
    }
    for (uint32_t entry = 0; entry < plane.symbolCount; entry++) plane.symbols[entry] = shared.order[entry];
  });
}

/** Mode and table of a plane. By one warp. */
SWARM_DEVICE void choosePlane(const EncodeBatch& batch, uint32_t segmentIndex, uint32_t planeIndex, TableShared& shared) {
  const SegmentPlace place = placeOf(batch, segmentIndex);
  EncodeSegment& segment = batch.segments[segmentIndex];
  if (planeIndex >= elementWidth(segment.element)) return;
  EncodePlane& plane = segment.planes[planeIndex];
  eachLane(1, [&](uint32_t) {
    plane.mode = PlaneMode::raw;
    plane.wordCount = 0;
  });
  if ((segment.storedPlanes >> planeIndex & 1) != 0) return;
  const uint32_t symbols = orderSymbols(segment.tallies[planeIndex], shared);
  eachLane(1, [&](uint32_t) {
    plane.symbolCount = symbols;
    plane.symbol = shared.order[0];
    if (symbols == 1) plane.mode = PlaneMode::constant;
  });
  if (symbols == 1) return;
  const unsigned streamBits = streamBitsOf(segment.element);
  if (place.task->profile == Profile::rans)
    chooseRans(symbols, segment.elements, streamBits, batch.tables->logs, shared, plane);
  else
    chooseFixed(symbols, segment.elements, streamBits, shared, plane);
}

}  // namespace swarm::gpu
