#include "device-layout.h"

#include <algorithm>

#include "cuda/constants.h"

namespace swarm::gpu {

namespace {

constexpr auto patience = std::chrono::minutes(1);

}  // namespace

DeviceMemory::~DeviceMemory() {
  for (uint8_t* const start : taken_) backend_.release(start);
}

uint8_t* DeviceMemory::takeBytes(size_t bytes) {
  // Without a size there would be no address.
  uint8_t* const start = isEnough_ ? backend_.allocate(std::max<size_t>(bytes, 16)) : nullptr;
  isEnough_ = start != nullptr;
  if (isEnough_) taken_.push_back(start);
  return start;
}

uint8_t* DeviceMemory::sendBytes(const uint8_t* from, size_t bytes) {
  // Kernels read whole groups of 16 bytes.
  uint8_t* const start = takeBytes(alignUp(bytes));
  if (start == nullptr || bytes == 0) return start;
  backend_.copyIn(start, from, bytes);
  isEnough_ = backend_.wait(patience);
  return start;
}

bool DeviceMemory::fetch(void* to, const void* from, size_t bytes) {
  if (bytes != 0) backend_.copyOut(static_cast<uint8_t*>(to), static_cast<const uint8_t*>(from), bytes);
  return backend_.wait(patience);
}

DecodeLayout layOutDecode(DeviceMemory& memory, const std::vector<DecodeInput>& inputs) {
  const size_t count = inputs.size();
  DecodeLayout layout{};
  std::vector<DecodeTask> tasks;
  for (const DecodeInput& input : inputs) {
    const uint8_t* const encoded = memory.send(input.encoded.data, input.encoded.size);
    uint8_t* const raw = memory.take<uint8_t>(alignUp(input.rawBytes));
    uint8_t* const planes = memory.take<uint8_t>(segmentCountOf(input.rawBytes) * planeScratchBytes);
    tasks.push_back({encoded, static_cast<uint32_t>(input.encoded.size), static_cast<uint32_t>(input.rawBytes), raw, planes});
    layout.raw.push_back(raw);
  }
  const DecodeWork work{};
  layout.batch = {memory.send(tasks.data(), count),
                  static_cast<uint32_t>(count),
                  memory.take<DecodeState>(count),
                  memory.take<SegmentPlan>(count * chunkSegments),
                  memory.take<uint32_t>(count * chunkSegments * segmentPieces),
                  memory.send(&work, 1),
                  memory.take<uint32_t>(count * decodeItemsMax),
                  memory.take<uint32_t>(count * joinItemsMax),
                  memory.send(&allTables().crc, 1)};
  return layout;
}

EncodeLayout layOutEncode(DeviceMemory& memory, const std::vector<EncodeInput>& inputs) {
  const size_t count = inputs.size();
  EncodeLayout layout{};
  std::vector<EncodeTask> tasks;
  std::vector<uint32_t> indexes;
  for (const EncodeInput& input : inputs) {
    const size_t segments = segmentCountOf(input.raw.size);
    for (size_t segment = 0; segment < segments; segment++)
      indexes.push_back(static_cast<uint32_t>(tasks.size() * chunkSegments + segment));
    const uint8_t* const raw = memory.send(input.raw.data, input.raw.size);
    uint8_t* const out = memory.take<uint8_t>(alignUp(maxEncodedBytes(input.raw.size)));
    uint8_t* const scratch = memory.take<uint8_t>(segments * encodeScratchBytes);
    uint32_t* const states = memory.take<uint32_t>(segments * streamStateCount);
    tasks.push_back({raw, out, static_cast<uint32_t>(input.raw.size), input.hint, input.profile, scratch, states});
    layout.encoded.push_back(out);
  }
  layout.batch = {memory.send(tasks.data(), count),
                  static_cast<uint32_t>(count),
                  memory.take<EncodeState>(count),
                  memory.take<EncodeSegment>(count * chunkSegments),
                  memory.take<uint32_t>(count * chunkSegments * segmentPieces),
                  memory.send(&allTables(), 1),
                  memory.send(indexes.data(), indexes.size()),
                  static_cast<uint32_t>(indexes.size())};
  return layout;
}

}  // namespace swarm::gpu
