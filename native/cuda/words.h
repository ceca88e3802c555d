// Loads and stores of several bytes by each lane. The memory is aligned to as many, `index` counts them; lanes without `mask` get
// zero and store nothing. What is `read` is of the device's memory where nothing writes while the kernel runs.
#pragma once

#include "cuda/lanes.h"

namespace swarm::gpu {

SWARM_DEVICE U32 readHalf(const uint8_t* from, U32 index, Mask mask) {
#if defined(__CUDACC__)
  return mask ? static_cast<uint32_t>(__ldg(reinterpret_cast<const uint16_t*>(from) + index)) : 0;
#else
  return U32::each([&](uint32_t lane) { return mask.of[lane] ? load16(from + 2 * size_t{index.of[lane]}) : 0; });
#endif
}

/** For shared memory. */
SWARM_DEVICE U32 loadHalf(const uint8_t* from, U32 index) {
#if defined(__CUDACC__)
  return reinterpret_cast<const uint16_t*>(from)[index];
#else
  return readHalf(from, index, true);
#endif
}

SWARM_DEVICE void storeHalf(uint8_t* to, U32 index, U32 value, Mask mask) {
#if defined(__CUDACC__)
  store(reinterpret_cast<uint16_t*>(to), index, value, mask);
#else
  for (uint32_t lane = 0; lane < warpLanes; lane++)
    if (mask.of[lane]) store16(to + 2 * size_t{index.of[lane]}, static_cast<uint16_t>(value.of[lane]));
#endif
}

SWARM_DEVICE U32 readWord(const uint8_t* from, U32 index, Mask mask) {
#if defined(__CUDACC__)
  return mask ? __ldg(reinterpret_cast<const uint32_t*>(from) + index) : 0;
#else
  return U32::each([&](uint32_t lane) { return mask.of[lane] ? load32(from + 4 * size_t{index.of[lane]}) : 0; });
#endif
}

SWARM_DEVICE void storeWord(uint8_t* to, U32 index, U32 value, Mask mask) {
#if defined(__CUDACC__)
  store(reinterpret_cast<uint32_t*>(to), index, value, mask);
#else
  for (uint32_t lane = 0; lane < warpLanes; lane++)
    if (mask.of[lane]) store32(to + 4 * size_t{index.of[lane]}, value.of[lane]);
#endif
}

/** Some words of each lane, in the order of memory. */
template <unsigned count>
struct Words {
  U32 of[count];
};
using Pair = Words<2>;
using Quad = Words<4>;

#if defined(__CUDACC__)
SWARM_DEVICE Words<1> wordsOf(uint1 value) { return {{value.x}}; }
SWARM_DEVICE Pair wordsOf(uint2 value) { return {{value.x, value.y}}; }
SWARM_DEVICE Quad wordsOf(uint4 value) { return {{value.x, value.y, value.z, value.w}}; }
#endif

/** `count` is 1, 2 or 4. */
template <unsigned count>
SWARM_DEVICE Words<count> readWords(const uint8_t* from, U32 index, Mask mask) {
#if defined(__CUDACC__)
  Words<count> words;
  if constexpr (count == 4) {
    const uint4 value = mask ? __ldg(reinterpret_cast<const uint4*>(from) + index) : make_uint4(0, 0, 0, 0);
    words = {{value.x, value.y, value.z, value.w}};
  } else if constexpr (count == 2) {
    const uint2 value = mask ? __ldg(reinterpret_cast<const uint2*>(from) + index) : make_uint2(0, 0);
    words = {{value.x, value.y}};
  } else {
    words = {{readWord(from, index, mask)}};
  }
  return words;
#else
  Words<count> words;
  for (uint32_t word = 0; word < count; word++) words.of[word] = readWord(from, index * U32(count) + U32(word), mask);
  return words;
#endif
}

SWARM_DEVICE Quad readQuad(const uint8_t* from, U32 index, Mask mask) { return readWords<4>(from, index, mask); }

/** For shared memory. */
template <unsigned count>
SWARM_DEVICE Words<count> loadWords(const uint8_t* from, U32 index) {
#if defined(__CUDACC__)
  if constexpr (count == 4)
    return wordsOf(reinterpret_cast<const uint4*>(from)[index]);
  else if constexpr (count == 2)
    return wordsOf(reinterpret_cast<const uint2*>(from)[index]);
  else
    return wordsOf(reinterpret_cast<const uint1*>(from)[index]);
#else
  return readWords<count>(from, index, true);
#endif
}

template <unsigned count>
SWARM_DEVICE void storeWords(uint8_t* to, U32 index, const Words<count>& words) {
#if defined(__CUDACC__)
  if constexpr (count == 4)
    reinterpret_cast<uint4*>(to)[index] = make_uint4(words.of[0], words.of[1], words.of[2], words.of[3]);
  else if constexpr (count == 2)
    reinterpret_cast<uint2*>(to)[index] = make_uint2(words.of[0], words.of[1]);
  else
    reinterpret_cast<uint32_t*>(to)[index] = words.of[0];
#else
  for (uint32_t word = 0; word < count; word++) storeWord(to, index * U32(count) + U32(word), words.of[word], true);
#endif
}

}  // namespace swarm::gpu
