// Memory for large buffers that are used again and again.
#pragma once

#include <napi.h>

namespace swarm {

/**
 * allocatePages(bytes): a Buffer of so many zeros, at a multiple of 2 MiB, in huge pages where the kernel has them, but for a tail
 * of less than half of one. It goes with the garbage. Throws RangeError when there is no memory.
 */
Napi::Value allocatePages(const Napi::CallbackInfo& info);

}  // namespace swarm
