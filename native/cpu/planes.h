// Elements to byte planes and back. Plane 0 holds each element's most significant byte; bf16 and fp32 are rotated left by one
// bit first, which gathers the whole exponent in plane 0 and puts the sign below the mantissa.
#pragma once

#include "format/layout.h"

namespace swarm {

/** Splits `count` elements into elementWidth(element) planes of `count` bytes each. */
void splitPlanes(Element element, const uint8_t* elements, size_t count, uint8_t* const* planes);

/** Inverse of splitPlanes. A plane whose entry in `steps` is 0 is a single byte that stands for all; else its step is 1. */
void joinPlanes(Element element, const uint8_t* const* planes, const size_t* steps, size_t count, uint8_t* elements);

}  // namespace swarm
