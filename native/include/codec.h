// The chunk codec as C++ sees it: chunk bytes in, raw bytes out, and the reverse (protocols/chunk.md).
// No Node types here. Nothing throws for bytes from outside; every refusal is a Status with the name of the rule broken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace swarm {

struct ByteSpan {
  const uint8_t* data;
  size_t size;
};

struct MutableSpan {
  uint8_t* data;
  size_t size;
};

/** Largest raw size of a chunk that the format allows. */
constexpr size_t rawBytesMax = size_t{1} << 24;
/** Size of the header in front of every chunk; also the most by which a chunk can be larger than its raw bytes. */
constexpr size_t headerBytes = 32;

/** Why a call failed. The names from `truncated` to `zstdPayload` are the rule names of protocols/chunk.md. */
enum class Status : int32_t {
  ok = 0,
  truncated,
  magic,
  version,
  headerChecksum,
  codec,
  headerField,
  rawBytes,
  encodedBytes,
  directory,
  segmentHeader,
  planeMode,
  planeLayout,
  table,
  streamIndex,
  stateRange,
  words,
  finalState,
  paddingSymbol,
  escapes,
  code,
  paddingBytes,
  checksum,
  zstdPayload,
  // From here on: not the chunk's fault.
  outputSize,
  outOfMemory,
  readFailed,
  shortRead,
  writeFailed,
  count,
};

/** Name of a status, as in the enumeration. Static storage. */
const char* statusName(Status status);

/** Numbers as they stand in the header. */
enum class ChunkCodec : uint8_t { raw = 0, ans = 1, zstd = 2 };
enum class Element : uint8_t { unknown = 0, bytes = 1, bf16 = 2, fp16 = 3, fp32 = 4 };

/** What an ans chunk aims at: few bytes, or decoding as fast as memory is read. The level in its header. */
enum class Profile : uint8_t { rans = 0, fast = 1 };

/** A checked header. */
struct ChunkHeader {
  ChunkCodec codec;
  uint8_t encoderVersion;
  /** zstd level 1..19; the profile of an ans chunk; 0 for raw. */
  uint8_t level;
  /** What the encoder was told about the content; `unknown` unless the codec is ans. */
  Element hint;
  uint32_t rawBytes;
  /** Of the whole chunk, header included. */
  uint32_t encodedBytes;
  uint32_t rawChecksum;
};

/** Ways of doing the work on a processor. All give the same bytes. `hostWarp` runs the kernels for GPUs, slowly: for tests. */
enum class CodePath : uint8_t { scalar, avx2, avx512, neon, hostWarp };
/** The fastest first; which of them a machine has is another question. */
constexpr CodePath allPaths[] = {CodePath::avx512, CodePath::avx2, CodePath::neon, CodePath::scalar, CodePath::hostWarp};

/** Whether this processor and operating system can run a path. */
bool isAvailable(CodePath path);

/** The fastest path that is available. */
CodePath bestPath();

/** The name as in the enumeration, with a hyphen. Static storage. */
const char* pathName(CodePath path);

/** What calls on one thread share: the code path, which must be available, and scratch memory that grows to about 2 MiB. */
struct Workspace {
  explicit Workspace(CodePath codePath) : path(codePath) {}

  const CodePath path;
  std::vector<uint8_t> planes;
  std::vector<uint16_t> words;
};

struct EncodeResult {
  Status status;
  size_t encodedBytes;
  ChunkCodec codec;
  /** How many segments hold floating point elements, by the encoder's estimate; 0 unless the codec is ans. */
  uint32_t floatSegments;
};

/** Largest encoded size of `rawBytes` raw bytes, whatever the codec. */
constexpr size_t maxEncodedBytes(size_t rawBytes) { return rawBytes + headerBytes; }

/** Checks the header of the whole chunk `encoded` and fills `header`. Reads 32 bytes. */
Status parseHeader(ByteSpan encoded, ChunkHeader& header);

/**
 * Encodes `raw` (at most rawBytesMax) as codec ans, or as codec raw where that is not larger. `out` holds at least
 * maxEncodedBytes(raw.size) bytes and does not overlap `raw`. The result depends on the arguments alone.
 */
EncodeResult encodeAns(ByteSpan raw, Element hint, Profile profile, MutableSpan out, Workspace& workspace);

/** Stores `raw` unchanged behind a header. Same conditions as encodeAns. */
EncodeResult encodeRaw(ByteSpan raw, MutableSpan out);

/** Puts a zstd frame that holds `raw` behind a header, or stores `raw` where the frame is not smaller. */
EncodeResult sealZstd(ByteSpan raw, ByteSpan frame, uint8_t level, MutableSpan out);

/**
 * Decodes a raw or ans chunk into `raw`, whose size must be the chunk's raw size, and checks the result. On failure the
 * content of `raw` is unspecified. A zstd chunk is refused with `codec`: see finishZstd.
 */
Status decode(ByteSpan encoded, MutableSpan raw, Workspace& workspace);

/** Second half of decoding a zstd chunk: checks `frameContent`, what its frame decompressed to, and copies it to `raw`. */
Status finishZstd(ByteSpan encoded, ByteSpan frameContent, MutableSpan raw);

/** CRC32C (Castagnoli) of `bytes`, continuing from the CRC of what came before (0 at the start). */
uint32_t crc32c(uint32_t before, ByteSpan bytes);

/** The same without the processor's instruction, so that tests on any machine reach this code. */
uint32_t crc32cByTables(uint32_t before, ByteSpan bytes);

}  // namespace swarm
