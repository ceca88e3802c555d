// The NEON path: its table of functions, plane split and join.
#include "cpu/neon.h"

#if defined(__aarch64__)

#include "cpu/crc32c.h"
#include "cpu/planes.h"

namespace swarm {

namespace neon {

namespace {

void split(Element element, const uint8_t* elements, size_t count, uint8_t* const* planes) {
  plane_loops::split(element, elements, count, planes);
}

void join(Element element, const uint8_t* const* planes, const size_t* steps, size_t count, uint8_t* elements) {
  plane_loops::join(element, planes, steps, count, elements);
}

}  // namespace

}  // namespace neon

const Kernels neonKernels = {neon::split, neon::join,        nullptr,       neon::decodeRows, neon::encodeRows,
                             decodeFixedScalar, nullptr, encodeFixedScalar, findNewScalar, updateCrc};

}  // namespace swarm
#endif
