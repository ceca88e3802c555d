#include "addon/openssl.h"

#include <cstring>

#include "addon/dynamic-symbols.h"

namespace swarm {

namespace {

/** EVP_CTRL_AEAD_GET_TAG and EVP_CTRL_AEAD_SET_TAG of openssl/evp.h. */
constexpr int getTag = 0x10;
constexpr int setTag = 0x11;

/** These functions have kept their arguments since OpenSSL 1.1.0. */
struct OpenSsl {
  const void* (*chaCha20Poly1305)() = nullptr;
  const void* (*aes256Gcm)() = nullptr;
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
    findSymbol(RTLD_DEFAULT, "EVP_chacha20_poly1305", chaCha20Poly1305, isComplete);
    findSymbol(RTLD_DEFAULT, "EVP_aes_256_gcm", aes256Gcm, isComplete);
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

}  // namespace

bool hasOpenSsl() { return openSsl().isComplete; }

AeadContext::AeadContext(AeadKind kind, bool seals, const uint8_t (&key)[aeadKeyBytes]) : seals_(seals) {
  if (!hasOpenSsl()) return;
  const OpenSsl& ssl = openSsl();
  const void* const cipher = kind == AeadKind::aes256Gcm ? ssl.aes256Gcm() : ssl.chaCha20Poly1305();
  context_ = ssl.makeContext();
  if (context_ == nullptr || ssl.init(context_, cipher, nullptr, key, nullptr, seals ? 1 : 0) == 1) return;
  ssl.freeContext(context_);
  context_ = nullptr;
}

AeadContext::~AeadContext() {
  if (context_ != nullptr) openSsl().freeContext(context_);
}

bool AeadContext::begin(const uint8_t* nonce) {
  return context_ != nullptr && openSsl().init(context_, nullptr, nullptr, nullptr, nonce, seals_ ? 1 : 0) == 1;
}

bool AeadContext::seal(uint8_t* tag) {
  // Neither cipher has anything left to write.
  unsigned char none[aeadTagBytes];
  int written = 0;
  return openSsl().finish(context_, none, &written) == 1 &&
         openSsl().control(context_, getTag, aeadTagBytes, tag) == 1;
}

bool AeadContext::open(const uint8_t* tag) {
  unsigned char expected[aeadTagBytes];
  std::memcpy(expected, tag, aeadTagBytes);
  unsigned char none[aeadTagBytes];
  int written = 0;
  return openSsl().control(context_, setTag, aeadTagBytes, expected) == 1 &&
         openSsl().finish(context_, none, &written) == 1;
}

bool AeadContext::update(uint8_t* out, const uint8_t* in, size_t size) {
  int written = 0;
  return size == 0 || openSsl().update(context_, out, &written, in, static_cast<int>(size)) == 1;
}

}  // namespace swarm
