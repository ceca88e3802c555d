#include "cuda/host-warp.h"

#include <memory>

#include "cuda/constants.h"
#include "cuda/decode.h"
#include "cuda/encode-choose.h"
#include "cuda/encode-write.h"

namespace swarm::gpu {

namespace {

struct alignas(16) Aligned {
  uint8_t bytes[16];
};

/** Exactly `size` bytes, up to the next multiple of 16, so that sanitizers see what is read behind them. */
std::unique_ptr<Aligned[]> alignedBytes(size_t size) { return std::unique_ptr<Aligned[]>(new Aligned[alignUp(size) / 16]); }

/** What segments need that have `stride` bytes each; the last one no more than `factor` times its raw bytes and `extra`. */
size_t scratchOf(size_t rawBytes, size_t stride, size_t factor, size_t extra) {
  if (rawBytes == 0) return 0;
  const size_t before = (rawBytes - 1) >> segmentBits;
  return before * stride + factor * (rawBytes - (before << segmentBits)) + extra;
}

uint8_t* bytesOf(const std::unique_ptr<Aligned[]>& aligned) { return reinterpret_cast<uint8_t*>(aligned.get()); }

}  // namespace

void runOnHost(const DecodeBatch& batch) {
  const auto rans = std::make_unique<RansShared>();
  const auto fixed = std::make_unique<FixedShared>();
  loadSteps(*batch.tables, rans->join.steps);
  loadSteps(*batch.tables, fixed->join.steps);
  uint32_t crc = 0;
  for (uint32_t chunk = 0; chunk < batch.count; chunk++) planChunk(batch, chunk);
  const DecodeWork& work = *batch.work;
  for (uint32_t item = 0; item < work.ransCount; item++) decodePlane(batch, batch.decodeItems[item], *rans);
  for (uint32_t item = 0; item < work.fixedCount; item++) decodePlane(batch, batch.fixedItems(work.fixedCount)[item], *fixed);
  for (uint32_t item = 0; item < work.joinCount; item++) joinSegment(batch, batch.joinItems[item], fixed->join);
  for (uint32_t chunk = 0; chunk < batch.count; chunk++) finishChunk(batch, chunk, crc);
}

void runOnHost(const EncodeBatch& batch) {
  const auto choose = std::make_unique<ChooseShared>();
  const auto survey = std::make_unique<SurveyShared>();
  const auto table = std::make_unique<TableShared>();
  const auto stream = std::make_unique<StreamShared>();
  uint32_t crc = 0;
  for (uint32_t index = 0; index < batch.segmentCount; index++) {
    const uint32_t segment = batch.segmentIndexes[index];
    chooseElement(batch, segment, *choose);
    for (uint32_t group = 0; group < groupCount; group++) surveySegment(batch, segment, group, *survey);
    for (uint32_t plane = 0; plane < planeCountMax; plane++) {
      choosePlane(batch, segment, plane, *table);
      for (uint32_t group = 0; group < groupCount; group++) encodePlane(batch, segment, plane, group, *stream);
    }
  }
  for (uint32_t chunk = 0; chunk < batch.count; chunk++) layOutChunk(batch, chunk);
  for (uint32_t index = 0; index < batch.segmentCount; index++)
    for (uint32_t plane = 0; plane < planeCountMax; plane++)
      for (uint32_t group = 0; group < groupCount; group++) writePlane(batch, batch.segmentIndexes[index], plane, group);
  for (uint32_t chunk = 0; chunk < batch.count; chunk++) finishEncoding(batch, chunk, crc);
}

Status decodeOnHostWarp(ByteSpan encoded, MutableSpan raw) {
  const auto from = alignedBytes(encoded.size);
  const auto to = alignedBytes(raw.size);
  const auto planes = alignedBytes(scratchOf(raw.size, planeScratchBytes, 1, 16 * planeCountMax));
  if (encoded.size != 0) std::memcpy(bytesOf(from), encoded.data, encoded.size);
  const DecodeTask task = {bytesOf(from), static_cast<uint32_t>(encoded.size), static_cast<uint32_t>(raw.size), bytesOf(to),
                           bytesOf(planes)};
  DecodeState state{};
  const std::unique_ptr<SegmentPlan[]> segments(new SegmentPlan[chunkSegments]);
  uint32_t pieces[chunkSegments * segmentPieces];
  DecodeWork work{};
  uint32_t decodeItems[decodeItemsMax];
  uint32_t joinItems[joinItemsMax];
  runOnHost({&task, 1, &state, segments.get(), pieces, &work, decodeItems, joinItems, &allTables().crc});
  const auto status = static_cast<Status>(state.verdict);
  if (status == Status::ok && raw.size != 0) std::memcpy(raw.data, bytesOf(to), raw.size);
  return status;
}

EncodeResult encodeOnHostWarp(ByteSpan raw, Element hint, Profile profile, MutableSpan out) {
  const auto from = alignedBytes(raw.size);
  const auto to = alignedBytes(maxEncodedBytes(raw.size));
  const auto scratch = alignedBytes(scratchOf(raw.size, encodeScratchBytes, 2, encodeScratchBytes - 2 * segmentBytesMax));
  if (raw.size != 0) std::memcpy(bytesOf(from), raw.data, raw.size);
  const size_t segmentCount = segmentCountOf(raw.size);
  const std::unique_ptr<uint32_t[]> streamStates(new uint32_t[segmentCount * streamStateCount]);
  const EncodeTask task = {bytesOf(from), bytesOf(to), static_cast<uint32_t>(raw.size), hint, profile, bytesOf(scratch),
                           streamStates.get()};
  EncodeState state{};
  const std::unique_ptr<EncodeSegment[]> segments(new EncodeSegment[segmentCount]);
  uint32_t pieces[chunkSegments * segmentPieces];
  uint32_t indexes[chunkSegments];
  for (uint32_t index = 0; index < segmentCount; index++) indexes[index] = index;
  runOnHost({&task, 1, &state, segments.get(), pieces, &allTables(), indexes, static_cast<uint32_t>(segmentCount)});
  std::memcpy(out.data, bytesOf(to), state.encodedBytes);
  return {Status::ok, state.encodedBytes, state.codec, state.floatSegments};
}

}  // namespace swarm::gpu
