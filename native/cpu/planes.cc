// Plane split and join, written as plain loops that compilers turn into vector code.
#include "cpu/planes.h"

namespace swarm {

namespace {

template <bool rotated>
void split16(const uint8_t* elements, size_t count, uint8_t* high, uint8_t* low) {
  for (size_t index = 0; index < count; index++) {
    uint16_t value = load16(elements + 2 * index);
    if (rotated) value = static_cast<uint16_t>(value << 1 | value >> 15);
    high[index] = static_cast<uint8_t>(value >> 8);
    low[index] = static_cast<uint8_t>(value);
  }
}

void split32(const uint8_t* elements, size_t count, uint8_t* const* planes) {
  for (size_t index = 0; index < count; index++) {
    uint32_t value = load32(elements + 4 * index);
    value = value << 1 | value >> 31;
    planes[0][index] = static_cast<uint8_t>(value >> 24);
    planes[1][index] = static_cast<uint8_t>(value >> 16);
    planes[2][index] = static_cast<uint8_t>(value >> 8);
    planes[3][index] = static_cast<uint8_t>(value);
  }
}

/** Steps are template arguments, because a step known only at run time keeps the loop from being vectorised. */
template <bool rotated, size_t highStep, size_t lowStep>
void join16(const uint8_t* high, const uint8_t* low, size_t count, uint8_t* elements) {
  for (size_t index = 0; index < count; index++) {
    auto value = static_cast<uint16_t>(high[index * highStep] << 8 | low[index * lowStep]);
    if (rotated) value = static_cast<uint16_t>(value >> 1 | value << 15);
    store16(elements + 2 * index, value);
  }
}

template <bool rotated>
void join16AnyStep(const uint8_t* const* planes, const size_t* steps, size_t count, uint8_t* elements) {
  if (steps[0] != 0 && steps[1] != 0) return join16<rotated, 1, 1>(planes[0], planes[1], count, elements);
  if (steps[0] != 0) return join16<rotated, 1, 0>(planes[0], planes[1], count, elements);
  if (steps[1] != 0) return join16<rotated, 0, 1>(planes[0], planes[1], count, elements);
  join16<rotated, 0, 0>(planes[0], planes[1], count, elements);
}

template <bool anyConstant>
void join32(const uint8_t* const* planes, const size_t* steps, size_t count, uint8_t* elements) {
  const size_t step0 = anyConstant ? steps[0] : 1, step1 = anyConstant ? steps[1] : 1,
               step2 = anyConstant ? steps[2] : 1, step3 = anyConstant ? steps[3] : 1;
  for (size_t index = 0; index < count; index++) {
    const uint32_t value = uint32_t{planes[0][index * step0]} << 24 | uint32_t{planes[1][index * step1]} << 16 |
                           uint32_t{planes[2][index * step2]} << 8 | planes[3][index * step3];
    store32(elements + 4 * index, value >> 1 | value << 31);
  }
}

void joinBytes(const uint8_t* plane, size_t step, size_t count, uint8_t* elements) {
  if (step == 0)
    std::memset(elements, *plane, count);
  else if (plane != elements)
    std::memcpy(elements, plane, count);
}

}  // namespace

void splitPlanes(Element element, const uint8_t* elements, size_t count, uint8_t* const* planes) {
  switch (element) {
    case Element::bf16: return split16<true>(elements, count, planes[0], planes[1]);
    case Element::fp16: return split16<false>(elements, count, planes[0], planes[1]);
    case Element::fp32: return split32(elements, count, planes);
    case Element::bytes:
    case Element::unknown: break;
  }
  std::memcpy(planes[0], elements, count);
}

void joinPlanes(Element element, const uint8_t* const* planes, const size_t* steps, size_t count, uint8_t* elements) {
  switch (element) {
    case Element::bf16: return join16AnyStep<true>(planes, steps, count, elements);
    case Element::fp16: return join16AnyStep<false>(planes, steps, count, elements);
    case Element::fp32:
      if (steps[0] != 0 && steps[1] != 0 && steps[2] != 0 && steps[3] != 0)
        return join32<false>(planes, steps, count, elements);
      return join32<true>(planes, steps, count, elements);
    case Element::bytes:
    case Element::unknown: break;
  }
  joinBytes(planes[0], steps[0], count, elements);
}

}  // namespace swarm
