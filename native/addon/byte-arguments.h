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

/** What lies in a Uint8Array, for as long as that lives. */
struct Bytes {
  uint8_t* data = nullptr;
  size_t size = 0;
};

/** False when `value` is no such array. */
inline bool takeBytes(const Napi::Value& value, Bytes& bytes) {
  if (!isBytes(value)) return false;
  auto given = value.As<Napi::Uint8Array>();
  bytes.data = given.Data();
  bytes.size = given.ElementLength();
  return true;
}

}  // namespace swarm
