// The kernels as a GPU runs them: a block for each piece of work that decode.h and the encode-*.h name.
#include "cuda/kernels.h"

#include "cuda/decode.h"
#include "cuda/encode-choose.h"
#include "cuda/encode-write.h"

namespace swarm::gpu {

namespace {

/** Blocks that a multiprocessor has room for at once, which bounds their registers; as measured in bench/README.md. */
constexpr unsigned ransBlocks = 5;
constexpr unsigned fixedBlocks = 4;
constexpr unsigned joinBlocks = 4;

__global__ void __launch_bounds__(blockThreads) planChunks(DecodeBatch batch) {
  const uint32_t chunk = blockIdx.x * blockWarps + threadIdx.x / warpLanes;
  if (chunk < batch.count) planChunk(batch, chunk);
}

__global__ void __launch_bounds__(blockThreads, ransBlocks) decodeRansPlanes(DecodeBatch batch) {
  __shared__ RansShared shared;
  const uint32_t count = batch.work->ransCount;
  if (blockIdx.x < count) loadSteps(*batch.tables, shared.join.steps);
  for (uint32_t item = blockIdx.x; item < count; item += gridDim.x) decodePlane(batch, batch.decodeItems[item], shared);
}

__global__ void __launch_bounds__(blockThreads, fixedBlocks) decodeFixedPlanes(DecodeBatch batch) {
  __shared__ FixedShared shared;
  const uint32_t count = batch.work->fixedCount;
  const uint32_t* const items = batch.fixedItems(count);
  if (blockIdx.x < count) loadSteps(*batch.tables, shared.join.steps);
  for (uint32_t item = blockIdx.x; item < count; item += gridDim.x) decodePlane(batch, items[item], shared);
}

__global__ void __launch_bounds__(blockThreads, joinBlocks) joinSegments(DecodeBatch batch) {
  __shared__ JoinShared shared;
  const uint32_t count = batch.work->joinCount;
  if (blockIdx.x < count) loadSteps(*batch.tables, shared.steps);
  for (uint32_t item = blockIdx.x; item < count; item += gridDim.x) joinSegment(batch, batch.joinItems[item], shared);
}

__global__ void __launch_bounds__(blockThreads) finishChunks(DecodeBatch batch) {
  __shared__ uint32_t crc;
  finishChunk(batch, blockIdx.x, crc);
}

__global__ void __launch_bounds__(blockThreads) chooseElements(EncodeBatch batch) {
  __shared__ ChooseShared shared;
  chooseElement(batch, batch.segmentIndexes[blockIdx.x], shared);
}

__global__ void __launch_bounds__(blockThreads) surveySegments(EncodeBatch batch) {
  __shared__ SurveyShared shared;
  surveySegment(batch, batch.segmentIndexes[blockIdx.x], blockIdx.y, shared);
}

__global__ void __launch_bounds__(warpLanes* planeCountMax) choosePlanes(EncodeBatch batch) {
  __shared__ TableShared shared[planeCountMax];
  const uint32_t plane = threadIdx.x / warpLanes;
  choosePlane(batch, batch.segmentIndexes[blockIdx.x], plane, shared[plane]);
}

__global__ void __launch_bounds__(blockThreads) encodePlanes(EncodeBatch batch) {
  __shared__ StreamShared shared;
  encodePlane(batch, batch.segmentIndexes[blockIdx.x], blockIdx.y / groupCount, blockIdx.y % groupCount, shared);
}

__global__ void __launch_bounds__(blockThreads) layOutChunks(EncodeBatch batch) {
  const uint32_t chunk = blockIdx.x * blockWarps + threadIdx.x / warpLanes;
  if (chunk < batch.count) layOutChunk(batch, chunk);
}

__global__ void __launch_bounds__(blockThreads) writePlanes(EncodeBatch batch) {
  writePlane(batch, batch.segmentIndexes[blockIdx.x], blockIdx.y / groupCount, blockIdx.y % groupCount);
}

__global__ void __launch_bounds__(blockThreads) finishEncodings(EncodeBatch batch) {
  __shared__ uint32_t crc;
  finishEncoding(batch, blockIdx.x, crc);
}

uint32_t inBlocks(uint32_t count) { return (count + blockWarps - 1) / blockWarps; }

/** How many blocks a device has room for at once; `most`: how many could have work. */
template <class Kernel>
uint32_t blocksFor(Kernel kernel, uint32_t multiprocessors, uint32_t most) {
  int resident = 1;
  cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, kernel, blockThreads, 0);
  const uint32_t room = multiprocessors * static_cast<uint32_t>(resident < 1 ? 1 : resident);
  return room < most ? room : most;
}

}  // namespace

cudaError_t launchDecode(const DecodeBatch& batch, uint32_t multiprocessors, cudaStream_t stream) {
  if (batch.count == 0) return cudaSuccess;
  planChunks<<<inBlocks(batch.count), blockThreads, 0, stream>>>(batch);
  const uint32_t itemsMax = batch.count * decodeItemsMax;
  decodeRansPlanes<<<blocksFor(decodeRansPlanes, multiprocessors, itemsMax), blockThreads, 0, stream>>>(batch);
  decodeFixedPlanes<<<blocksFor(decodeFixedPlanes, multiprocessors, itemsMax), blockThreads, 0, stream>>>(batch);
  joinSegments<<<blocksFor(joinSegments, multiprocessors, batch.count * joinItemsMax), blockThreads, 0, stream>>>(batch);
  finishChunks<<<batch.count, blockThreads, 0, stream>>>(batch);
  return cudaGetLastError();
}

cudaError_t launchEncode(const EncodeBatch& batch, cudaStream_t stream) {
  if (batch.count == 0) return cudaSuccess;
  if (batch.segmentCount > 0) {
    const uint32_t segments = batch.segmentCount;
    chooseElements<<<segments, blockThreads, 0, stream>>>(batch);
    surveySegments<<<dim3(segments, groupCount), blockThreads, 0, stream>>>(batch);
    choosePlanes<<<segments, warpLanes * planeCountMax, 0, stream>>>(batch);
    encodePlanes<<<dim3(segments, planeCountMax * groupCount), blockThreads, 0, stream>>>(batch);
  }
  layOutChunks<<<inBlocks(batch.count), blockThreads, 0, stream>>>(batch);
  if (batch.segmentCount > 0)
    writePlanes<<<dim3(batch.segmentCount, planeCountMax * groupCount), blockThreads, 0, stream>>>(batch);
  finishEncodings<<<batch.count, blockThreads, 0, stream>>>(batch);
  return cudaGetLastError();
}

}  // namespace swarm::gpu
