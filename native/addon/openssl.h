// Authenticated ciphers of the OpenSSL inside Node, which is found at run time: the addon loads where it is missing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace swarm {

constexpr size_t aeadKeyBytes = 32;
constexpr size_t aeadNonceBytes = 12;
constexpr size_t aeadTagBytes = 16;

enum class AeadKind { chaCha20Poly1305, aes256Gcm };

/** Whether this process has an OpenSSL that lets others call it. */
bool hasOpenSsl();

/**
 * One key in one direction. A message is `begin`, any number of `pass`, and `seal` or `open`. Not for several threads at once.
 * False of any call but `open`: OpenSSL refused, and the message is lost.
 */
class AeadContext {
 public:
  AeadContext(AeadKind kind, bool seals, const uint8_t (&key)[aeadKeyBytes]);
  ~AeadContext();
  AeadContext(const AeadContext&) = delete;
  AeadContext& operator=(const AeadContext&) = delete;

  bool begin(const uint8_t* nonce);
  /** Associated data, before all else. */
  bool associate(const uint8_t* data, size_t size) { return update(nullptr, data, size); }
  /** Writes `size` bytes to `out`, which may be `in`. At most INT_MAX. */
  bool pass(const uint8_t* in, size_t size, uint8_t* out) { return update(out, in, size); }
  /** Writes the tag of 16 bytes. */
  bool seal(uint8_t* tag);
  /** Whether the tag of 16 bytes is right. Nothing that was passed may be used before that. */
  bool open(const uint8_t* tag);

 private:
  bool update(uint8_t* out, const uint8_t* in, size_t size);

  void* context_ = nullptr;
  const bool seals_;
};

}  // namespace swarm
