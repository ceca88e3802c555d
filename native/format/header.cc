// The 32-byte header: check and write.
#include "format/parse.h"

namespace swarm {

namespace {

constexpr const char* statusNames[] = {
    "ok",          "truncated",   "magic",      "version",       "headerChecksum", "codec",        "headerField",
    "rawBytes",    "encodedBytes", "directory", "segmentHeader", "planeMode",      "planeLayout",  "table",
    "streamIndex", "stateRange",  "words",      "finalState",    "paddingSymbol",  "escapes",      "code",
    "paddingBytes", "checksum",   "zstdPayload", "outputSize",   "outOfMemory",    "readFailed",   "shortRead",
    "writeFailed",
};
static_assert(sizeof statusNames / sizeof statusNames[0] == static_cast<size_t>(Status::count), "one name per status");

/** Fields whose only allowed values follow from the codec. */
bool dependentFieldsAreRight(const uint8_t* bytes, ChunkCodec codec) {
  const bool ans = codec == ChunkCodec::ans;
  const uint8_t level = bytes[header_at::level];
  const bool levelIsRight =
      codec == ChunkCodec::zstd ? level >= 1 && level <= zstdLevelMax : level <= (ans ? ansLevelMax : 0);
  const uint8_t hintMax = ans ? static_cast<uint8_t>(Element::fp32) : 0;
  return levelIsRight && bytes[header_at::encoder] == encoderVersion &&
         bytes[header_at::segmentBits] == (ans ? segmentBits : 0) &&
         bytes[header_at::streamBits] == (ans ? streamBitsOfPlanes : 0) && bytes[header_at::hint] <= hintMax &&
         bytes[header_at::reserved] == 0 && load32(bytes + header_at::reservedWord) == 0;
}

}  // namespace

const char* statusName(Status status) {
  const auto index = static_cast<size_t>(status);
  return index < static_cast<size_t>(Status::count) ? statusNames[index] : "unknown";
}

Status parseHeader(ByteSpan encoded, ChunkHeader& header) {
  if (encoded.size < headerBytes) return Status::truncated;
  const uint8_t* bytes = encoded.data;
  if (std::memcmp(bytes, magicBytes, sizeof magicBytes) != 0) return Status::magic;
  if (bytes[header_at::version] != formatVersion) return Status::version;
  if (crc32c(0, {bytes, header_at::headerChecksum}) != load32(bytes + header_at::headerChecksum))
    return Status::headerChecksum;
  if (bytes[header_at::codec] > static_cast<uint8_t>(ChunkCodec::zstd)) return Status::codec;
  header.codec = static_cast<ChunkCodec>(bytes[header_at::codec]);
  if (!dependentFieldsAreRight(bytes, header.codec)) return Status::headerField;
  header.encoderVersion = bytes[header_at::encoder];
  header.level = bytes[header_at::level];
  header.hint = static_cast<Element>(bytes[header_at::hint]);
  header.rawBytes = load32(bytes + header_at::rawBytes);
  header.encodedBytes = load32(bytes + header_at::encodedBytes);
  header.rawChecksum = load32(bytes + header_at::rawChecksum);
  if (header.rawBytes > rawBytesMax) return Status::rawBytes;
  if (header.rawBytes == 0 && header.codec != ChunkCodec::raw) return Status::rawBytes;
  if (header.encodedBytes != encoded.size) return Status::encodedBytes;
  const size_t storedBytes = headerBytes + header.rawBytes;
  const bool sizeIsRight = header.codec == ChunkCodec::raw ? header.encodedBytes == storedBytes
                                                           : header.encodedBytes < storedBytes;
  return sizeIsRight ? Status::ok : Status::encodedBytes;
}

void writeHeader(const ChunkHeader& header, uint8_t* out) {
  const bool ans = header.codec == ChunkCodec::ans;
  std::memset(out, 0, headerBytes);
  std::memcpy(out, magicBytes, sizeof magicBytes);
  out[header_at::version] = formatVersion;
  out[header_at::codec] = static_cast<uint8_t>(header.codec);
  out[header_at::encoder] = header.encoderVersion;
  out[header_at::level] = header.level;
  store32(out + header_at::rawBytes, header.rawBytes);
  store32(out + header_at::encodedBytes, header.encodedBytes);
  out[header_at::segmentBits] = ans ? segmentBits : 0;
  out[header_at::streamBits] = ans ? streamBitsOfPlanes : 0;
  out[header_at::hint] = static_cast<uint8_t>(header.hint);
  store32(out + header_at::rawChecksum, header.rawChecksum);
  store32(out + header_at::headerChecksum, crc32c(0, {out, header_at::headerChecksum}));
}

}  // namespace swarm
