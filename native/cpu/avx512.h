// What the AVX-512 files share. Functions are compiled for these instructions one by one, so that nothing else in the program
// can end up using them.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>

#include "cpu/kernels.h"

#define SWARM_AVX512                                                                                                \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi,bmi2,popcnt,sse4.2,"    \
                        "pclmul,vpclmulqdq")))
#define SWARM_AVX512_INLINE SWARM_AVX512 inline __attribute__((always_inline))

namespace swarm::avx512 {

void decodeRows(const DecodeTable& table, DecodeStream* streams, size_t count, const uint8_t* readableEnd);
void encodeRows(const EncodeTable& table, EncodeStream* streams, size_t count);
Status decodeFixed(const FixedTable& table, const FixedBlock& block, uint8_t* symbols);
Status joinFixed(const FixedTable& table, const FixedBlock& block, const SymbolUse& join);
size_t encodeFixed(const FixedTable& table, const std::array<uint8_t, 256>& codes, const FixedTarget& target);
uint32_t updateCrc(uint32_t crc, const uint8_t* data, size_t size);

}  // namespace swarm::avx512
#endif
