// libFuzzer target: arbitrary bytes as a chunk, once as they are and once with a header made right, and as raw bytes to encode
// and decode again. Seeds: protocols/vectors/chunk. Build: cmake -S native -B build/fuzz -DSWARM_CODEC_TESTS=ON
// -DCMAKE_CXX_COMPILER=clang++ && cmake --build build/fuzz --target codec_fuzz.
#include <cstdlib>
#include <vector>

#include "format/layout.h"

using namespace swarm;

static Workspace workspace;

static void decodeAny(std::vector<uint8_t>& chunk) {
  ChunkHeader header;
  if (parseHeader({chunk.data(), chunk.size()}, header) != Status::ok) return;
  std::vector<uint8_t> raw(header.rawBytes);
  decode({chunk.data(), chunk.size()}, {raw.data(), raw.size()}, workspace);
}

static void roundTrip(const uint8_t* data, size_t size) {
  const auto hint = static_cast<Element>(data[0] % 5);
  const ByteSpan raw = {data + 1, size - 1};
  std::vector<uint8_t> out(maxEncodedBytes(raw.size));
  const EncodeResult encoded = encodeAns(raw, hint, {out.data(), out.size()}, workspace);
  std::vector<uint8_t> back(raw.size);
  if (encoded.status != Status::ok) std::abort();
  if (decode({out.data(), encoded.encodedBytes}, {back.data(), back.size()}, workspace) != Status::ok) std::abort();
  if (raw.size != 0 && std::memcmp(back.data(), raw.data, raw.size) != 0) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::vector<uint8_t> chunk(data, data + size);
  decodeAny(chunk);
  if (size >= headerBytes) {
    std::memcpy(chunk.data(), magicBytes, sizeof magicBytes);
    store32(chunk.data() + header_at::encodedBytes, static_cast<uint32_t>(size));
    store32(chunk.data() + header_at::headerChecksum, crc32c(0, {chunk.data(), header_at::headerChecksum}));
    decodeAny(chunk);
  }
  roundTrip(data, size);
  return 0;
}
