#include "addon/rival-libraries.h"

#include "addon/byte-arguments.h"
#include "addon/dynamic-symbols.h"

namespace swarm {

namespace {

/** The functions keep these names and arguments for as long as the library keeps its number. */
#ifdef __APPLE__
constexpr const char* lz4Name = "liblz4.1.dylib";
#else
constexpr const char* lz4Name = "liblz4.so.1";
#endif

struct Lz4 {
  const char* (*version)() = nullptr;
  /** Source, destination, source size, destination capacity. */
  int (*compress)(const char*, char*, int, int) = nullptr;
  int (*decompress)(const char*, char*, int, int) = nullptr;
  bool isComplete = false;

  Lz4() {
    void* const library = dlopen(lz4Name, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return;
    isComplete = true;
    findSymbol(library, "LZ4_versionString", version, isComplete);
    findSymbol(library, "LZ4_compress_default", compress, isComplete);
    findSymbol(library, "LZ4_decompress_safe", decompress, isComplete);
  }
};

const Lz4& lz4() {
  static const Lz4 loaded;
  return loaded;
}

struct Zstd {
  const char* (*version)() = nullptr;
  void* (*makeCompressor)() = nullptr;
  void* (*makeDecompressor)() = nullptr;
  /** Context, destination, its capacity, source, its size, level. */
  size_t (*compress)(void*, void*, size_t, const void*, size_t, int) = nullptr;
  size_t (*decompress)(void*, void*, size_t, const void*, size_t) = nullptr;
  unsigned (*isError)(size_t) = nullptr;
  void* compressor = nullptr;
  void* decompressor = nullptr;
  bool isComplete = true;

  Zstd() {
    findSymbol(RTLD_DEFAULT, "ZSTD_versionString", version, isComplete);
    findSymbol(RTLD_DEFAULT, "ZSTD_createCCtx", makeCompressor, isComplete);
    findSymbol(RTLD_DEFAULT, "ZSTD_createDCtx", makeDecompressor, isComplete);
    findSymbol(RTLD_DEFAULT, "ZSTD_compressCCtx", compress, isComplete);
    findSymbol(RTLD_DEFAULT, "ZSTD_decompressDCtx", decompress, isComplete);
    findSymbol(RTLD_DEFAULT, "ZSTD_isError", isError, isComplete);
    if (!isComplete) return;
    compressor = makeCompressor();
    decompressor = makeDecompressor();
    isComplete = compressor != nullptr && decompressor != nullptr;
  }
};

/** One for each thread that asks, because contexts serve one call at a time. */
Zstd& zstd() {
  static thread_local Zstd found;
  return found;
}

/** The two buffers that every call has. */
struct Buffers {
  Napi::Uint8Array from;
  Napi::Uint8Array to;
};

/** False after throwing. */
bool takeBuffers(const Napi::CallbackInfo& info, Buffers& buffers) {
  if (!isBytes(info[0]) || !isBytes(info[1])) {
    Napi::TypeError::New(info.Env(), "expected (Uint8Array, Uint8Array)").ThrowAsJavaScriptException();
    return false;
  }
  buffers = {info[0].As<Napi::Uint8Array>(), info[1].As<Napi::Uint8Array>()};
  return true;
}

template <int (*Lz4::*function)(const char*, char*, int, int)>
Napi::Value convertLz4(const Napi::CallbackInfo& info) {
  Buffers buffers;
  if (!takeBuffers(info, buffers)) return {};
  const int size = (lz4().*function)(reinterpret_cast<const char*>(buffers.from.Data()),
                                     reinterpret_cast<char*>(buffers.to.Data()),
                                     static_cast<int>(buffers.from.ElementLength()),
                                     static_cast<int>(buffers.to.ElementLength()));
  return Napi::Number::New(info.Env(), size);
}

Napi::Value sizeOrError(Napi::Env env, size_t size) {
  return Napi::Number::New(env, zstd().isError(size) != 0 ? -1.0 : static_cast<double>(size));
}

Napi::Value compressZstd(const Napi::CallbackInfo& info) {
  Buffers buffers;
  if (!takeBuffers(info, buffers)) return {};
  const int level = info[2].IsNumber() ? info[2].As<Napi::Number>().Int32Value() : 0;
  return sizeOrError(info.Env(),
                     zstd().compress(zstd().compressor, buffers.to.Data(), buffers.to.ElementLength(),
                                     buffers.from.Data(), buffers.from.ElementLength(), level));
}

Napi::Value decompressZstd(const Napi::CallbackInfo& info) {
  Buffers buffers;
  if (!takeBuffers(info, buffers)) return {};
  return sizeOrError(info.Env(), zstd().decompress(zstd().decompressor, buffers.to.Data(), buffers.to.ElementLength(),
                                                   buffers.from.Data(), buffers.from.ElementLength()));
}

Napi::Value describe(Napi::Env env, const char* version, Napi::Value (*compress)(const Napi::CallbackInfo&),
                     Napi::Value (*decompress)(const Napi::CallbackInfo&)) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("version", version);
  result.Set("compress", Napi::Function::New(env, compress));
  result.Set("decompress", Napi::Function::New(env, decompress));
  return result;
}

}  // namespace

Napi::Value openLz4(const Napi::CallbackInfo& info) {
  if (!lz4().isComplete) return info.Env().Undefined();
  return describe(info.Env(), lz4().version(), convertLz4<&Lz4::compress>, convertLz4<&Lz4::decompress>);
}

Napi::Value openZstd(const Napi::CallbackInfo& info) {
  if (!zstd().isComplete) return info.Env().Undefined();
  return describe(info.Env(), zstd().version(), compressZstd, decompressZstd);
}

}  // namespace swarm
