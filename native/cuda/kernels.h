// Queues the kernels of a batch, in their order.
#pragma once

#include <cuda_runtime.h>

#include "cuda/decode-batch.h"
#include "cuda/encode-batch.h"

namespace swarm::gpu {

cudaError_t launchDecode(const DecodeBatch& batch, uint32_t multiprocessors, cudaStream_t stream);
cudaError_t launchEncode(const EncodeBatch& batch, cudaStream_t stream);

}  // namespace swarm::gpu
