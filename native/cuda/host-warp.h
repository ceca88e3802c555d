// The kernels on a processor, 32 lanes in step: slow, and for tests.
#pragma once

#include "codec.h"

namespace swarm::gpu {

/** What decode() does, by the kernels. Chunks of codec zstd are refused with `codec`. */
Status decodeOnHostWarp(ByteSpan encoded, MutableSpan raw);

/** What encodeAns() does, by the kernels. */
EncodeResult encodeOnHostWarp(ByteSpan raw, Element hint, Profile profile, MutableSpan out);

}  // namespace swarm::gpu
