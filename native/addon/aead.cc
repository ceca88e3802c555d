#include "addon/aead.h"

#include <dlfcn.h>

#include <algorithm>
#include <climits>
#include <cstring>

namespace swarm {

namespace {

constexpr size_t keyBytes = 32;
constexpr size_t nonceBytes = 12;
constexpr size_t tagBytes = 16;

/** EVP_CTRL_AEAD_GET_TAG and EVP_CTRL_AEAD_SET_TAG of openssl/evp.h. */
constexpr int getTag = 0x10;
constexpr int setTag = 0x11;

/** These functions have kept their arguments since OpenSSL 1.1.0. */
struct OpenSsl {
  const void* (*cipher)() = nullptr;
  void* (*makeContext)() = nullptr;
  void (*freeContext)(void*) = nullptr;
  /** Context, cipher, engine, key, nonce, whether to encrypt (1, 0, or -1 for as before); null: as before. */
  int (*init)(void*, const void*, void*, const unsigned char*, const unsigned char*, int) = nullptr;
  /** Context, output (null: associated data), bytes written, input, its size. */
  int (*update)(void*, unsigned char*, int*, const unsigned char*, int) = nullptr;
  int (*finish)(void*, unsigned char*, int*) = nullptr;
  /** Context, what, size, bytes. */
  int (*control)(void*, int, int, void*) = nullptr;
  bool isComplete = true;

  OpenSsl() {
    find("EVP_chacha20_poly1305", cipher);
    find("EVP_CIPHER_CTX_new", makeContext);
    find("EVP_CIPHER_CTX_free", freeContext);
    find("EVP_CipherInit_ex", init);
    find("EVP_CipherUpdate", update);
    find("EVP_CipherFinal_ex", finish);
    find("EVP_CIPHER_CTX_ctrl", control);
  }

 private:
  template <class Function>
  void find(const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
    isComplete = isComplete && function != nullptr;
  }
};

const OpenSsl& openSsl() {
  static const OpenSsl found;
  return found;
}

struct Bytes {
  uint8_t* data = nullptr;
  size_t size = 0;
};

bool takeBytes(const Napi::Value& value, Bytes& bytes) {
  if (!value.IsTypedArray()) return false;
  const auto array = value.As<Napi::TypedArray>();
  if (array.TypedArrayType() != napi_uint8_array || array.ByteLength() > INT_MAX) return false;
  auto given = value.As<Napi::Uint8Array>();
  bytes.data = given.Data();
  bytes.size = given.ElementLength();
  return true;
}

class Aead : public Napi::ObjectWrap<Aead> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Aead", {InstanceMethod<&Aead::seal>("seal"), InstanceMethod<&Aead::open>("open")});
  }

  explicit Aead(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Aead>(info) {
    Bytes key;
    if (!takeBytes(info[0], key) || key.size != keyBytes) {
      Napi::TypeError::New(info.Env(), "expected a key of 32 bytes").ThrowAsJavaScriptException();
      return;
    }
    std::memcpy(key_, key.data, keyBytes);
  }

  ~Aead() override {
    for (void* const context : contexts_)
      if (context != nullptr) openSsl().freeContext(context);
  }

 private:
  Napi::Value seal(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Bytes out;
    if (!info[0].IsArray() || !takeBytes(info[3], out)) return refuse(env);
    const auto parts = info[0].As<Napi::Array>();
    void* const context = begin(info[1], info[2], 1);
    if (context == nullptr) return refuse(env);
    size_t position = 0;
    const uint32_t count = parts.Length();
    for (uint32_t index = 0; index < count; index++) {
      Bytes part;
      if (!takeBytes(parts.Get(index), part) || out.size < position + part.size + tagBytes) return refuse(env);
      if (!pass(context, out.data + position, part)) return fail(env);
      position += part.size;
    }
    if (out.size != position + tagBytes) return refuse(env);
    if (!finish(context) || openSsl().control(context, getTag, tagBytes, out.data + position) != 1) return fail(env);
    return env.Undefined();
  }

  Napi::Value open(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Bytes out;
    if (!info[0].IsArray() || !takeBytes(info[3], out)) return refuse(env);
    const auto parts = info[0].As<Napi::Array>();
    void* const context = begin(info[1], info[2], 0);
    if (context == nullptr) return refuse(env);
    uint8_t tag[tagBytes];
    size_t position = 0;
    const uint32_t count = parts.Length();
    for (uint32_t index = 0; index < count; index++) {
      Bytes part;
      if (!takeBytes(parts.Get(index), part) || part.size > out.size + tagBytes - position) return refuse(env);
      Bytes text = part;
      text.size = position < out.size ? std::min(part.size, out.size - position) : 0;
      if (!pass(context, out.data + position, text)) return fail(env);
      position += text.size;
      const size_t rest = part.size - text.size;
      if (rest > 0) std::memcpy(tag + (position - out.size), text.data + text.size, rest);
      position += rest;
    }
    if (position != out.size + tagBytes) return refuse(env);
    if (openSsl().control(context, setTag, tagBytes, tag) != 1) return fail(env);
    const bool isRight = finish(context);
    if (!isRight && out.size > 0) std::memset(out.data, 0, out.size);
    return Napi::Boolean::New(env, isRight);
  }

  /** The context of that direction with the nonce and the associated data; null when those are none. */
  void* begin(const Napi::Value& nonceValue, const Napi::Value& adValue, int isEncrypting) {
    Bytes nonce;
    Bytes ad;
    if (!takeBytes(nonceValue, nonce) || nonce.size != nonceBytes || !takeBytes(adValue, ad)) return nullptr;
    void*& context = contexts_[isEncrypting];
    if (context == nullptr) {
      void* const made = openSsl().makeContext();
      if (made == nullptr) return nullptr;
      context = made;
      if (openSsl().init(made, openSsl().cipher(), nullptr, key_, nonce.data, isEncrypting) != 1) return nullptr;
    } else if (openSsl().init(context, nullptr, nullptr, nullptr, nonce.data, isEncrypting) != 1) {
      return nullptr;
    }
    return pass(context, nullptr, ad) ? context : nullptr;
  }

  static bool pass(void* context, uint8_t* out, const Bytes& bytes) {
    int written = 0;
    return bytes.size == 0 || openSsl().update(context, out, &written, bytes.data, static_cast<int>(bytes.size)) == 1;
  }

  static bool finish(void* context) {
    // A stream cipher has nothing left to write.
    unsigned char none[tagBytes];
    int written = 0;
    return openSsl().finish(context, none, &written) == 1;
  }

  static Napi::Value refuse(Napi::Env env) {
    Napi::TypeError::New(env, "expected byte arrays of the right sizes").ThrowAsJavaScriptException();
    return {};
  }

  static Napi::Value fail(Napi::Env env) {
    Napi::Error::New(env, "OpenSSL refused to work").ThrowAsJavaScriptException();
    return {};
  }

  unsigned char key_[keyBytes] = {};
  /** For opening and for sealing, made when first needed. */
  void* contexts_[2] = {nullptr, nullptr};
};

}  // namespace

Napi::Value defineAead(Napi::Env env) {
  if (!openSsl().isComplete) return env.Undefined();
  return Aead::define(env);
}

}  // namespace swarm
