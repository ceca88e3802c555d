// The order of work: planes that the sample stored are split straight to where they stay, at the start of the segment's data;
// the others to scratch, where they are counted, given a mode, and coded behind. The loops are in kernels.h.
#include "cpu/encode-segment.h"

#include <algorithm>

namespace swarm {

namespace {

/** A segment under way. Planes are where they were split to; `prefix` is its header and descriptors. */
struct Segment {
  ByteSpan raw;
  ElementChoice choice;
  size_t width;
  size_t elements;
  size_t tailBytes;
  uint8_t* prefix;
  std::array<uint8_t*, planeCountMax> planes;

  const uint8_t* body() const { return raw.data + choice.phase; }
  const uint8_t* tail() const { return raw.data + raw.size - tailBytes; }
  bool isStored(size_t plane) const { return (choice.storedPlanes >> plane & 1) != 0; }
  uint8_t* descriptor(size_t plane) const { return prefix + segmentHeaderBytes + plane * planeDescriptorBytes; }
};

void writeDescriptor(uint8_t* descriptor, PlaneMode mode, size_t symbolCount, size_t offset, size_t bytes,
                     size_t wordCount) {
  descriptor[plane_at::mode] = static_cast<uint8_t>(mode);
  store16(descriptor + plane_at::symbolCount, static_cast<uint16_t>(symbolCount));
  store32(descriptor + plane_at::offset, static_cast<uint32_t>(offset));
  store32(descriptor + plane_at::bytes, static_cast<uint32_t>(bytes));
  store32(descriptor + plane_at::wordCount, static_cast<uint32_t>(wordCount));
}

/** Claims what is known in advance: the header, and places for the planes that the sample stored. False when it does not fit. */
bool begin(Segment& segment, Writer& writer, Workspace& workspace) {
  segment.prefix = writer.claim(segmentPrefixBytes);
  if (segment.prefix == nullptr) return false;
  std::memset(segment.prefix, 0, segmentPrefixBytes);
  segment.prefix[segment_at::element] = static_cast<uint8_t>(segment.choice.element);
  segment.prefix[segment_at::phase] = segment.choice.phase;
  std::memcpy(segment.prefix + segment_at::head, segment.raw.data, segment.choice.phase);
  std::memcpy(segment.prefix + segment_at::tail, segment.tail(), segment.tailBytes);
  workspace.planes.resize(segmentBytesMax);
  for (size_t plane = 0; plane < segment.width; plane++) {
    segment.planes[plane] = segment.isStored(plane) ? writer.claim(segment.elements)
                                                    : workspace.planes.data() + plane * segment.elements;
    if (segment.planes[plane] == nullptr) return false;
  }
  return true;
}

void splitAndCount(const Segment& segment, const Kernels& kernels, PlaneCounter* counters, uint32_t& crc) {
  const Element element = segment.choice.element;
  crc = kernels.updateCrc(crc, segment.raw.data, segment.choice.phase);
  for (size_t first = 0; first < segment.elements; first += pieceSymbols) {
    const size_t count = std::min(pieceSymbols, segment.elements - first);
    const uint8_t* const piece = segment.body() + first * segment.width;
    uint8_t* targets[planeCountMax] = {};
    for (size_t plane = 0; plane < segment.width; plane++) targets[plane] = segment.planes[plane] + first;
    kernels.splitPlanes(element, piece, count, targets);
    for (size_t plane = 0; plane < segment.width; plane++)
      if (!segment.isStored(plane)) counters[plane].add(kernels, targets[plane], count);
    crc = kernels.updateCrc(crc, piece, count * segment.width);
  }
  crc = kernels.updateCrc(crc, segment.tail(), segment.tailBytes);
}

/**
 * Puts the RAW planes where they belong, in their order, and describes them. Those that the sample stored are there already,
 * unless one that only its exact counts made RAW comes before: from the last to the first, each moves up or stays.
 */
void placeRawPlanes(const Segment& segment, const std::array<PlaneChoice, planeCountMax>& choices, Writer& writer) {
  size_t count = 0;
  for (size_t plane = 0; plane < segment.width; plane++) {
    if (choices[plane].mode != PlaneMode::raw) continue;
    count++;
    if (!segment.isStored(plane) && writer.claim(segment.elements) == nullptr) return;
  }
  for (size_t plane = segment.width; plane-- > 0;) {
    if (choices[plane].mode != PlaneMode::raw) continue;
    const size_t offset = segmentPrefixBytes + --count * alignUp(segment.elements);
    uint8_t* const target = segment.prefix + offset;
    if (target != segment.planes[plane]) std::memcpy(target, segment.planes[plane], segment.elements);
    writeDescriptor(segment.descriptor(plane), PlaneMode::raw, 0, offset, segment.elements, 0);
  }
}

/** Writes a plane that is coded, and its descriptor. */
void encodePlane(const Segment& segment, size_t plane, const PlaneChoice& choice, Writer& writer,
                 Workspace& workspace) {
  const Kernels& kernels = kernelsOf(workspace.path);
  const unsigned streamBits = streamBitsOf(segment.choice.element);
  uint8_t* const descriptor = segment.descriptor(plane);
  uint8_t* const out = writer.base + writer.position;
  const size_t capacity = writer.capacity - writer.position;
  const uint8_t* const symbols = segment.planes[plane];
  uint32_t wordCount = 0;
  size_t bytes = 0;
  if (choice.mode == PlaneMode::rans) {
    bytes = encodeRansPlane(kernels, symbols, segment.elements, choice.frequencies, streamBits, out, capacity,
                            workspace.words, wordCount);
    descriptor[plane_at::symbol] = static_cast<uint8_t>(choice.frequencies.probabilityBits);
  } else {
    bytes = encodeFixedPlane(kernels, symbols, segment.elements, choice.fixed, choice.escapeCount, streamBits, out,
                             capacity);
  }
  if (bytes == 0 || writer.claim(bytes) == nullptr) {
    writer.full = true;
    return;
  }
  const bool isRans = choice.mode == PlaneMode::rans;
  writeDescriptor(descriptor, choice.mode, isRans ? choice.frequencies.symbolCount : choice.fixed.symbolCount,
                  static_cast<size_t>(out - segment.prefix), bytes, isRans ? wordCount : choice.escapeCount);
}

}  // namespace

void encodeSegment(ByteSpan raw, const ElementChoice& choice, Profile profile, Writer& writer, Workspace& workspace,
                   uint32_t& crc) {
  const Kernels& kernels = kernelsOf(workspace.path);
  const size_t width = elementWidth(choice.element);
  Segment segment = {raw, choice, width, (raw.size - choice.phase) / width, (raw.size - choice.phase) % width,
                     nullptr, {}};
  if (!begin(segment, writer, workspace)) {
    crc = kernels.updateCrc(crc, raw.data, raw.size);
    return;
  }
  // What the fast profile decides by depends on the number of all escapes.
  const PlaneCounter counter(profile == Profile::rans && segment.elements > exactSymbolsMax);
  std::array<PlaneCounter, planeCountMax> counters = {counter, counter, counter, counter};
  splitAndCount(segment, kernels, counters.data(), crc);
  std::array<PlaneChoice, planeCountMax> choices;
  for (size_t plane = 0; plane < width; plane++) {
    if (segment.isStored(plane))
      choices[plane].mode = PlaneMode::raw;
    else
      choices[plane] = choosePlane(counters[plane].counts(), segment.elements, streamBitsOf(choice.element), profile);
  }
  placeRawPlanes(segment, choices, writer);
  for (size_t plane = 0; plane < width && !writer.full; plane++) {
    if (choices[plane].mode == PlaneMode::constant) {
      segment.descriptor(plane)[plane_at::mode] = static_cast<uint8_t>(PlaneMode::constant);
      segment.descriptor(plane)[plane_at::symbol] = choices[plane].symbol;
    } else if (choices[plane].mode != PlaneMode::raw) {
      encodePlane(segment, plane, choices[plane], writer, workspace);
    }
  }
}

}  // namespace swarm
