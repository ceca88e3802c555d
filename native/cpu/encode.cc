// Chunk encoder: header, directory, and what is stored instead when that is not larger.
#include <algorithm>

#include "cpu/encode-segment.h"
#include "cuda/host-warp.h"

namespace swarm {

namespace {

EncodeResult store(ByteSpan raw, MutableSpan out, uint32_t checksum) {
  if (raw.size != 0) std::memcpy(out.data + headerBytes, raw.data, raw.size);
  const size_t encodedBytes = headerBytes + raw.size;
  writeHeader({ChunkCodec::raw, encoderVersion, 0, Element::unknown, static_cast<uint32_t>(raw.size),
               static_cast<uint32_t>(encodedBytes), checksum},
              out.data);
  return {Status::ok, encodedBytes, ChunkCodec::raw, 0};
}

bool fits(ByteSpan raw, MutableSpan out) {
  return raw.size <= rawBytesMax && out.size >= maxEncodedBytes(raw.size);
}

}  // namespace

EncodeResult encodeRaw(ByteSpan raw, MutableSpan out) {
  if (!fits(raw, out)) return {Status::outputSize, 0, ChunkCodec::raw, 0};
  return store(raw, out, crc32c(0, raw));
}

EncodeResult encodeAns(ByteSpan raw, Element hint, Profile profile, MutableSpan out, Workspace& workspace) {
  if (!fits(raw, out)) return {Status::outputSize, 0, ChunkCodec::raw, 0};
  if (workspace.path == CodePath::hostWarp) return gpu::encodeOnHostWarp(raw, hint, profile, out);
  const size_t segmentCount = segmentCountOf(raw.size);
  Writer writer = {out.data, headerBytes, maxEncodedBytes(raw.size), false};
  uint8_t* directory = writer.claim(4 * segmentCount);
  const Kernels& kernels = kernelsOf(workspace.path);
  uint32_t crc = UINT32_MAX;
  uint32_t floatSegments = 0;
  for (size_t index = 0; index < segmentCount; index++) {
    const size_t start = index << segmentBits;
    const ByteSpan segment = {raw.data + start, std::min(segmentBytesMax, raw.size - start)};
    if (writer.full) {
      crc = kernels.updateCrc(crc, segment.data, segment.size);
      continue;
    }
    const ElementChoice choice = chooseElement(kernels, segment, hint);
    if (choice.element != Element::bytes) floatSegments++;
    encodeSegment(segment, choice, profile, writer, workspace, crc);
    if (!writer.full) store32(directory + 4 * index, static_cast<uint32_t>(writer.position));
  }
  if (raw.size == 0 || writer.full || writer.position >= maxEncodedBytes(raw.size)) return store(raw, out, ~crc);
  writeHeader({ChunkCodec::ans, encoderVersion, static_cast<uint8_t>(profile), hint, static_cast<uint32_t>(raw.size),
               static_cast<uint32_t>(writer.position), ~crc},
              out.data);
  return {Status::ok, writer.position, ChunkCodec::ans, floatSegments};
}

EncodeResult sealZstd(ByteSpan raw, ByteSpan frame, uint8_t level, MutableSpan out) {
  if (!fits(raw, out)) return {Status::outputSize, 0, ChunkCodec::raw, 0};
  const uint32_t checksum = crc32c(0, raw);
  if (frame.size >= raw.size) return store(raw, out, checksum);
  std::memcpy(out.data + headerBytes, frame.data, frame.size);
  const size_t encodedBytes = headerBytes + frame.size;
  writeHeader({ChunkCodec::zstd, encoderVersion, level, Element::unknown, static_cast<uint32_t>(raw.size),
               static_cast<uint32_t>(encodedBytes), checksum},
              out.data);
  return {Status::ok, encodedBytes, ChunkCodec::zstd, 0};
}

}  // namespace swarm
