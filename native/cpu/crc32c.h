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

/** The product of two residues, reflected as crcPower's. */
constexpr uint32_t crcMultiply(uint32_t first, uint32_t second) {
  uint32_t product = 0;
  for (uint32_t bit = 0x80000000; bit != 0; bit >>= 1) {
    if ((first & bit) != 0) product ^= second;
    second = (second >> 1) ^ ((second & 1) != 0 ? reflectedPolynomial : 0);
  }
  return product;
}

/** What a CRC is multiplied by when `bytes` zero bytes follow. */
constexpr uint32_t crcShift(size_t bytes) {
  uint32_t shift = crcPower(0);
  uint32_t square = crcPower(8);
  for (; bytes > 0; bytes >>= 1) {
    if ((bytes & 1) != 0) shift = crcMultiply(shift, square);
    square = crcMultiply(square, square);
  }
  return shift;
}

/** The inverted CRC of bytes whose own is `before`, followed by `size` bytes whose inverted CRC, started from 0, is `after`. */
uint32_t joinCrc(uint32_t before, uint32_t after, size_t size);

/** Continues the inverted CRC `crc` over `size` bytes, by the processor's instruction where it has one, else by tables. */
uint32_t updateCrc(uint32_t crc, const uint8_t* data, size_t size);

}  // namespace swarm
