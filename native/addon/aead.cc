#include "addon/aead.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "addon/byte-arguments.h"
#include "addon/openssl.h"

namespace swarm {

namespace {

class Aead : public Napi::ObjectWrap<Aead> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Aead", {InstanceMethod<&Aead::seal>("seal"), InstanceMethod<&Aead::open>("open")});
  }

  explicit Aead(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Aead>(info) {
    Bytes key;
    if (!takeBytes(info[0], key) || key.size != aeadKeyBytes) {
      Napi::TypeError::New(info.Env(), "expected a key of 32 bytes").ThrowAsJavaScriptException();
      return;
    }
    std::memcpy(key_, key.data, aeadKeyBytes);
  }

 private:
  Napi::Value seal(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Bytes out;
    AeadContext* const context = begin(info, sealing_, true, out);
    if (context == nullptr) return refuse(env);
    const auto parts = info[0].As<Napi::Array>();
    size_t position = 0;
    const uint32_t count = parts.Length();
    for (uint32_t index = 0; index < count; index++) {
      Bytes part;
      if (!takeBytes(parts.Get(index), part) || out.size < position + part.size + aeadTagBytes) return refuse(env);
      if (!context->pass(part.data, part.size, out.data + position)) return fail(env);
      position += part.size;
    }
    if (out.size != position + aeadTagBytes) return refuse(env);
    return context->seal(out.data + position) ? env.Undefined() : fail(env);
  }

  Napi::Value open(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Bytes out;
    AeadContext* const context = begin(info, opening_, false, out);
    if (context == nullptr) return refuse(env);
    const auto parts = info[0].As<Napi::Array>();
    uint8_t tag[aeadTagBytes];
    size_t position = 0;
    const uint32_t count = parts.Length();
    for (uint32_t index = 0; index < count; index++) {
      Bytes part;
      if (!takeBytes(parts.Get(index), part) || part.size > out.size + aeadTagBytes - position) return refuse(env);
      const size_t text = position < out.size ? std::min(part.size, out.size - position) : 0;
      if (!context->pass(part.data, text, out.data + position)) return fail(env);
      position += text;
      const size_t rest = part.size - text;
      if (rest > 0) std::memcpy(tag + (position - out.size), part.data + text, rest);
      position += rest;
    }
    if (position != out.size + aeadTagBytes) return refuse(env);
    const bool isRight = context->open(tag);
    if (!isRight && out.size > 0) std::memset(out.data, 0, out.size);
    return Napi::Boolean::New(env, isRight);
  }

  /**
   * Reads what both calls are given, (parts, nonce, ad, out), but for the parts. The context of that direction, made when first needed,
   * with the nonce and the associated data; null when an argument is none.
   */
  AeadContext* begin(const Napi::CallbackInfo& info, std::unique_ptr<AeadContext>& context, bool seals, Bytes& out) {
    Bytes nonce;
    Bytes ad;
    if (!info[0].IsArray() || !takeBytes(info[1], nonce) || !takeBytes(info[2], ad)) return nullptr;
    if (nonce.size != aeadNonceBytes || !takeBytes(info[3], out)) return nullptr;
    if (context == nullptr) context = std::make_unique<AeadContext>(AeadKind::chaCha20Poly1305, seals, key_);
    return context->begin(nonce.data) && context->associate(ad.data, ad.size) ? context.get() : nullptr;
  }

  static Napi::Value refuse(Napi::Env env) {
    Napi::TypeError::New(env, "expected byte arrays of the right sizes").ThrowAsJavaScriptException();
    return {};
  }

  static Napi::Value fail(Napi::Env env) {
    Napi::Error::New(env, "OpenSSL refused to work").ThrowAsJavaScriptException();
    return {};
  }

  uint8_t key_[aeadKeyBytes] = {};
  std::unique_ptr<AeadContext> sealing_;
  std::unique_ptr<AeadContext> opening_;
};

}  // namespace

Napi::Value defineAead(Napi::Env env) {
  if (!hasOpenSsl()) return env.Undefined();
  return Aead::define(env);
}

}  // namespace swarm
