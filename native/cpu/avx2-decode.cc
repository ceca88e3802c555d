// rANS decoder for AVX2: the rows of two or four streams are interleaved. Tables with few common symbols are looked up in registers,
// others in memory.
#include "cpu/avx2.h"

#if defined(__x86_64__)

#include "cpu/avx2-tables.h"
#include "cpu/sum-bytes.h"

namespace swarm::avx2 {

namespace {

/** Decodes all full rows of `count` streams, as far as the last of them goes and until one comes near `readableEnd`. */
template <size_t count, bool joined, bool summed, class Table>
SWARM_AVX2 void decodeInterleaved(const Table& table, DecodeStream* streams, const uint8_t* readableEnd) {
  constexpr size_t rowBytes = joined ? 2 * laneCount : laneCount;
  Stream local[count];
  uint64_t sums[count] = {};
#pragma GCC unroll 4
  for (size_t index = 0; index < count; index++) local[index] = {loadRow(streams[index].states), streams[index].next};
  Slots slots[count];
#pragma GCC unroll 4
  for (size_t index = 0; index < count; index++) storeSlots<Table::bits>(local[index].states.lower, slots[index]);
  Target target = {streams[0].symbols, streams[0].lowPlane, streams[0].elements};
  const size_t stride = count == 1 ? 0 : static_cast<size_t>(streams[1].symbols - streams[0].symbols);
  const uint8_t* const last = readableEnd - rowWordBytes;
  const size_t rows = streams[count - 1].size / laneCount;
  size_t row = 0;
  for (; row < rows; row++) {
    bool isNear = false;
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++) isNear |= local[index].next > last;
    if (isNear) break;
    table.template decode<joined, count>(local, slots, target, stride);
    target.symbols += laneCount;
    if (joined) {
      target.lowPlane += laneCount;
      target.elements += 2 * laneCount;
    }
    if (!summed || row < sumDelayRows) continue;
#pragma GCC unroll 4
    for (size_t index = 0; index < count; index++)
      sums[index] = sumBytes<rowBytes>(sums[index], (joined ? target.elements + 2 * index * stride
                                                            : target.symbols + index * stride) -
                                                        (sumDelayRows + 1) * rowBytes);
  }
#pragma GCC unroll 4
  for (size_t index = 0; index < count; index++) {
    DecodeStream& stream = streams[index];
    storeRow(local[index].states, stream.states);
    stream.next = local[index].next;
    stream.symbols += row * laneCount;
    stream.size -= row * laneCount;
    if (joined) {
      stream.lowPlane += row * laneCount;
      stream.elements += row * 2 * laneCount;
    }
    if (!summed || row < sumDelayRows) continue;
    stream.crc = static_cast<uint32_t>(sums[index]);
    stream.summedBytes = (row - sumDelayRows) * rowBytes;
  }
}

/** Two or four together as far as the shortest goes, which is the last one, then what is left of each. */
template <bool joined, class Table>
SWARM_AVX2 void decodeWith(const Table& table, DecodeStream* streams, size_t count, const uint8_t* readableEnd) {
  constexpr size_t together = Table::streamsTogether;
  // What is joined later is summed up later.
  const bool isSummed = streams[0].isSummed && joined == (streams[0].elements != nullptr);
  for (size_t index = 0; index + together <= count; index += together) {
    if (isSummed)
      decodeInterleaved<together, joined, true>(table, streams + index, readableEnd);
    else
      decodeInterleaved<together, joined, false>(table, streams + index, readableEnd);
  }
  for (size_t index = 0; index < count; index++)
    decodeInterleaved<1, joined, false>(table, streams + index, readableEnd);
}

template <unsigned bits>
SWARM_AVX2 void decodeInMemory(const DecodeTable& table, DecodeStream* streams, size_t count,
                               const uint8_t* readableEnd) {
  decodeWith<false>(MemoryTable<bits>{table.slots.data()}, streams, count, readableEnd);
}

}  // namespace

SWARM_AVX2 void decodeRows(const DecodeTable& table, DecodeStream* streams, size_t count,
                           const uint8_t* readableEnd) {
  if (table.probabilityBits == 10) return decodeInMemory<10>(table, streams, count, readableEnd);
  if (table.probabilityBits == 12) return decodeInMemory<12>(table, streams, count, readableEnd);
  RegisterTable registers;
  if (!registers.fill(table)) return decodeInMemory<11>(table, streams, count, readableEnd);
  if (streams[0].elements != nullptr) return decodeWith<true>(registers, streams, count, readableEnd);
  decodeWith<false>(registers, streams, count, readableEnd);
}

}  // namespace swarm::avx2
#endif
