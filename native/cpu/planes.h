// Elements to byte planes and back, as plain loops. Plane 0 holds each element's most significant byte; bf16 and fp32 are
// rotated left by one bit first, which gathers the whole exponent in plane 0 and puts the sign below the mantissa.
//
// A code path calls these from a function compiled for its instructions; they are inlined there and become its vector code.
#pragma once

#include "format/layout.h"

#define SWARM_INLINE inline __attribute__((always_inline))

namespace swarm::plane_loops {

template <bool rotated>
SWARM_INLINE void split16(const uint8_t* elements, size_t count, uint8_t* __restrict high, uint8_t* __restrict low) {
  for (size_t index = 0; index < count; index++) {
    uint16_t value = load16(elements + 2 * index);
    if (rotated) value = static_cast<uint16_t>(value << 1 | value >> 15);
    high[index] = static_cast<uint8_t>(value >> 8);
    low[index] = static_cast<uint8_t>(value);
  }
}

SWARM_INLINE void split32(const uint8_t* elements, size_t count, uint8_t* const* planes) {
  uint8_t* __restrict plane0 = planes[0];
  uint8_t* __restrict plane1 = planes[1];
  uint8_t* __restrict plane2 = planes[2];
  uint8_t* __restrict plane3 = planes[3];
  for (size_t index = 0; index < count; index++) {
    uint32_t value = load32(elements + 4 * index);
    value = value << 1 | value >> 31;
    plane0[index] = static_cast<uint8_t>(value >> 24);
    plane1[index] = static_cast<uint8_t>(value >> 16);
    plane2[index] = static_cast<uint8_t>(value >> 8);
    plane3[index] = static_cast<uint8_t>(value);
  }
}

/** Steps are template arguments, because a step known only at run time keeps the loop from being vectorised. */
template <bool rotated, size_t highStep, size_t lowStep>
SWARM_INLINE void join16(const uint8_t* high, const uint8_t* low, size_t count, uint8_t* __restrict elements) {
  for (size_t index = 0; index < count; index++) {
    auto value = static_cast<uint16_t>(high[index * highStep] << 8 | low[index * lowStep]);
    if (rotated) value = static_cast<uint16_t>(value >> 1 | value << 15);
    store16(elements + 2 * index, value);
  }
}

template <bool rotated>
SWARM_INLINE void join16AnyStep(const uint8_t* const* planes, const size_t* steps, size_t count, uint8_t* elements) {
  if (steps[0] != 0 && steps[1] != 0) return join16<rotated, 1, 1>(planes[0], planes[1], count, elements);
  if (steps[0] != 0) return join16<rotated, 1, 0>(planes[0], planes[1], count, elements);
  if (steps[1] != 0) return join16<rotated, 0, 1>(planes[0], planes[1], count, elements);
  join16<rotated, 0, 0>(planes[0], planes[1], count, elements);
}

SWARM_INLINE void join32(const uint8_t* const* planes, size_t count, uint8_t* __restrict elements) {
  const uint8_t *plane0 = planes[0], *plane1 = planes[1], *plane2 = planes[2], *plane3 = planes[3];
  for (size_t index = 0; index < count; index++) {
    const uint32_t value = uint32_t{plane0[index]} << 24 | uint32_t{plane1[index]} << 16 |
                           uint32_t{plane2[index]} << 8 | plane3[index];
    store32(elements + 4 * index, value >> 1 | value << 31);
  }
}

/**
 * Four planes have sixteen choices of steps: a byte that stands for all is written out for a while instead. `join` is join32 or
 * a path's own.
 */
template <class Join>
SWARM_INLINE void join32AnyStep(const uint8_t* const* planes, const size_t* steps, size_t count, uint8_t* elements,
                                Join join) {
  constexpr size_t pieceSize = 1024;
  uint8_t repeated[planeCountMax][pieceSize];
  for (size_t plane = 0; plane < planeCountMax; plane++)
    if (steps[plane] == 0) std::memset(repeated[plane], *planes[plane], pieceSize);
  for (size_t first = 0; first < count; first += pieceSize) {
    const uint8_t* piece[planeCountMax];
    for (size_t plane = 0; plane < planeCountMax; plane++)
      piece[plane] = steps[plane] == 0 ? repeated[plane] : planes[plane] + first;
    join(piece, count - first < pieceSize ? count - first : pieceSize, elements + 4 * first);
  }
}

SWARM_INLINE void joinBytes(const uint8_t* plane, size_t step, size_t count, uint8_t* elements) {
  if (step == 0)
    std::memset(elements, *plane, count);
  else if (plane != elements)
    std::memcpy(elements, plane, count);
}

SWARM_INLINE void split(Element element, const uint8_t* elements, size_t count, uint8_t* const* planes) {
  switch (element) {
    case Element::bf16: return split16<true>(elements, count, planes[0], planes[1]);
    case Element::fp16: return split16<false>(elements, count, planes[0], planes[1]);
    case Element::fp32: return split32(elements, count, planes);
    case Element::bytes:
    case Element::unknown: break;
  }
  std::memcpy(planes[0], elements, count);
}

SWARM_INLINE void join(Element element, const uint8_t* const* planes, const size_t* steps, size_t count,
                       uint8_t* elements) {
  switch (element) {
    case Element::bf16: return join16AnyStep<true>(planes, steps, count, elements);
    case Element::fp16: return join16AnyStep<false>(planes, steps, count, elements);
    case Element::fp32: return join32AnyStep(planes, steps, count, elements, join32);
    case Element::bytes:
    case Element::unknown: break;
  }
  joinBytes(planes[0], steps[0], count, elements);
}

}  // namespace swarm::plane_loops
