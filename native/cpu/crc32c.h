// CRC32C on inverted values: what the code paths share. include/codec.h has the function for everyone else.
#pragma once

#include "format/layout.h"

namespace swarm {

constexpr uint32_t reflectedPolynomial = 0x82F63B78;

/** x^power modulo the polynomial, reflected: bit 31 is the coefficient of x^0. */
constexpr uint32_t crcPower(size_t power) {
  uint32_t value = 0x80000000;
  for (; power > 0; power--) value = (value >> 1) ^ ((value & 1) != 0 ? reflectedPolynomial : 0);
  return value;
}

/** Continues the inverted CRC `crc` over `size` bytes, by the processor's instruction where it has one, else by tables. */
uint32_t updateCrc(uint32_t crc, const uint8_t* data, size_t size);

}  // namespace swarm
