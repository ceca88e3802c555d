// Records of a data connection, as protocols/exchange.md describes them: a length, and a frame under AES-256-GCM.
#pragma once

#include <cstddef>
#include <cstdint>

#include "addon/openssl.h"

namespace swarm {

constexpr size_t recordLengthBytes = 4;
constexpr size_t recordHeaderBytes = 16;
/** The longest body, sent and taken. */
constexpr size_t recordBodyMax = 64 * 1024;
/** What the length says: header, body and tag. */
constexpr size_t recordSealedMin = recordHeaderBytes + aeadTagBytes;
constexpr size_t recordSealedMax = recordSealedMin + recordBodyMax;
constexpr size_t recordBytesMax = recordLengthBytes + recordSealedMax;

enum class RecordKind : uint32_t { ready = 0, frame = 1 };

struct RecordHeader {
  uint32_t kind = 0;
  uint32_t id = 0;
  uint32_t offset = 0;
};

inline uint32_t loadBigEndian(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
         static_cast<uint32_t>(bytes[2]) << 8 | bytes[3];
}

inline void storeBigEndian(uint8_t* bytes, uint32_t value) {
  for (int index = 0; index < 4; index++) bytes[index] = static_cast<uint8_t>(value >> (24 - 8 * index));
}

/** Seals or opens the records of one direction, in their order. */
class RecordCipher {
 public:
  RecordCipher(bool seals, const uint8_t (&key)[aeadKeyBytes]) : context_(AeadKind::aes256Gcm, seals, key) {}

  /** Writes a whole record of `recordLengthBytes + recordSealedMin + size` bytes. False: OpenSSL refused. */
  bool seal(const RecordHeader& header, const uint8_t* body, size_t size, uint8_t* record) {
    uint8_t plain[recordHeaderBytes] = {};
    storeBigEndian(plain, header.kind);
    storeBigEndian(plain + 4, header.id);
    storeBigEndian(plain + 8, header.offset);
    storeBigEndian(record, static_cast<uint32_t>(recordSealedMin + size));
    uint8_t* const sealed = record + recordLengthBytes;
    return next() && context_.pass(plain, recordHeaderBytes, sealed) &&
           context_.pass(body, size, sealed + recordHeaderBytes) && context_.seal(sealed + recordHeaderBytes + size);
  }

  /** The header of the next record, which nothing proves before `openBody`. */
  bool openHeader(const uint8_t* sealed, RecordHeader& header) {
    uint8_t plain[recordHeaderBytes];
    if (!next() || !context_.pass(sealed, recordHeaderBytes, plain)) return false;
    header = {loadBigEndian(plain), loadBigEndian(plain + 4), loadBigEndian(plain + 8)};
    return true;
  }

  /** Writes its body of `size` bytes. Whether header and body are what the other end sealed. */
  bool openBody(const uint8_t* sealed, size_t size, uint8_t* body) {
    return context_.pass(sealed + recordHeaderBytes, size, body) && context_.open(sealed + recordHeaderBytes + size);
  }

 private:
  /** The nonce is the record's number, which never comes twice under one key. */
  bool next() {
    uint8_t nonce[aeadNonceBytes] = {};
    storeBigEndian(nonce + 4, static_cast<uint32_t>(number_ >> 32));
    storeBigEndian(nonce + 8, static_cast<uint32_t>(number_));
    number_++;
    return context_.begin(nonce);
  }

  AeadContext context_;
  uint64_t number_ = 0;
};

}  // namespace swarm
