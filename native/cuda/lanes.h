// A warp as the kernels see it: 32 lanes that do the same in step. A value of type Lanes<T> is one T in each lane, a plain one is
// the same in all of them. For a GPU a lane is a thread and Lanes<T> is T; for a processor ("host warp") it is 32 values, so that
// tests run the kernels anywhere, and a branch on what differs between lanes does not compile.
//
// In step means: what a lane stores to shared memory is seen by the others after syncLanes(), and lanes never wait for others
// within one expression.
#pragma once

#include "format/layout.h"

#if defined(__CUDACC__)
#define SWARM_DEVICE __device__ __forceinline__
#else
#include <array>
#define SWARM_DEVICE inline
#endif

namespace swarm::gpu {

/** The format's lanes, as a number of 32 bits like all others here. */
constexpr uint32_t warpLanes = laneCount;
constexpr uint32_t allLanes = UINT32_MAX;

#if defined(__CUDACC__)

template <class T>
using Lanes = T;
using U32 = uint32_t;
using Mask = bool;

SWARM_DEVICE U32 laneIds() { return threadIdx.x % warpLanes; }
SWARM_DEVICE uint32_t ballot(Mask mask) { return __ballot_sync(allLanes, mask); }
SWARM_DEVICE U32 select(Mask mask, U32 yes, U32 no) { return mask ? yes : no; }
SWARM_DEVICE U32 countBits(U32 value) { return static_cast<uint32_t>(__popc(value)); }
SWARM_DEVICE U32 multiplyHigh(U32 first, U32 second) { return __umulhi(first, second); }
SWARM_DEVICE U32 rotateRight(U32 value, uint32_t bits) { return __funnelshift_r(value, value, bits); }
/** Byte i of the result is byte selector >> 4 i & 7 of the eight that `low` and `high` have. Bits 3, 7, .. of `selector` are zero. */
SWARM_DEVICE U32 permuteBytes(U32 low, U32 high, U32 selector) { return __byte_perm(low, high, selector); }
SWARM_DEVICE uint32_t laneValue(U32 value, uint32_t lane) {
  return __shfl_sync(allLanes, value, static_cast<int>(lane));
}
/** What lane lanes % 32 has, in each lane. */
SWARM_DEVICE U32 laneValues(U32 value, U32 lanes) { return __shfl_sync(allLanes, value, static_cast<int>(lanes)); }
SWARM_DEVICE uint32_t sum(U32 value) { return __reduce_add_sync(allLanes, value); }
SWARM_DEVICE uint32_t sumWithoutCarry(U32 value) { return __reduce_xor_sync(allLanes, value); }
SWARM_DEVICE uint32_t largest(U32 value) { return __reduce_max_sync(allLanes, value); }
SWARM_DEVICE void syncLanes() { __syncwarp(); }

/** The sum over the lanes below. */
SWARM_DEVICE U32 sumBelow(U32 value) {
  U32 total = value;
  for (unsigned distance = 1; distance < warpLanes; distance *= 2) {
    const U32 other = __shfl_up_sync(allLanes, total, distance);
    if (laneIds() >= distance) total += other;
  }
  return total - value;
}

template <class T>
SWARM_DEVICE U32 load(const T* from, U32 index) {
  return from[index];
}
template <class T>
SWARM_DEVICE U32 load(const T* from, U32 index, Mask mask) {
  return mask ? static_cast<uint32_t>(from[index]) : 0;
}
template <class T>
SWARM_DEVICE void store(T* to, U32 index, U32 value) {
  to[index] = static_cast<T>(value);
}
template <class T>
SWARM_DEVICE void store(T* to, U32 index, U32 value, Mask mask) {
  if (mask) to[index] = static_cast<T>(value);
}

SWARM_DEVICE void setLane(U32& value, uint32_t, uint32_t own) { value = own; }
SWARM_DEVICE uint32_t getLane(U32 value, uint32_t) { return value; }

/** Calls `work(lane)`, plain code for one lane, for the first `count` lanes. It may use that lane of a value by getLane and setLane. */
template <class Work>
SWARM_DEVICE void eachLane(uint32_t count, Work work) {
  if (laneIds() < count) work(laneIds());
  syncLanes();
}

#else

template <class T>
struct Lanes {
  std::array<T, warpLanes> of;

