// The constants that all kernels read, as a processor computes them.
#pragma once

#include "cuda/encode-batch.h"

namespace swarm::gpu {

/** Made at the first call. */
const EncodeTables& allTables();

}  // namespace swarm::gpu
