// The 32-byte header: check and write.
#include "format/header.h"

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

}  // namespace

const char* statusName(Status status) {
  const auto index = static_cast<size_t>(status);
  return index < static_cast<size_t>(Status::count) ? statusNames[index] : "unknown";
}

Status parseHeader(ByteSpan encoded, ChunkHeader& header) {
  if (encoded.size < headerBytes) return Status::truncated;
  return checkHeader(encoded, crc32c(0, {encoded.data, header_at::headerChecksum}), header);
}

void writeHeader(const ChunkHeader& header, uint8_t* out) {
  fillHeader(header, out);
  store32(out + header_at::headerChecksum, crc32c(0, {out, header_at::headerChecksum}));
}

}  // namespace swarm
