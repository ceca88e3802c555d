// Positional reads and writes that finish or say why not.
#pragma once

#include "codec.h"

namespace swarm {

struct IoResult {
  Status status;
  /** errno of the failed call; 0 where the status says all. */
  int error;
};

/** Fills `target` from byte `offset` on. `shortRead` when the file ends before. */
IoResult readFully(int fd, MutableSpan target, uint64_t offset);

/** Writes all of `source` at byte `offset`. */
IoResult writeFully(int fd, ByteSpan source, uint64_t offset);

}  // namespace swarm
