// Functions that are looked up at run time, so that the addon loads where they are missing.
#pragma once

#include <dlfcn.h>

namespace swarm {

/** Sets `function` to what the library calls `name`; where it has no such thing, null, and `isComplete` false. */
template <class Function>
void findSymbol(void* library, const char* name, Function& function, bool& isComplete) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  isComplete = isComplete && function != nullptr;
}

}  // namespace swarm
