#include "cuda/constants.h"

#include <memory>

#include "cpu/statistics.h"

namespace swarm::gpu {

namespace {

/** Everything but 0 comes back to itself after 2^31 - 1 steps, as the polynomial is (x + 1) times a primitive one of degree 31. */
constexpr uint32_t cycle = INT32_MAX;

void fillSteps(uint32_t* steps, unsigned bits, unsigned firstBit) {
  const uint32_t shift = crcShift(tileBytes);
  for (uint32_t value = 0; value < uint32_t{1} << bits; value++) steps[value] = crcMultiply(value << firstBit, shift);
}

void makeCrcTables(CrcTables& tables) {
  fillSteps(tables.steps.low, 11, 0);
  fillSteps(tables.steps.middle, 11, 11);
  fillSteps(tables.steps.high, 10, 22);
  for (uint32_t place = 0; place < tileBytes / 4; place++) tables.places[place] = crcShift(tileBytes - 4 * place);
  // x^(2^31 - 1 - 8) is what takes one byte back.
  uint32_t back = crcPower(0);
  uint32_t square = crcPower(1);
  for (uint32_t power = cycle - 8; power > 0; power >>= 1) {
    if ((power & 1) != 0) back = crcMultiply(back, square);
    square = crcMultiply(square, square);
  }
  tables.withoutZeros[0] = crcPower(0);
  for (uint32_t zeros = 1; zeros < tileBytes; zeros++)
    tables.withoutZeros[zeros] = crcMultiply(tables.withoutZeros[zeros - 1], back);
  for (unsigned power = 0; power < 25; power++) tables.powers[power] = crcShift(size_t{1} << power);
}

}  // namespace

const EncodeTables& allTables() {
  static const std::unique_ptr<EncodeTables> tables = [] {
    auto made = std::make_unique<EncodeTables>();
    makeCrcTables(made->crc);
    for (uint32_t value = 1; value < logCount; value++) made->logs[value] = static_cast<uint16_t>(log2Fixed(value));
    return made;
  }();
  return *tables;
}

}  // namespace swarm::gpu