  Lanes() = default;
  Lanes(T all) { of.fill(all); }

  template <class Value>
  static Lanes each(Value value) {
    Lanes result;
    for (uint32_t lane = 0; lane < warpLanes; lane++) result.of[lane] = static_cast<T>(value(lane));
    return result;
  }

#define SWARM_EACH_LANE(Result, sign)                                                        \
  friend Lanes<Result> operator sign(const Lanes& first, const Lanes& second) {              \
    return Lanes<Result>::each([&](uint32_t lane) { return first.of[lane] sign second.of[lane]; }); \
  }
  SWARM_EACH_LANE(T, +)
  SWARM_EACH_LANE(T, -)
  SWARM_EACH_LANE(T, *)
  SWARM_EACH_LANE(T, /)
  SWARM_EACH_LANE(T, %)
  SWARM_EACH_LANE(T, &)
  SWARM_EACH_LANE(T, |)
  SWARM_EACH_LANE(T, ^)
  SWARM_EACH_LANE(T, <<)
  SWARM_EACH_LANE(T, >>)
  SWARM_EACH_LANE(bool, <)
  SWARM_EACH_LANE(bool, <=)
  SWARM_EACH_LANE(bool, >)
  SWARM_EACH_LANE(bool, >=)
  SWARM_EACH_LANE(bool, ==)
  SWARM_EACH_LANE(bool, !=)
#undef SWARM_EACH_LANE
  friend Lanes operator~(const Lanes& value) {
    return each([&](uint32_t lane) { return ~value.of[lane]; });
  }
  friend Lanes operator!(const Lanes& value) {
    return each([&](uint32_t lane) { return !value.of[lane]; });
  }
  Lanes& operator+=(const Lanes& other) { return *this = *this + other; }
  Lanes& operator^=(const Lanes& other) { return *this = *this ^ other; }
  Lanes& operator|=(const Lanes& other) { return *this = *this | other; }
};

using U32 = Lanes<uint32_t>;
using Mask = Lanes<bool>;

inline U32 laneIds() {
  return U32::each([](uint32_t lane) { return lane; });
}

inline uint32_t ballot(const Mask& mask) {
  uint32_t bits = 0;
  for (uint32_t lane = 0; lane < warpLanes; lane++) bits |= uint32_t{mask.of[lane]} << lane;
  return bits;
}

inline U32 select(const Mask& mask, const U32& yes, const U32& no) {
  return U32::each([&](uint32_t lane) { return mask.of[lane] ? yes.of[lane] : no.of[lane]; });
}

inline U32 countBits(const U32& value) {
  return U32::each([&](uint32_t lane) { return __builtin_popcount(value.of[lane]); });
}

inline uint32_t countBits(uint32_t value) { return static_cast<uint32_t>(__builtin_popcount(value)); }

inline U32 multiplyHigh(const U32& first, const U32& second) {
  return U32::each([&](uint32_t lane) { return uint64_t{first.of[lane]} * second.of[lane] >> 32; });
}

inline U32 rotateRight(const U32& value, uint32_t bits) { return value >> U32(bits) | value << U32((32 - bits) % 32); }

inline U32 permuteBytes(const U32& low, const U32& high, const U32& selector) {
  return U32::each([&](uint32_t lane) {
    const uint64_t bytes = uint64_t{high.of[lane]} << 32 | low.of[lane];
    uint32_t result = 0;
    for (unsigned place = 0; place < 4; place++)
      result |= static_cast<uint32_t>(bytes >> 8 * (selector.of[lane] >> 4 * place & 7) & 0xFF) << 8 * place;
    return result;
  });
}

inline uint32_t laneValue(const U32& value, uint32_t lane) { return value.of[lane]; }

inline U32 laneValues(const U32& value, const U32& lanes) {
  return U32::each([&](uint32_t lane) { return value.of[lanes.of[lane] % warpLanes]; });
}

inline uint32_t sum(const U32& value) {
  uint32_t total = 0;
  for (const uint32_t own : value.of) total += own;
  return total;
}

inline uint32_t sumWithoutCarry(const U32& value) {
  uint32_t total = 0;
  for (const uint32_t own : value.of) total ^= own;
  return total;
}

inline uint32_t largest(const U32& value) {
  uint32_t found = 0;
  for (const uint32_t own : value.of) found = own > found ? own : found;
  return found;
}

inline void syncLanes() {}

inline U32 sumBelow(const U32& value) {
  uint32_t total = 0;
  return U32::each([&](uint32_t lane) {
    const uint32_t below = total;
    total += value.of[lane];
    return below;
  });
}

template <class T>
U32 load(const T* from, const U32& index, const Mask& mask = true) {
  return U32::each([&](uint32_t lane) { return mask.of[lane] ? static_cast<uint32_t>(from[index.of[lane]]) : 0; });
}

template <class T>
void store(T* to, const U32& index, const U32& value, const Mask& mask = true) {
  for (uint32_t lane = 0; lane < warpLanes; lane++)
    if (mask.of[lane]) to[index.of[lane]] = static_cast<T>(value.of[lane]);
}

inline void setLane(U32& value, uint32_t lane, uint32_t own) { value.of[lane] = own; }
inline uint32_t getLane(const U32& value, uint32_t lane) { return value.of[lane]; }

template <class Work>
void eachLane(uint32_t count, Work work) {
  for (uint32_t lane = 0; lane < count; lane++) work(lane);
}

#endif

/** The bits below that of the own lane. */
SWARM_DEVICE U32 bitsBelow() { return (U32(1) << laneIds()) - U32(1); }

/** Whether the bit of the own lane is set. */
SWARM_DEVICE Mask ownBit(uint32_t bits) { return (U32(bits) >> laneIds() & U32(1)) != U32(0); }

SWARM_DEVICE Mask firstLanes(uint32_t count) { return laneIds() < U32(count); }

// Blocks: the warps that share memory and can wait for each other.

constexpr uint32_t blockWarps = 8;
constexpr uint32_t blockThreads = blockWarps * warpLanes;

/** Calls `work(warp)` in each warp of the block, and waits until all have done so. */
template <class Work>
SWARM_DEVICE void eachWarp(Work work) {
#if defined(__CUDACC__)
  work(threadIdx.x / warpLanes);
  __syncthreads();
#else
  for (uint32_t warp = 0; warp < blockWarps; warp++) work(warp);
#endif
}

/** Waits for all warps of the block. */
SWARM_DEVICE void syncBlock() {
#if defined(__CUDACC__)
  __syncthreads();
#endif
}

/** Plain code for one lane: takes `count` numbers from a counter that others take from too; returns the first. */
SWARM_DEVICE uint32_t take(uint32_t* counter, uint32_t count) {
#if defined(__CUDACC__)
  return atomicAdd(counter, count);
#else
  const uint32_t first = *counter;
  *counter += count;
  return first;
#endif
}

/** Adds to what several lanes, warps or blocks add to. */
SWARM_DEVICE void addTo(uint32_t* sums, U32 index, U32 value, Mask mask) {
#if defined(__CUDACC__)
  if (mask) atomicAdd(sums + index, value);
#else
  for (uint32_t lane = 0; lane < warpLanes; lane++)
    if (mask.of[lane]) sums[index.of[lane]] += value.of[lane];
#endif
}

/** The same without carries, from one lane. */
SWARM_DEVICE void addWithoutCarry(uint32_t* to, uint32_t value) {
  eachLane(1, [&](uint32_t) {
#if defined(__CUDACC__)
    atomicXor(to, value);
#else
    *to ^= value;
#endif
  });
}

/** Keeps the first of the failures that are reported to `verdict`, in any order of warps. */
SWARM_DEVICE void report(int32_t* verdict, Status status) {
  if (status == Status::ok) return;
  eachLane(1, [&](uint32_t) {
#if defined(__CUDACC__)
    atomicCAS(verdict, static_cast<int32_t>(Status::ok), static_cast<int32_t>(status));
#else
    if (*verdict == static_cast<int32_t>(Status::ok)) *verdict = static_cast<int32_t>(status);
#endif
  });
}

}  // namespace swarm::gpu
