// The kernels on a processor, 32 lanes in step: slow, and for tests.
#pragma once

#include "cuda/decode-batch.h"
#include "cuda/encode-batch.h"

namespace swarm::gpu {

/** All kernels of a batch in the processor's own memory. */
void runOnHost(const DecodeBatch& batch);
void runOnHost(const EncodeBatch& batch);

/** What decode() does, by the kernels. Chunks of codec zstd are refused with `codec`. */
Status decodeOnHostWarp(ByteSpan encoded, MutableSpan raw);

/** What encodeAns() does, by the kernels. */
EncodeResult encodeOnHostWarp(ByteSpan raw, Element hint, Profile profile, MutableSpan out);

}  // namespace swarm::gpu
