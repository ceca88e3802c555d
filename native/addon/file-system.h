// System calls on files that Node's own fs cannot do exactly or at all.
#pragma once

#include <napi.h>

namespace swarm {

/** setModifiedTime(path: Uint8Array, seconds, nanos): errno, 0 when it was set. Symbolic links are not followed. */
Napi::Value setModifiedTime(const Napi::CallbackInfo& info);

/** syncFileSystem(fd): promise of an errno, 0 when every cached page of the descriptor's file system is on its disk. */
Napi::Value syncFileSystem(const Napi::CallbackInfo& info);

}  // namespace swarm
