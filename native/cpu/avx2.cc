// The AVX2 path: its table of functions, plane split and join.
#include "cpu/avx2.h"

#if defined(__x86_64__)

#include "cpu/crc32c.h"
#include "cpu/planes.h"

namespace swarm {

namespace avx2 {

namespace {

SWARM_AVX2 void split(Element element, const uint8_t* elements, size_t count, uint8_t* const* planes) {
  plane_loops::split(element, elements, count, planes);
}

SWARM_AVX2 void join(Element element, const uint8_t* const* planes, const size_t* steps, size_t count,
                     uint8_t* elements) {
  plane_loops::join(element, planes, steps, count, elements);
}

}  // namespace

}  // namespace avx2

const Kernels avx2Kernels = {avx2::split,       avx2::join, avx2::decodeRows,  avx2::encodeRows,
                             avx2::decodeFixed, nullptr,    avx2::encodeFixed, updateCrc};

}  // namespace swarm
#endif
