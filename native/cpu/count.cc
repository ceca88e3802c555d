// Histograms. Counting is bound by how soon a counter can be touched again, so that neighbours go to different counters.
#include "cpu/statistics.h"

namespace swarm {

namespace {

constexpr size_t jointCount = 65536;
/** Below this many elements the pass over the joint counters costs more than counting the planes one by one. */
constexpr size_t jointElementsMin = 65536;

/**
 * Counts 16-bit elements as a whole: one step for both planes. Weights use a few thousand of the values, whose counters stay in
 * the nearest cache.
 */
void countJointly(const uint8_t* elements, size_t count, uint32_t* joint) {
  size_t index = 0;
  for (; index + 4 <= count; index += 4) {
    uint64_t four;
    std::memcpy(&four, elements + 2 * index, sizeof four);
    joint[four & 0xFFFF]++;
    joint[four >> 16 & 0xFFFF]++;
    joint[four >> 32 & 0xFFFF]++;
    joint[four >> 48]++;
  }
  for (; index < count; index++) joint[load16(elements + 2 * index)]++;
}

/** Adds up `jointSize` counters by their bits `lowBits` and above, and by those below, and clears them. */
template <unsigned lowBits>
void addUp(uint32_t* joint, size_t jointSize, uint32_t* byHigh, uint32_t* byLow) {
  constexpr size_t rowLength = size_t{1} << lowBits;
  for (size_t row = 0; row < jointSize / rowLength; row++) {
    uint32_t* const counters = joint + row * rowLength;
    uint32_t sum = 0;
    for (size_t low = 0; low < rowLength; low++) {
      sum += counters[low];
      byLow[low] += counters[low];
      counters[low] = 0;
    }
    byHigh[row] = sum;
  }
}

void countBf16(uint32_t* joint, Counts& high, Counts& low) {
  for (size_t sign = 0; sign < 2; sign++) {
    uint32_t byExponent[256];
    uint32_t byMantissa[128] = {};
    addUp<7>(joint + sign * jointCount / 2, jointCount / 2, byExponent, byMantissa);
    for (size_t exponent = 0; exponent < 256; exponent++) high[exponent] += byExponent[exponent];
    for (size_t mantissa = 0; mantissa < 128; mantissa++) low[mantissa << 1 | sign] = byMantissa[mantissa];
  }
}

}  // namespace

void countSymbols(const uint8_t* bytes, size_t size, Counts& counts) {
  uint32_t tables[4][256] = {};
  size_t index = 0;
  for (; index + 8 <= size; index += 8) {
    uint64_t eight;
    std::memcpy(&eight, bytes + index, sizeof eight);
    for (size_t byte = 0; byte < 8; byte++) tables[byte % 4][eight >> (8 * byte) & 0xFF]++;
  }
  for (; index < size; index++) tables[0][bytes[index]]++;
  for (size_t symbol = 0; symbol < 256; symbol++)
    counts[symbol] = tables[0][symbol] + tables[1][symbol] + tables[2][symbol] + tables[3][symbol];
}

PlaneCounter::PlaneCounter(Element element, size_t count, uint8_t left, std::vector<uint32_t>& scratch)
    : element_(element),
      left_(left),
      isJoint_(elementWidth(element) == 2 && left == 0 && count >= jointElementsMin),
      joint_(scratch) {
  if (isJoint_) joint_.resize(jointCount);
}

void PlaneCounter::add(const uint8_t* elements, size_t count, const uint8_t* const* planes) {
  if (isJoint_) return countJointly(elements, count, joint_.data());
  for (size_t plane = 0; plane < elementWidth(element_); plane++) {
    if ((left_ >> plane & 1) != 0) continue;
    Counts more;
    countSymbols(planes[plane], count, more);
    for (size_t symbol = 0; symbol < more.size(); symbol++) counts_[plane][symbol] += more[symbol];
  }
}

const std::array<Counts, planeCountMax>& PlaneCounter::finish() {
  if (isJoint_ && element_ == Element::bf16) countBf16(joint_.data(), counts_[0], counts_[1]);
  if (isJoint_ && element_ == Element::fp16) addUp<8>(joint_.data(), jointCount, counts_[0].data(), counts_[1].data());
  return counts_;
}

}  // namespace swarm
