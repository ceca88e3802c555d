#include "addon/lz4-library.h"

#include <dlfcn.h>

#include <climits>

namespace swarm {

namespace {

/** The functions keep these names and arguments for as long as the library keeps its number. */
#ifdef __APPLE__
constexpr const char* libraryName = "liblz4.1.dylib";
#else
constexpr const char* libraryName = "liblz4.so.1";
#endif

using Version = const char* (*)();
/** Source, destination, source size, destination capacity. */
using Convert = int (*)(const char*, char*, int, int);

struct Library {
  Version version = nullptr;
  Convert compress = nullptr;
  Convert decompress = nullptr;

  Library() {
    void* const handle = dlopen(libraryName, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return;
    version = reinterpret_cast<Version>(dlsym(handle, "LZ4_versionString"));
    compress = reinterpret_cast<Convert>(dlsym(handle, "LZ4_compress_default"));
    decompress = reinterpret_cast<Convert>(dlsym(handle, "LZ4_decompress_safe"));
  }

  bool isComplete() const { return version != nullptr && compress != nullptr && decompress != nullptr; }
};

const Library& library() {
  static const Library loaded;
  return loaded;
}

bool isBytes(const Napi::Value& value) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array &&
         value.As<Napi::TypedArray>().ElementLength() <= INT_MAX;
}

Napi::Value convert(const Napi::CallbackInfo& info, Convert function) {
  if (!isBytes(info[0]) || !isBytes(info[1])) {
    Napi::TypeError::New(info.Env(), "expected (Uint8Array, Uint8Array)").ThrowAsJavaScriptException();
    return {};
  }
  const auto from = info[0].As<Napi::Uint8Array>();
  auto to = info[1].As<Napi::Uint8Array>();
  const int size = function(reinterpret_cast<const char*>(from.Data()), reinterpret_cast<char*>(to.Data()),
                            static_cast<int>(from.ElementLength()), static_cast<int>(to.ElementLength()));
  return Napi::Number::New(info.Env(), size);
}

Napi::Value compress(const Napi::CallbackInfo& info) { return convert(info, library().compress); }
Napi::Value decompress(const Napi::CallbackInfo& info) { return convert(info, library().decompress); }

}  // namespace

Napi::Value openLz4(const Napi::CallbackInfo& info) {
  if (!library().isComplete()) return info.Env().Undefined();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("version", library().version());
  result.Set("compress", Napi::Function::New(info.Env(), compress));
  result.Set("decompress", Napi::Function::New(info.Env(), decompress));
  return result;
}

}  // namespace swarm
