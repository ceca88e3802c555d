// Which code paths this machine can run, and the scalar one.
#include "cpu/kernels.h"

#include "cpu/crc32c.h"
#include "cpu/planes.h"

namespace swarm {

namespace {

void split(Element element, const uint8_t* elements, size_t count, uint8_t* const* planes) {
  plane_loops::split(element, elements, count, planes);
}

void join(Element element, const uint8_t* const* planes, const size_t* steps, size_t count, uint8_t* elements) {
  plane_loops::join(element, planes, steps, count, elements);
}

void decodeNoRows(const DecodeTable&, DecodeStream*, size_t, const uint8_t*) {}

}  // namespace

const Kernels scalarKernels = {split,   join, nullptr, decodeNoRows, encodeRowsScalar, decodeFixedScalar,
                               nullptr, encodeFixedScalar, findNewScalar, updateCrc};

bool isAvailable(CodePath path) {
  switch (path) {
    case CodePath::scalar:
    case CodePath::hostWarp: return true;
#if defined(__x86_64__)
    // These ask the processor and, for the wider registers, whether the operating system saves them.
    case CodePath::avx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") &&
                                __builtin_cpu_supports("sse4.2");
    case CodePath::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
             __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("popcnt") &&
             __builtin_cpu_supports("sse4.2");
#elif defined(__aarch64__)
    case CodePath::neon: return true;
#endif
    default: break;
  }
  return false;
}

CodePath bestPath() {
  for (const CodePath path : allPaths)
    if (isAvailable(path)) return path;
  return CodePath::scalar;
}

const char* pathName(CodePath path) {
  switch (path) {
    case CodePath::scalar: return "scalar";
    case CodePath::avx2: return "avx2";
    case CodePath::avx512: return "avx512";
    case CodePath::neon: return "neon";
    case CodePath::hostWarp: return "host-warp";
  }
  return "unknown";
}

const Kernels& kernelsOf(CodePath path) {
#if defined(__x86_64__)
  if (path == CodePath::avx512) return avx512Kernels;
  if (path == CodePath::avx2) return avx2Kernels;
#elif defined(__aarch64__)
  if (path == CodePath::neon) return neonKernels;
#endif
  static_cast<void>(path);
  return scalarKernels;
}

}  // namespace swarm
