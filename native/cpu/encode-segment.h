// One segment of a chunk: from raw bytes to its header, descriptors and planes.
#pragma once

#include "cpu/kernels.h"

namespace swarm {

/** Where the next part goes. `full` once something did not fit; the chunk is then stored raw. */
struct Writer {
  uint8_t* base;
  size_t position;
  size_t capacity;
  bool full;

  /** Claims `size` bytes, padded with zeros to a multiple of 16. Null when they do not fit. */
  uint8_t* claim(size_t size) {
    if (full || alignUp(size) > capacity - position) {
      full = true;
      return nullptr;
    }
    uint8_t* start = base + position;
    std::memset(start + size, 0, alignUp(size) - size);
    position += alignUp(size);
    return start;
  }
};

/** Encodes `raw`, at most a segment. `crc` (inverted) is continued over it, also when it does not fit. */
void encodeSegment(ByteSpan raw, const ElementChoice& choice, Profile profile, Writer& writer, Workspace& workspace,
                   uint32_t& crc);

}  // namespace swarm
