// libFuzzer target: arbitrary bytes as a chunk, once as they are and once with a header made right, and as raw bytes to encode
// in both profiles and decode again; every code path, which must agree. `npm run fuzz` builds and runs it.
#include <cstdlib>
#include <memory>
#include <vector>

#include "format/parse.h"

using namespace swarm;

/** What a header may claim before the chunk is only parsed: larger ones reach no other code and take many times as long. */
constexpr size_t decodedBytesMax = 256 * 1024;

/** The kernels for GPUs take ten times as long as all others together: they get every eighth input. */
static bool isForHostWarp = false;

static bool isTested(CodePath path) {
  return path != CodePath::scalar && isAvailable(path) && (path != CodePath::hostWarp || isForHostWarp);
}

static Workspace& workspaceOf(CodePath path) {
  static Workspace each[] = {Workspace(CodePath::scalar), Workspace(CodePath::avx2), Workspace(CodePath::avx512),
                             Workspace(CodePath::neon), Workspace(CodePath::hostWarp)};
  return each[static_cast<size_t>(path)];
}

/** What one path makes of a chunk: its verdict, and the bytes if that is good. Exactly as many as needed are on the heap. */
struct Outcome {
  Status status;
  std::unique_ptr<uint8_t[]> raw;
};

static Outcome decodeOn(CodePath path, const std::vector<uint8_t>& chunk, size_t rawBytes) {
  Outcome outcome = {Status::ok, std::unique_ptr<uint8_t[]>(new uint8_t[rawBytes])};
  outcome.status = decode({chunk.data(), chunk.size()}, {outcome.raw.get(), rawBytes}, workspaceOf(path));
  return outcome;
}

/** Of the scalar path, when all others agree with it. */
static Outcome decodeOnAll(const std::vector<uint8_t>& chunk, size_t rawBytes) {
  Outcome expected = decodeOn(CodePath::scalar, chunk, rawBytes);
  for (const CodePath path : allPaths) {
    if (!isTested(path)) continue;
    const Outcome outcome = decodeOn(path, chunk, rawBytes);
    // The kernels of GPUs check in another order, and may name another of several broken rules.
    const bool isSame = path == CodePath::hostWarp ? (outcome.status == Status::ok) == (expected.status == Status::ok)
                                                   : outcome.status == expected.status;
    if (!isSame) std::abort();
    if (outcome.status == Status::ok && std::memcmp(outcome.raw.get(), expected.raw.get(), rawBytes) != 0) std::abort();
  }
  return expected;
}

static void decodeAny(const std::vector<uint8_t>& chunk) {
  ChunkPlan plan;
  const ByteSpan encoded = {chunk.data(), chunk.size()};
  if (parseHeader(encoded, plan.header) != Status::ok) return;
  if (plan.header.rawBytes <= decodedBytesMax)
    decodeOnAll(chunk, plan.header.rawBytes);
  else if (plan.header.codec == ChunkCodec::ans)
    parseSegments(encoded, plan);
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
  for (const CodePath path : allPaths)
    if (isTested(path) && encodeOn(path, raw, hint, profile) != expected) std::abort();
  const Outcome back = decodeOnAll(expected, raw.size);
  if (back.status != Status::ok) std::abort();
  if (raw.size != 0 && std::memcmp(back.raw.get(), raw.data, raw.size) != 0) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  isForHostWarp = data[size - 1] % 8 == 7;
  const std::vector<uint8_t> chunk(data, data + size);
  decodeAny(chunk);
  if (size >= headerBytes) {
    std::vector<uint8_t> corrected = chunk;
    store32(corrected.data(), magicWord);
    corrected[header_at::version] = formatVersion;
    corrected[header_at::encoder] = encoderVersion;
    store32(corrected.data() + header_at::encodedBytes, static_cast<uint32_t>(size));
    store32(corrected.data() + header_at::headerChecksum, crc32c(0, {corrected.data(), header_at::headerChecksum}));
    if (corrected != chunk) decodeAny(corrected);
  }
  for (const Profile profile : {Profile::rans, Profile::fast}) roundTrip(data, size, profile);
  return 0;
}
