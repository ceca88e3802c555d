#include "cuda/batch-codec.h"

#include <cstring>

#include "cuda/constants.h"

namespace swarm::gpu {

namespace {

/** Hands out aligned places one behind the other. */
class Places {
 public:
  size_t take(size_t bytes) {
    const size_t place = next_;
    next_ += alignUp(bytes);
    return place;
  }
  size_t total() const { return next_; }

 private:
  size_t next_ = 0;
};

}  // namespace

BatchCodec::BatchCodec(std::unique_ptr<Backend> backend, std::chrono::milliseconds limit)
    : backend_(std::move(backend)), limit_(limit) {}

BatchCodec::~BatchCodec() {
  for (Block* block : {&tables_, &deviceIn_, &deviceOut_, &deviceScratch_})
    if (block->start != nullptr) backend_->release(block->start);
  for (Block* block : {&pinnedIn_, &pinnedOut_})
    if (block->start != nullptr) backend_->releasePinned(block->start);
}

bool BatchCodec::reserve(Block& block, size_t bytes, bool isPinned) {
  if (bytes <= block.bytes) return true;
  if (block.start != nullptr) isPinned ? backend_->releasePinned(block.start) : backend_->release(block.start);
  // Half more than is asked for, so that a growing batch does not move each time.
  for (const size_t wanted : {bytes + bytes / 2, bytes}) {
    block.start = isPinned ? backend_->allocatePinned(wanted) : backend_->allocate(wanted);
    block.bytes = block.start == nullptr ? 0 : wanted;
    if (block.start != nullptr) return true;
  }
  return false;
}

bool BatchCodec::loadTables() {
  if (isLoaded_) return true;
  if (!reserve(tables_, sizeof(EncodeTables), false) || !reserve(pinnedIn_, sizeof(EncodeTables), true)) return false;
  std::memcpy(pinnedIn_.start, &allTables(), sizeof(EncodeTables));
  backend_->copyIn(tables_.start, pinnedIn_.start, sizeof(EncodeTables));
  isLoaded_ = true;
  return backend_->wait(limit_);
}

BatchOutcome BatchCodec::makeRoom(size_t in, size_t out, size_t scratch) {
  const bool fits = loadTables() && reserve(deviceIn_, in, false) && reserve(deviceOut_, out, false) &&
                    reserve(deviceScratch_, scratch, false) && reserve(pinnedIn_, in, true) && reserve(pinnedOut_, out, true);
  failed_ = !backend_->fault().empty();
  if (failed_) return BatchOutcome::failed;
  return fits ? BatchOutcome::done : BatchOutcome::tooLarge;
}

void BatchCodec::send(size_t place, ByteSpan bytes) {
  if (bytes.size == 0) return;
  std::memcpy(pinnedIn_.start + place, bytes.data, bytes.size);
  backend_->copyIn(deviceIn_.start + place, pinnedIn_.start + place, bytes.size);
}

BatchOutcome BatchCodec::decode(DecodeJob* jobs, size_t count) {
  if (failed_) return BatchOutcome::failed;
  if (count == 0) return BatchOutcome::done;
  Places in;
  Places out;
  Places scratch;
  const size_t workAt = in.take(sizeof(DecodeWork));
  const size_t tasksAt = in.take(count * sizeof(DecodeTask));
  const size_t statesAt = out.take(count * sizeof(DecodeState));
  const size_t segmentsAt = scratch.take(count * chunkSegments * sizeof(SegmentPlan));
  const size_t piecesAt = scratch.take(count * chunkSegments * segmentPieces * sizeof(uint32_t));
  const size_t decodeItemsAt = scratch.take(count * decodeItemsMax * sizeof(uint32_t));
  const size_t joinItemsAt = scratch.take(count * joinItemsMax * sizeof(uint32_t));
  std::vector<size_t> encodedAt;
  std::vector<size_t> rawAt;
  std::vector<size_t> planesAt;
  for (size_t index = 0; index < count; index++) {
    encodedAt.push_back(in.take(jobs[index].encoded.size));
    rawAt.push_back(out.take(jobs[index].target == nullptr ? jobs[index].rawBytes : 0));
    planesAt.push_back(scratch.take(segmentCountOf(jobs[index].rawBytes) * planeScratchBytes));
  }
  const BatchOutcome room = makeRoom(in.total(), out.total(), scratch.total());
  if (room != BatchOutcome::done) return room;
  const DecodeWork work{};
  std::memcpy(pinnedIn_.start + workAt, &work, sizeof work);
  for (size_t index = 0; index < count; index++) {
    const DecodeJob& job = jobs[index];
    const DecodeTask task = {deviceIn_.start + encodedAt[index], static_cast<uint32_t>(job.encoded.size),
                             static_cast<uint32_t>(job.rawBytes),
                             job.target == nullptr ? deviceOut_.start + rawAt[index] : job.target,
                             deviceScratch_.start + planesAt[index]};
    std::memcpy(pinnedIn_.start + tasksAt + index * sizeof task, &task, sizeof task);
    send(encodedAt[index], job.encoded);
  }
  const auto at = [](const Block& block, size_t place) { return reinterpret_cast<void*>(block.start + place); };
  const DecodeBatch batch = {static_cast<const DecodeTask*>(at(deviceIn_, tasksAt)),
                             static_cast<uint32_t>(count),
                             static_cast<DecodeState*>(at(deviceOut_, statesAt)),
                             static_cast<SegmentPlan*>(at(deviceScratch_, segmentsAt)),
                             static_cast<uint32_t*>(at(deviceScratch_, piecesAt)),
                             static_cast<DecodeWork*>(at(deviceIn_, workAt)),
                             static_cast<uint32_t*>(at(deviceScratch_, decodeItemsAt)),
                             static_cast<uint32_t*>(at(deviceScratch_, joinItemsAt)),
                             static_cast<const CrcTables*>(at(tables_, 0))};
  backend_->copyIn(deviceIn_.start, pinnedIn_.start, encodedAt[0]);
  backend_->decode(batch);
  backend_->copyOut(pinnedOut_.start, deviceOut_.start, out.total());
  failed_ = !backend_->wait(limit_);
  if (failed_) return BatchOutcome::failed;
  for (size_t index = 0; index < count; index++) {
    DecodeState state;
    std::memcpy(&state, pinnedOut_.start + statesAt + index * sizeof state, sizeof state);
    jobs[index].status = static_cast<Status>(state.verdict);
    jobs[index].raw = jobs[index].target == nullptr ? pinnedOut_.start + rawAt[index] : nullptr;
  }
  return BatchOutcome::done;
}

BatchOutcome BatchCodec::encode(EncodeJob* jobs, size_t count) {
  if (failed_) return BatchOutcome::failed;
  if (count == 0) return BatchOutcome::done;
  Places in;
  Places out;
  Places scratch;
  std::vector<uint32_t> indexes;
  for (size_t index = 0; index < count; index++)
    for (size_t segment = 0; segment < segmentCountOf(jobs[index].raw.size); segment++)
      indexes.push_back(static_cast<uint32_t>(index * chunkSegments + segment));
  const size_t tasksAt = in.take(count * sizeof(EncodeTask));
  const size_t indexesAt = in.take(indexes.size() * sizeof(uint32_t));
  const size_t statesAt = out.take(count * sizeof(EncodeState));
  const size_t segmentsAt = scratch.take(count * chunkSegments * sizeof(EncodeSegment));
  const size_t piecesAt = scratch.take(count * chunkSegments * segmentPieces * sizeof(uint32_t));
  std::vector<size_t> rawAt;
  std::vector<size_t> encodedAt;
  std::vector<size_t> scratchAt;
  std::vector<size_t> streamStatesAt;
  for (size_t index = 0; index < count; index++) {
    const size_t rawBytes = jobs[index].raw.size;
    rawAt.push_back(in.take(rawBytes));
    encodedAt.push_back(out.take(maxEncodedBytes(rawBytes)));
    scratchAt.push_back(scratch.take(segmentCountOf(rawBytes) * encodeScratchBytes));
    streamStatesAt.push_back(scratch.take(segmentCountOf(rawBytes) * streamStateCount * sizeof(uint32_t)));
  }
  const BatchOutcome room = makeRoom(in.total(), out.total(), scratch.total());
  if (room != BatchOutcome::done) return room;
  const auto at = [](const Block& block, size_t place) { return reinterpret_cast<void*>(block.start + place); };
  for (size_t index = 0; index < count; index++) {
    const EncodeJob& job = jobs[index];
    const EncodeTask task = {deviceIn_.start + rawAt[index],
                             deviceOut_.start + encodedAt[index],
                             static_cast<uint32_t>(job.raw.size),
                             job.hint,
                             job.profile,
                             deviceScratch_.start + scratchAt[index],
                             static_cast<uint32_t*>(at(deviceScratch_, streamStatesAt[index]))};
    std::memcpy(pinnedIn_.start + tasksAt + index * sizeof task, &task, sizeof task);
    send(rawAt[index], job.raw);
  }
  if (!indexes.empty()) std::memcpy(pinnedIn_.start + indexesAt, indexes.data(), indexes.size() * sizeof(uint32_t));
  const EncodeBatch batch = {static_cast<const EncodeTask*>(at(deviceIn_, tasksAt)),
                             static_cast<uint32_t>(count),
                             static_cast<EncodeState*>(at(deviceOut_, statesAt)),
                             static_cast<EncodeSegment*>(at(deviceScratch_, segmentsAt)),
                             static_cast<uint32_t*>(at(deviceScratch_, piecesAt)),
                             static_cast<const EncodeTables*>(at(tables_, 0)),
                             static_cast<const uint32_t*>(at(deviceIn_, indexesAt)),
                             static_cast<uint32_t>(indexes.size())};
  backend_->copyIn(deviceIn_.start, pinnedIn_.start, rawAt[0]);
  backend_->encode(batch);
  backend_->copyOut(pinnedOut_.start + statesAt, deviceOut_.start + statesAt, count * sizeof(EncodeState));
  failed_ = !backend_->wait(limit_);
  if (failed_) return BatchOutcome::failed;
  // Only now is it known how much there is to copy.
  for (size_t index = 0; index < count; index++) {
    EncodeState state;
    std::memcpy(&state, pinnedOut_.start + statesAt + index * sizeof state, sizeof state);
    jobs[index].result = {Status::ok, state.encodedBytes, state.codec, state.floatSegments};
    jobs[index].encoded = pinnedOut_.start + encodedAt[index];
    backend_->copyOut(pinnedOut_.start + encodedAt[index], deviceOut_.start + encodedAt[index], state.encodedBytes);
  }
  failed_ = !backend_->wait(limit_);
  return failed_ ? BatchOutcome::failed : BatchOutcome::done;
}

}  // namespace swarm::gpu
