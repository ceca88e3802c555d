#include "addon/aead.h"

#include <algorithm>
#include <cstring>

#include "addon/byte-arguments.h"
#include "addon/dynamic-symbols.h"

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
    findSymbol(RTLD_DEFAULT, "EVP_chacha20_poly1305", cipher, isComplete);
    findSymbol(RTLD_DEFAULT, "EVP_CIPHER_CTX_new", makeContext, isComplete);
    findSymbol(RTLD_DEFAULT, "EVP_CIPHER_CTX_free", freeContext, isComplete);
    findSymbol(RTLD_DEFAULT, "EVP_CipherInit_ex", init, isComplete);
    findSymbol(RTLD_DEFAULT, "EVP_CipherUpdate", update, isComplete);
    findSymbol(RTLD_DEFAULT, "EVP_CipherFinal_ex", finish, isComplete);
    findSymbol(RTLD_DEFAULT, "EVP_CIPHER_CTX_ctrl", control, isComplete);
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
  if (!isBytes(value)) return false;
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
    void* const context = begin(info, 1, out);
    if (context == nullptr) return refuse(env);
    const auto parts = info[0].As<Napi::Array>();
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
    void* const context = begin(info, 0, out);
    if (context == nullptr) return refuse(env);
    const auto parts = info[0].As<Napi::Array>();
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

  /**
   * Reads what both calls are given, (parts, nonce, ad, out), but for the parts. The context of that direction with the nonce and the
   * associated data; null when an argument is none.
   */
  void* begin(const Napi::CallbackInfo& info, int isEncrypting, Bytes& out) {
    Bytes nonce;
    Bytes ad;
    if (!info[0].IsArray() || !takeBytes(info[1], nonce) || !takeBytes(info[2], ad)) return nullptr;
    if (nonce.size != nonceBytes || !takeBytes(info[3], out)) return nullptr;
    void*& context = contexts_[isEncrypting];
    const bool isNew = context == nullptr;
    if (isNew) context = openSsl().makeContext();
    if (context == nullptr) return nullptr;
    const void* const cipher = isNew ? openSsl().cipher() : nullptr;
    if (openSsl().init(context, cipher, nullptr, isNew ? key_ : nullptr, nonce.data, isEncrypting) != 1) return nullptr;
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
