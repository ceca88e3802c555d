// The system's lz4 library, which `swarm bench codec` measures as a rival. Loaded at run time, so that nothing else needs it.
#pragma once

#include <napi.h>

namespace swarm {

/**
 * openLz4(): undefined where there is no such library, else an object with `version`, and the synchronous
 * `compress(raw, out)` and `decompress(block, raw)`, which return how many bytes they wrote, 0 or less when it went wrong.
 */
Napi::Value openLz4(const Napi::CallbackInfo& info);

}  // namespace swarm
