// Chunk encoder: segments, planes, modes. The loops are in kernels.h.
#include <algorithm>

#include "cpu/kernels.h"

namespace swarm {

namespace {

/** Where the next part goes. `full` once something did not fit; the chunk is then stored raw. */
struct Writer {
  uint8_t* base;
  size_t position;
  size_t capacity;
  bool full;

  /** Claims `size` bytes, padded with zeros to a multiple of 16. Null when they do not fit. */
  uint8_t* claim(size_t size) {
    if (full || alignUp(size) > capacity - position) {
      full = true;
      return nullptr;
    }
    uint8_t* start = base + position;
    std::memset(start + size, 0, alignUp(size) - size);
    position += alignUp(size);
    return start;
  }
};

void writeDescriptor(uint8_t* descriptor, PlaneMode mode, size_t symbolCount, size_t offset, size_t bytes,
                     uint32_t wordCount) {
  descriptor[plane_at::mode] = static_cast<uint8_t>(mode);
  store16(descriptor + plane_at::symbolCount, static_cast<uint16_t>(symbolCount));
  store32(descriptor + plane_at::offset, static_cast<uint32_t>(offset));
  store32(descriptor + plane_at::bytes, static_cast<uint32_t>(bytes));
  store32(descriptor + plane_at::wordCount, wordCount);
}

void encodePlane(const uint8_t* plane, size_t size, const Counts& counts, Writer& writer, size_t segmentStart,
                 uint8_t* descriptor, Workspace& workspace) {
  if (counts[plane[0]] == size) {
    descriptor[plane_at::mode] = static_cast<uint8_t>(PlaneMode::constant);
    descriptor[plane_at::symbol] = plane[0];
    return;
  }
  const size_t offset = writer.position - segmentStart;
  const FrequencyTable table = makeFrequencyTable(counts, size, probabilityBitsWritten);
  if (isWorthCoding(counts, table, size, probabilityBitsWritten)) {
    uint32_t wordCount = 0;
    const size_t bytes =
        encodeRansPlane(kernelsOf(workspace.path), plane, size, table, probabilityBitsWritten, writer.base + writer.position,
                        writer.capacity - writer.position, workspace.words, wordCount);
    if (bytes == 0 || writer.claim(bytes) == nullptr) {
      writer.full = true;
      return;
    }
    writeDescriptor(descriptor, PlaneMode::rans, table.symbolCount, offset, bytes, wordCount);
    return;
  }
  uint8_t* target = writer.claim(size);
  if (target == nullptr) return;
  std::memcpy(target, plane, size);
  writeDescriptor(descriptor, PlaneMode::raw, 0, offset, size, 0);
}

/** Elements that are split, counted and summed at a time, while they lie in the nearest caches. */
constexpr size_t pieceElements = 8192;

/** `crc` is continued over the segment, also when it does not fit. */
void encodeSegment(ByteSpan raw, ElementChoice choice, Writer& writer, Workspace& workspace, uint32_t& crc) {
  const size_t start = writer.position;
  uint8_t* prefix = writer.claim(segmentPrefixBytes);
  if (prefix == nullptr) {
    crc = kernelsOf(workspace.path).updateCrc(crc, raw.data, raw.size);
    return;
  }
  const size_t width = elementWidth(choice.element);
  const size_t elements = (raw.size - choice.phase) / width;
  const size_t tailBytes = (raw.size - choice.phase) % width;
  std::memset(prefix, 0, segmentPrefixBytes);
  prefix[segment_at::element] = static_cast<uint8_t>(choice.element);
  prefix[segment_at::phase] = choice.phase;
  prefix[segment_at::probabilityBits] = probabilityBitsWritten;
  std::memcpy(prefix + segment_at::head, raw.data, choice.phase);
  std::memcpy(prefix + segment_at::tail, raw.data + raw.size - tailBytes, tailBytes);
  const Kernels& kernels = kernelsOf(workspace.path);
  crc = kernels.updateCrc(crc, raw.data, choice.phase);
  workspace.planes.resize(segmentBytesMax);
  uint8_t* planes[planeCountMax] = {};
  for (size_t plane = 0; plane < width; plane++) planes[plane] = workspace.planes.data() + plane * elements;
  PlaneCounter counter(choice.element, elements, workspace.counts);
  for (size_t first = 0; first < elements; first += pieceElements) {
    const size_t count = std::min(pieceElements, elements - first);
    const uint8_t* const piece = raw.data + choice.phase + first * width;
    uint8_t* targets[planeCountMax] = {};
    for (size_t plane = 0; plane < width; plane++) targets[plane] = planes[plane] + first;
    kernels.splitPlanes(choice.element, piece, count, targets);
    counter.add(piece, count, targets);
    crc = kernels.updateCrc(crc, piece, count * width);
  }
  crc = kernels.updateCrc(crc, raw.data + raw.size - tailBytes, tailBytes);
  const std::array<Counts, planeCountMax>& counts = counter.finish();
  for (size_t plane = 0; plane < width && !writer.full; plane++)
    encodePlane(planes[plane], elements, counts[plane], writer, start,
                prefix + segmentHeaderBytes + plane * planeDescriptorBytes, workspace);
}

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

EncodeResult encodeAns(ByteSpan raw, Element hint, MutableSpan out, Workspace& workspace) {
  if (!fits(raw, out)) return {Status::outputSize, 0, ChunkCodec::raw, 0};
  const size_t segmentCount = (raw.size + segmentBytesMax - 1) >> segmentBits;
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
    encodeSegment(segment, choice, writer, workspace, crc);
    if (!writer.full) store32(directory + 4 * index, static_cast<uint32_t>(writer.position));
  }
  if (raw.size == 0 || writer.full || writer.position >= maxEncodedBytes(raw.size)) return store(raw, out, ~crc);
  writeHeader({ChunkCodec::ans, encoderVersion, 0, hint, static_cast<uint32_t>(raw.size),
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
