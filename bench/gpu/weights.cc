// Made-up weights, the kinds of numbers that src/node/bench-samples.ts has too, and their chunks.
#include <atomic>
#include <cmath>
#include <cstring>
#include <thread>

#include "cpu/kernels.h"
#include "gpu-bench.h"

namespace {

constexpr size_t tensorBytes = size_t{1} << 20;
constexpr double sigmaMin = 0.005;
constexpr double sigmaFactor = 20;
/** Quantised weights use what their type can hold. */
constexpr double quantisedScale = 1000;

/** splitmix64 by S. Vigna: chance that is the same everywhere. */
struct Chance {
  uint64_t state;
  /** Above 0, at most 1. */
  double next() {
    state += 0x9E3779B97F4A7C15;
    uint64_t value = state;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9;
    value = (value ^ value >> 27) * 0x94D049BB133111EB;
    return static_cast<double>(((value ^ value >> 31) >> 11) + 1) / 9007199254740992.0;
  }
};

uint32_t floatBits(double value) {
  const auto exact = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &exact, sizeof bits);
  return bits;
}

uint32_t bf16Bits(double value) { return floatBits(value) >> 16; }

/** A number of `mantissaBits` and an exponent of `bias` above; `smallest` exponent keeps fewer bits below it. */
uint32_t roundedBits(double size, int mantissaBits, int bias, int smallest) {
  if (size < std::ldexp(1, smallest)) return static_cast<uint32_t>(std::lround(std::ldexp(size, mantissaBits - smallest)));
  const int exponent = std::ilogb(size);
  const long mantissa = std::lround(std::ldexp(std::ldexp(size, -exponent) - 1, mantissaBits));
  return static_cast<uint32_t>((exponent + bias) << mantissaBits) + static_cast<uint32_t>(mantissa);
}

uint32_t fp16Bits(double value) { return (value < 0 ? 0x8000u : 0u) | roundedBits(std::fabs(value), 10, 15, -14); }

/** e4m3, whose largest number is 448. */
uint32_t fp8Bits(double value) {
  const double size = std::min(448.0, std::fabs(value) * quantisedScale);
  return (value < 0 ? 0x80u : 0u) | std::min(0x7Eu, roundedBits(size, 3, 7, -6));
}

uint32_t int8Bits(double value) {
  return static_cast<uint32_t>(std::lround(std::max(-127.0, std::min(127.0, value * quantisedScale)))) & 0xFF;
}

struct Kind {
  const char* element;
  Element hint;
  Profile profile;
  size_t width;
  uint32_t (*bitsOf)(double);
};

constexpr Kind kinds[weightsCount] = {
    {"bf16", Element::bf16, Profile::rans, 2, bf16Bits},  {"bf16", Element::bf16, Profile::fast, 2, bf16Bits},
    {"fp16", Element::fp16, Profile::rans, 2, fp16Bits},  {"fp32", Element::fp32, Profile::rans, 4, floatBits},
    {"fp8", Element::bytes, Profile::rans, 1, fp8Bits},   {"int8", Element::bytes, Profile::rans, 1, int8Bits},
};

/** Pairs of normally distributed numbers after G. Box and M. Muller (1958). */
void fillTensor(const Kind& kind, uint64_t seed, uint8_t* to) {
  Chance chance = {seed << 32};
  const double sigma = sigmaMin * std::pow(sigmaFactor, chance.next());
  for (size_t at = 0; at < tensorBytes; at += 2 * kind.width) {
    const double radius = sigma * std::sqrt(-2 * std::log(chance.next()));
    const double angle = 6.283185307179586 * chance.next();
    const uint32_t pair[2] = {kind.bitsOf(radius * std::cos(angle)), kind.bitsOf(radius * std::sin(angle))};
    for (size_t half = 0; half < 2; half++) std::memcpy(to + at + half * kind.width, pair + half, kind.width);
  }
}

/** Calls `work(0)` to `work(count - 1)`, as many at once as there are processors. */
template <class Work>
void eachAtOnce(size_t count, Work work) {
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < std::max(1u, std::thread::hardware_concurrency()); thread++)
    threads.emplace_back([&] {
      for (size_t index = next++; index < count; index = next++) work(index);
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

double Weights::ratio() const {
  size_t encodedBytes = 0;
  for (const std::vector<uint8_t>& chunk : encoded) encodedBytes += chunk.size();
  return static_cast<double>(raw.size() * chunkBytes) / static_cast<double>(encodedBytes);
}

Weights makeWeights(size_t index) {
  const Kind& kind = kinds[index];
  Weights weights = {kind.element, kind.hint, kind.profile, {}, {}};
  weights.raw.resize(differentChunks);
  weights.encoded.resize(differentChunks);
  eachAtOnce(differentChunks, [&](size_t chunk) {
    constexpr size_t tensors = chunkBytes / tensorBytes;
    std::vector<uint8_t>& raw = weights.raw[chunk];
    raw.resize(chunkBytes);
    for (size_t tensor = 0; tensor < tensors; tensor++)
      fillTensor(kind, chunk * tensors + tensor + 1, raw.data() + tensor * tensorBytes);
    std::vector<uint8_t>& encoded = weights.encoded[chunk];
    encoded.resize(maxEncodedBytes(chunkBytes));
    Workspace workspace(bestPath());
    const EncodeResult result =
        encodeAns({raw.data(), raw.size()}, kind.hint, kind.profile, {encoded.data(), encoded.size()}, workspace);
    encoded.resize(result.encodedBytes);
  });
  return weights;
}
