// A chunk's header, for processors and GPUs: its checks, and how it is written.
#pragma once

#include "format/parse.h"

namespace swarm {

/** Fields whose only allowed values follow from the codec. */
SWARM_BOTH inline bool dependentFieldsAreRight(const uint8_t* bytes, ChunkCodec codec) {
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

/** Checks a header of which headerBytes are there; `checksum` is the CRC32C of those in front of its own. */
SWARM_BOTH inline Status checkHeader(ByteSpan encoded, uint32_t checksum, ChunkHeader& header) {
  const uint8_t* bytes = encoded.data;
  if (load32(bytes) != magicWord) return Status::magic;
  if (bytes[header_at::version] != formatVersion) return Status::version;
  if (checksum != load32(bytes + header_at::headerChecksum)) return Status::headerChecksum;
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

/** Writes all of a header but its own checksum. `out` is aligned to 4 bytes. */
SWARM_BOTH inline void fillHeader(const ChunkHeader& header, uint8_t* out) {
  const bool ans = header.codec == ChunkCodec::ans;
  for (size_t at = 0; at < headerBytes; at += 4) store32(out + at, 0);
  store32(out, magicWord);
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
}

}  // namespace swarm
