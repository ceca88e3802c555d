#include "addon/page-memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace swarm {

namespace {

constexpr size_t hugePageBytes = size_t{2} << 20;

size_t roundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

/**
 * `bytes` of whole small pages from a multiple of a huge one on; null when there is no memory. mmap aligns to small pages only:
 * more is mapped, and given back before and behind.
 */
uint8_t* mapAligned(size_t bytes) {
  void* const mapped = mmap(nullptr, bytes + hugePageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const start = static_cast<uint8_t*>(mapped);
  const auto address = reinterpret_cast<uintptr_t>(start);
  const size_t before = roundUp(address, hugePageBytes) - address;
  if (before > 0) munmap(start, before);
  if (before < hugePageBytes) munmap(start + before + bytes, hugePageBytes - before);
#ifdef MADV_HUGEPAGE
  // A kernel without huge pages refuses; small ones do as well.
  madvise(start + before, bytes, MADV_HUGEPAGE);
#endif
  return start + before;
}

}  // namespace

Napi::Value allocatePages(const Napi::CallbackInfo& info) {
  if (info.Length() != 1 || !info[0].IsNumber() || info[0].As<Napi::Number>().Int64Value() <= 0) {
    Napi::TypeError::New(info.Env(), "expected a number of bytes").ThrowAsJavaScriptException();
    return {};
  }
  const auto length = static_cast<size_t>(info[0].As<Napi::Number>().Int64Value());
  // A tail of half a huge page or more gets a whole one.
  const bool hasLongTail = length % hugePageBytes >= hugePageBytes / 2;
  const size_t mappedBytes = roundUp(length, hasLongTail ? hugePageBytes : static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  uint8_t* const memory = mapAligned(mappedBytes);
  if (memory == nullptr) {
    Napi::RangeError::New(info.Env(), "out of memory").ThrowAsJavaScriptException();
    return {};
  }
  return Napi::Buffer<uint8_t>::New(info.Env(), memory, length,
                                    [mappedBytes](Napi::Env, uint8_t* unused) { munmap(unused, mappedBytes); });
}

}  // namespace swarm
