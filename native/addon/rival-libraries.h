// Libraries that `swarm bench codec` measures as rivals, called as their own tools call them: one thread, memory that is there
// already. Looked up at run time, so that nothing else needs them.
#pragma once

#include <napi.h>

namespace swarm {

/**
 * openLz4(): the system's lz4; undefined where there is none, else an object with `version`, and the synchronous
 * `compress(raw, out)` and `decompress(block, raw)`, which return how many bytes they wrote, 0 or less when it went wrong.
 */
Napi::Value openLz4(const Napi::CallbackInfo& info);

/** openZstd(): the zstd that Node holds, where it lets others call it. The same, but `compress(raw, out, level)`. */
Napi::Value openZstd(const Napi::CallbackInfo& info);

}  // namespace swarm
