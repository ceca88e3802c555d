// The entropy coder: 32 interleaved range-ANS states per stream, 16-bit words. Method: J. Duda, "Asymmetric numeral systems"
// (2013); interleaving after F. Giesen, "Interleaved entropy coders" (2014).
#pragma once

#include "cpu/statistics.h"
#include "format/parse.h"

namespace swarm {

/**
 * Writes a whole RANS plane (table, index, states, words) for `size` symbols to `out`. Returns its size without the padding
 * that follows, or 0 when `capacity` bytes do not hold it. `wordCount` receives the number of words.
 */
size_t encodeRansPlane(const uint8_t* symbols, size_t size, const FrequencyTable& table, unsigned probabilityBits,
                       uint8_t* out, size_t capacity, std::vector<uint16_t>& scratch, uint32_t& wordCount);

/** Decodes a plane of `size` symbols whose plan parseSegments approved. */
Status decodeRansPlane(const PlanePlan& plane, unsigned probabilityBits, uint8_t* symbols, size_t size);

}  // namespace swarm
