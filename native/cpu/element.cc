// Which element type and phase a segment gets, by the entropy of sampled byte planes.
#include <algorithm>

#include "cpu/kernels.h"

namespace swarm {

namespace {

constexpr size_t windowCount = 16;
constexpr size_t windowBytes = 1024;
constexpr size_t sampleBytes = windowCount * windowBytes;

/** log2(e) / 2 in 1/256 bits: what a small sample hides of the entropy, per symbol seen (Miller and Madow). */
constexpr uint64_t biasPerSymbol = 185;

struct Sample {
  std::array<ByteSpan, windowCount> windows;
  size_t count;
};

/** Window starts are multiples of 4, so that a phase means the same in each. */
Sample takeSample(ByteSpan segment) {
  Sample sample{};
  if (segment.size <= sampleBytes) {
    sample.windows[0] = segment;
    sample.count = 1;
    return sample;
  }
  for (size_t index = 0; index < windowCount; index++) {
    const size_t start = (segment.size - windowBytes) * index / (windowCount - 1) & ~size_t{3};
    sample.windows[index] = {segment.data + start, windowBytes};
  }
  sample.count = windowCount;
  return sample;
}

/** Size in 1/256 bits of a plane of `total` symbols that is stored. */
constexpr uint64_t storedCost(size_t total) { return uint64_t{total} * 2048; }

/** Estimated size of a plane in 1/256 bits. */
uint64_t planeCost(const Counts& counts, size_t total) {
  uint64_t cost = 0;
  uint64_t symbolCount = 0;
  for (const uint32_t count : counts) {
    if (count == 0) continue;
    symbolCount++;
    cost += uint64_t{count} * (log2Fixed(static_cast<uint32_t>(total)) - log2Fixed(count));
  }
  if (symbolCount < 2) return 0;
  cost += (symbolCount - 1) * biasPerSymbol;
  const uint64_t stored = storedCost(total);
  return cost * 50 > stored * 49 ? stored : cost;
}

/** A choice and the estimated size of the sample in 1/256 bits; without elements it costs more than anything. */
struct Candidate {
  ElementChoice choice;
  uint64_t cost;
};

constexpr uint64_t costMax = UINT64_MAX / 256;

Candidate makeCandidate(const Kernels& kernels, const Sample& sample, Element element, uint8_t phase) {
  Candidate candidate = {{element, phase, 0}, costMax};
  const size_t width = elementWidth(element);
  std::array<std::array<uint8_t, sampleBytes>, planeCountMax> planes;
  size_t elements = 0;
  size_t edgeBytes = 0;
  for (size_t index = 0; index < sample.count; index++) {
    const ByteSpan window = sample.windows[index];
    const size_t skipped = std::min<size_t>(phase, window.size);
    const size_t count = (window.size - skipped) / width;
    uint8_t* const targets[planeCountMax] = {planes[0].data() + elements, planes[1].data() + elements,
                                             planes[2].data() + elements, planes[3].data() + elements};
    kernels.splitPlanes(element, window.data + skipped, count, targets);
    elements += count;
    edgeBytes += window.size - count * width;
  }
  if (elements == 0) return candidate;
  candidate.cost = storedCost(edgeBytes);
  for (size_t plane = 0; plane < width; plane++) {
    Histogram histogram;
    histogram.add(planes[plane].data(), elements);
    const uint64_t cost = planeCost(histogram.counts(), elements);
    candidate.cost += cost;
    if (cost == storedCost(elements))
      candidate.choice.storedPlanes = static_cast<uint8_t>(candidate.choice.storedPlanes | 1 << plane);
  }
  return candidate;
}

}  // namespace

ElementChoice chooseElement(const Kernels& kernels, ByteSpan segment, Element hint) {
  const Sample sample = takeSample(segment);
  Candidate best = {{Element::unknown, 0, 0}, costMax};
  for (const Element element : {Element::bf16, Element::fp16, Element::fp32}) {
    if (hint != Element::unknown && hint != element) continue;
    for (uint8_t phase = 0; phase < elementWidth(element); phase++) {
      const Candidate candidate = makeCandidate(kernels, sample, element, phase);
      if (candidate.cost * 256 < best.cost * 255) best = candidate;
    }
  }
  const Candidate plain = makeCandidate(kernels, sample, Element::bytes, 0);
  return (best.cost * 64 < plain.cost * 63 ? best : plain).choice;
}

}  // namespace swarm
