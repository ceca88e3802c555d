// What swarm_codec.node exports. src/codec/load-addon.ts holds the TypeScript view of it.
#include <napi.h>

#include "addon/aead.h"
#include "addon/codec-pool.h"
#include "addon/data-plane.h"
#include "addon/file-batches.h"
#include "addon/file-system.h"
#include "addon/page-memory.h"
#include "addon/rival-libraries.h"
#include "addon/socket.h"
#include "cuda/backend.h"
#include "format/layout.h"

namespace swarm {

namespace {

/** Raised whenever a name, an argument or a result below changes. */
constexpr uint32_t interfaceVersion = 11;

/** inspect(encoded): the header's fields, or just `status` when it breaks a rule. */
Napi::Value inspect(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    Napi::TypeError::New(info.Env(), "expected a Uint8Array").ThrowAsJavaScriptException();
    return {};
  }
  const auto encoded = info[0].As<Napi::Uint8Array>();
  ChunkHeader header{};
  const Status status = parseHeader({encoded.Data(), encoded.ElementLength()}, header);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("status", static_cast<double>(status));
  result.Set("codec", static_cast<double>(header.codec));
  result.Set("level", static_cast<double>(header.level));
  result.Set("hint", static_cast<double>(header.hint));
  result.Set("rawBytes", static_cast<double>(header.rawBytes));
  result.Set("encodedBytes", static_cast<double>(header.encodedBytes));
  return result;
}

/** findDevices(): the GPUs that can be used, and why there are none. */
Napi::Value findDevices(const Napi::CallbackInfo& info) {
  const gpu::Devices devices = gpu::findDevices();
  Napi::Array found = Napi::Array::New(info.Env());
  for (const gpu::Device& device : devices.found) {
    Napi::Object each = Napi::Object::New(info.Env());
    each.Set("index", device.index);
    each.Set("name", device.name);
    each.Set("memoryBytes", static_cast<double>(device.memoryBytes));
    found.Set(found.Length(), each);
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("found", found);
  result.Set("reason", devices.reason);
  return result;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  Napi::Array names = Napi::Array::New(env);
  for (uint32_t index = 0; index < static_cast<uint32_t>(Status::count); index++)
    names.Set(index, statusName(static_cast<Status>(index)));
  Napi::Array paths = Napi::Array::New(env);
  for (const CodePath path : allPaths)
    if (isAvailable(path)) paths.Set(paths.Length(), pathName(path));
  exports.Set("interfaceVersion", static_cast<double>(interfaceVersion));
  exports.Set("formatVersion", static_cast<double>(formatVersion));
  exports.Set("rawBytesMax", static_cast<double>(rawBytesMax));
  exports.Set("headerBytes", static_cast<double>(headerBytes));
  exports.Set("statusNames", names);
  exports.Set("paths", paths);
  exports.Set("inspect", Napi::Function::New(env, inspect));
  exports.Set("setModifiedTime", Napi::Function::New(env, setModifiedTime));
  exports.Set("readFiles", Napi::Function::New(env, readFiles));
  exports.Set("writeFiles", Napi::Function::New(env, writeFiles));
  exports.Set("moveFiles", Napi::Function::New(env, moveFiles));
  exports.Set("listFolder", Napi::Function::New(env, listFolder));
  exports.Set("syncFileSystem", Napi::Function::New(env, syncFileSystem));
  exports.Set("allocatePages", Napi::Function::New(env, allocatePages));
  exports.Set("openLz4", Napi::Function::New(env, openLz4));
  exports.Set("openZstd", Napi::Function::New(env, openZstd));
  exports.Set("Aead", defineAead(env));
  exports.Set("DataPlane", DataPlane::define(env));
  exports.Set("limitUnsent", Napi::Function::New(env, limitUnsent));
  exports.Set("findDevices", Napi::Function::New(env, findDevices));
  exports.Set("CodecPool", CodecPool::define(env));
  return exports;
}

}  // namespace

}  // namespace swarm

static Napi::Object initializeAddon(Napi::Env env, Napi::Object exports) { return swarm::initialize(env, exports); }
NODE_API_MODULE(swarm_codec, initializeAddon)
