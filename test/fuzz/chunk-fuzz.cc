// libFuzzer target: arbitrary bytes as a chunk, once as they are and once with a header made right, and as raw bytes to encode
// in both profiles and decode again; every code path, which must agree. Seeds: protocols/vectors/chunk. Build:
// cmake -S native -B build/fuzz -DSWARM_CODEC_TESTS=ON -DCMAKE_CXX_COMPILER=clang++ && cmake --build build/fuzz
// --target codec_fuzz.
#include <cstdlib>
#include <vector>

#include "format/layout.h"

using namespace swarm;

constexpr CodePath fasterPaths[] = {CodePath::avx2, CodePath::avx512};

static Workspace& workspaceOf(CodePath path) {
  static Workspace each[] = {Workspace(CodePath::scalar), Workspace(CodePath::avx2), Workspace(CodePath::avx512)};
  return each[static_cast<size_t>(path)];
}

/** What one path makes of a chunk: its verdict, and the bytes if that is good. */
struct Outcome {
  Status status;
  std::vector<uint8_t> raw;
};

static Outcome decodeOn(CodePath path, const std::vector<uint8_t>& chunk, size_t rawBytes) {
  Outcome outcome = {Status::ok, std::vector<uint8_t>(rawBytes)};
  outcome.status = decode({chunk.data(), chunk.size()}, {outcome.raw.data(), rawBytes}, workspaceOf(path));
  return outcome;
}

static void decodeAny(const std::vector<uint8_t>& chunk) {
  ChunkHeader header;
  if (parseHeader({chunk.data(), chunk.size()}, header) != Status::ok) return;
  const Outcome expected = decodeOn(CodePath::scalar, chunk, header.rawBytes);
  for (const CodePath path : fasterPaths) {
    if (!isAvailable(path)) continue;
    const Outcome outcome = decodeOn(path, chunk, header.rawBytes);
    if (outcome.status != expected.status) std::abort();
    if (outcome.status == Status::ok && outcome.raw != expected.raw) std::abort();
  }
}

static std::vector<uint8_t> encodeOn(CodePath path, ByteSpan raw, Element hint, Profile profile) {
  std::vector<uint8_t> out(maxEncodedBytes(raw.size));
  const EncodeResult encoded = encodeAns(raw, hint, profile, {out.data(), out.size()}, workspaceOf(path));
  if (encoded.status != Status::ok) std::abort();
  out.resize(encoded.encodedBytes);
  return out;
}

static void roundTrip(const uint8_t* data, size_t size, Profile profile) {
  const auto hint = static_cast<Element>(data[0] % 5);
  const ByteSpan raw = {data + 1, size - 1};
  const std::vector<uint8_t> expected = encodeOn(CodePath::scalar, raw, hint, profile);
  for (const CodePath path : fasterPaths)
    if (isAvailable(path) && encodeOn(path, raw, hint, profile) != expected) std::abort();
  const Outcome back = decodeOn(CodePath::scalar, expected, raw.size);
  if (back.status != Status::ok) std::abort();
  if (raw.size != 0 && std::memcmp(back.raw.data(), raw.data, raw.size) != 0) std::abort();
  decodeAny(expected);
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
  for (const Profile profile : {Profile::rans, Profile::fast}) roundTrip(data, size, profile);
  return 0;
}
