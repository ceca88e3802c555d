// Histograms. Counting is bound by how soon a counter can be touched again, so that neighbours go to different counters, and by
// one step for each symbol, so that of large planes only a part is counted; of the rest it is enough to know what occurs.
#include <algorithm>

#include "cpu/kernels.h"

namespace swarm {

void SymbolSet::add(uint8_t symbol) {
  flags[symbol] = 0xFF;
  const auto bit = static_cast<uint8_t>(1 << (symbol >> 4 & 7));
  (symbol < 128 ? lower : upper)[symbol & 15] |= bit;
}

size_t findNewScalar(const SymbolSet& seen, const uint8_t* bytes, size_t size) {
  size_t index = 0;
  for (; index + 8 <= size; index += 8) {
    uint8_t all = 0xFF;
    for (size_t at = index; at < index + 8; at++) all &= seen.flags[bytes[at]];
    if (all == 0) break;
  }
  while (index < size && seen.flags[bytes[index]] != 0) index++;
  return index;
}

void Histogram::add(const uint8_t* bytes, size_t size) {
  size_t index = 0;
  for (; index + 8 <= size; index += 8) {
    uint64_t eight;
    std::memcpy(&eight, bytes + index, sizeof eight);
    for (size_t byte = 0; byte < 8; byte++) tables_[byte % 4][eight >> (8 * byte) & 0xFF]++;
  }
  for (; index < size; index++) tables_[0][bytes[index]]++;
}

Counts Histogram::counts() const {
  Counts counts;
  for (size_t symbol = 0; symbol < counts.size(); symbol++)
    counts[symbol] = tables_[0][symbol] + tables_[1][symbol] + tables_[2][symbol] + tables_[3][symbol];
  return counts;
}

void PlaneCounter::add(const Kernels& kernels, const uint8_t* piece, size_t size) {
  const size_t number = pieces_++;
  if (!isSampled_) return histogram_.add(piece, size);
  // One block of each piece, and another one of the next: rows of a matrix may be as long as a piece.
  const size_t start = std::min(size, number % (pieceSymbols / countedSymbols) * countedSymbols);
  histogram_.add(piece + start, std::min(countedSymbols, size - start));
  for (size_t at = kernels.findNew(seen_, piece, size); at < size;
       at += kernels.findNew(seen_, piece + at, size - at))
    seen_.add(piece[at]);
}

Counts PlaneCounter::counts() const {
  Counts counts = histogram_.counts();
  if (isSampled_)
    for (size_t symbol = 0; symbol < counts.size(); symbol++)
      if (counts[symbol] == 0 && seen_.flags[symbol] != 0) counts[symbol] = 1;
  return counts;
}

}  // namespace swarm
