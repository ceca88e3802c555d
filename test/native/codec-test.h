// What the C++ tests of the codec share: checks, chance, samples, and the code path under test.
#pragma once

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "cpu/crc32c.h"
#include "cpu/kernels.h"

using namespace swarm;
using Bytes = std::vector<uint8_t>;

inline int failures = 0;

inline void check(bool condition, const char* what, size_t detail = 0) {
  if (condition) return;
  if (failures++ < 20) std::fprintf(stderr, "failed: %s (%zu)\n", what, detail);
}

/** xorshift32 by G. Marsaglia: chance that is the same everywhere. */
struct Chance {
  uint32_t state;
  uint32_t next() {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
  }
};

/** Exactly `bytes.size()` bytes up to the end of a block on the heap, so that reading one more is seen; at an odd address. */
struct Exact {
  static constexpr size_t skew = 5;
  std::unique_ptr<uint8_t[]> block;
  uint8_t* data;
  size_t size;
  explicit Exact(const Bytes& bytes)
      : block(new uint8_t[skew + bytes.size()]), data(block.get() + skew), size(bytes.size()) {
    if (size != 0) std::memcpy(data, bytes.data(), size);
  }
  ByteSpan span() const { return {data, size}; }
};

inline Bytes skewedBytes(size_t size, uint32_t seed) {
  Chance chance = {seed};
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(100 + __builtin_clz(chance.next() | 1));
  return bytes;
}

/** Every `width`-th byte skewed, the others evenly spread. */
inline Bytes elementBytes(size_t size, size_t width, uint32_t seed) {
  Chance chance = {seed};
  Bytes bytes = skewedBytes(size, seed);
  for (size_t index = 0; index < size; index++)
    if (index % width != width - 1) bytes[index] = static_cast<uint8_t>(chance.next() >> 24);
  return bytes;
}

/** The code paths to test: those that the command line names and the machine has. */
inline std::vector<CodePath> testedPaths;

/** The code path under test. */
inline CodePath path = CodePath::scalar;

inline Workspace& workspace() {
  static Workspace each[] = {Workspace(CodePath::scalar), Workspace(CodePath::avx2), Workspace(CodePath::avx512),
                             Workspace(CodePath::neon), Workspace(CodePath::hostWarp)};
  return each[static_cast<size_t>(path)];
}

constexpr Profile profiles[] = {Profile::rans, Profile::fast};

inline Bytes encodeOrDie(const Bytes& raw, Element hint, Profile profile = Profile::rans) {
  Exact from(raw);
  Bytes out(maxEncodedBytes(raw.size()));
  const EncodeResult result = encodeAns(from.span(), hint, profile, {out.data(), out.size()}, workspace());
  check(result.status == Status::ok, "encodes");
  out.resize(result.encodedBytes);
  return out;
}

/** Which of several broken rules is named may differ for the kernels of GPUs, which check in another order. */
inline bool agree(CodePath other, Status status, Status expected) {
  return other == CodePath::hostWarp ? (status == Status::ok) == (expected == Status::ok) : status == expected;
}

inline Status decodeExact(const Bytes& encoded, Exact& raw) {
  return decode(Exact(encoded).span(), {raw.data, raw.size}, workspace());
}

/** The kernels of FIX planes of the path under test do as the scalar ones. */
void fixedKernelsAgree();

/** Batches of chunks, by the kernels for GPUs. */
void batches();

/** Threads that hand chunks to devices. */
void devicePools();

/** Damage of every kind, on the path under test. */
void damageOnePath();

/** Damage about which all paths must agree. */
void damageAllPaths();
