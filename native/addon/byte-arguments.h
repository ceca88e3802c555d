// Byte arrays as arguments of the addon's functions.
#pragma once

#include <napi.h>

#include <climits>

namespace swarm {

/** Whether it is a Uint8Array whose length is an int of C libraries. */
inline bool isBytes(const Napi::Value& value) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array &&
         value.As<Napi::TypedArray>().ElementLength() <= INT_MAX;
}

}  // namespace swarm
