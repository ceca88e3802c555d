// The kernels as a GPU runs them: a block for each piece of work that decode.h and the encode-*.h name.
#include "cuda/decode.h"
#include "cuda/encode-choose.h"
#include "cuda/encode-write.h"

namespace swarm::gpu {

__global__ void __launch_bounds__(blockThreads) planChunks(DecodeBatch batch) {
  const uint32_t chunk = blockIdx.x * blockWarps + threadIdx.x / warpLanes;
  if (chunk < batch.count) planChunk(batch, chunk);
}

__global__ void __launch_bounds__(blockThreads, 3) decodePlanes(DecodeBatch batch) {
  __shared__ DecodeShared shared;
  decodePlane(batch, blockIdx.x, blockIdx.y / groupCount, blockIdx.y % groupCount, shared);
}

__global__ void __launch_bounds__(blockThreads) joinSegments(DecodeBatch batch) {
  __shared__ DecodeShared shared;
  joinSegment(batch, blockIdx.x, blockIdx.y, shared);
}

__global__ void __launch_bounds__(blockThreads) finishChunks(DecodeBatch batch) {
  __shared__ DecodeShared shared;
  finishChunk(batch, blockIdx.x, shared);
}

__global__ void __launch_bounds__(blockThreads) sumSegments(EncodeBatch batch) {
  __shared__ WriteShared shared;
  sumSegment(batch, blockIdx.x, blockIdx.y, shared);
}

__global__ void __launch_bounds__(blockThreads) chooseElements(EncodeBatch batch) {
  __shared__ ChooseShared shared;
  chooseElement(batch, blockIdx.x, shared);
}

__global__ void __launch_bounds__(blockThreads) countPlanes(EncodeBatch batch) {
  __shared__ CountShared shared;
  countPlane(batch, blockIdx.x, blockIdx.y, shared);
}

__global__ void __launch_bounds__(warpLanes* planeCountMax) choosePlanes(EncodeBatch batch) {
  __shared__ TableShared shared[planeCountMax];
  const uint32_t plane = threadIdx.x / warpLanes;
  choosePlane(batch, blockIdx.x, plane, shared[plane]);
}

__global__ void __launch_bounds__(blockThreads) encodePlanes(EncodeBatch batch) {
  __shared__ StreamShared shared;
  encodePlane(batch, blockIdx.x, blockIdx.y / groupCount, blockIdx.y % groupCount, shared);
}

__global__ void __launch_bounds__(blockThreads) layOutChunks(EncodeBatch batch) {
  const uint32_t chunk = blockIdx.x * blockWarps + threadIdx.x / warpLanes;
  if (chunk < batch.count) layOutChunk(batch, chunk);
}

__global__ void __launch_bounds__(blockThreads) writePlanes(EncodeBatch batch) {
  writePlane(batch, blockIdx.x, blockIdx.y / groupCount, blockIdx.y % groupCount);
}

__global__ void __launch_bounds__(blockThreads) finishChunks(EncodeBatch batch) {
  __shared__ WriteShared shared;
  finishEncoding(batch, blockIdx.x, shared);
}

}  // namespace swarm::gpu
