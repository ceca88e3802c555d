// What the tests of the kernels on a real device share: the device, chunks to try, and how a failure is told.
#pragma once

#include <functional>
#include <string>

#include "../native/codec-test.h"
#include "cuda/batch-codec.h"

using namespace swarm::gpu;

struct TestedDevice {
  std::string name;
  size_t memoryBytes;
  /** Small inputs, for compute-sanitizer, under which kernels are a hundred times slower. */
  bool isQuick;
  std::function<std::unique_ptr<Backend>()> open;

  /** For how long a batch may take. */
  std::chrono::milliseconds patience() const { return isQuick ? std::chrono::minutes(10) : std::chrono::minutes(1); }
};

/** Prints one line and counts it; a broken device would print for ever without an end to that. */
inline void fail(const std::string& what) {
  constexpr int linesMax = 100;
  if (failures++ < linesMax) std::printf("failed: %s\n", what.c_str());
  std::fflush(stdout);
}

enum class Content : uint8_t {
  skewed,
  skewed16,
  skewed32,
  /** More symbols than fit into a processor's registers. */
  manySymbols,
  /** The first half is one symbol. */
  halfConstant,
  /** Few exponents and even signs, as weights of bf16 have them: decoded, joined and summed in one go. */
  weights,
  /** Thirteen symbols, each as often as the others, and a few more: four-bit codes and escapes. */
  even,
  /** bf16 in fp32: planes that are constant. */
  widened,
  noise,
  constant,
  count,
};

/** What a chunk is made of. The same recipe gives the same bytes. */
struct Recipe {
  size_t size;
  Content content;
  /** Bytes that the first element lacks. */
  size_t phase;
  Element hint;
  Profile profile;
  uint32_t seed;
};

Bytes makeContent(const Recipe& recipe);

/** A chunk as the scalar path makes it. */
struct Sample {
  std::string name;
  Bytes raw;
  Element hint;
  Profile profile;
  Bytes encoded;
  uint32_t floatSegments;
};

Sample makeSample(const Recipe& recipe);
Sample makeSample(std::string name, Bytes raw, Element hint, Profile profile);

/** An encoded chunk, whole or broken, and what the scalar path says of it. */
struct Verdict {
  std::string name;
  Bytes encoded;
  Status expected;
  /** What it decodes to; without a meaning where it is refused. */
  Bytes raw;
};

/** `rawBytes`: the size that the chunk is expected to have. */
Verdict judge(std::string name, Bytes encoded, size_t rawBytes);

/** Small chunks with every plane mode. */
std::vector<Sample> smallSamples();

/** Broken chunks made of `chunks` by cutting, flipping and overwriting, `rounds` of each kind. */
std::vector<Verdict> breakChunks(const std::vector<Sample>& chunks, size_t rounds, uint32_t seed);

/** Encodes on the device as a batch; tells what is not as the scalar path has it. False when the device failed. */
bool checkEncode(BatchCodec& codec, const std::vector<Sample>& samples);
bool checkDecode(BatchCodec& codec, const std::vector<Sample>& samples);
bool checkVerdicts(BatchCodec& codec, const std::vector<Verdict>& verdicts);

/** One line where `bytes` differ from what is expected, or the status does. `where` is empty or ends in a colon and a space. */
void compare(const std::string& where, Status status, const uint8_t* bytes, const Verdict& verdict);

// What is checked, a file each.

/** Golden vectors of the folder: good ones give what the scalar path gives, bad ones are refused. */
void vectorsAreJudgedAlike(const TestedDevice& device, const std::string& folder);

/** Chunks of all contents, sizes, hints and profiles are encoded to the same bytes and decoded to their own. */
void pathsGiveTheSame(const TestedDevice& device);

/** Broken chunks are refused, and harm neither the others of their batch nor the device. */
void brokenChunksAreRefused(const TestedDevice& device);

/** Batches grow and shrink, several codecs share the device, and memory that is short is no fault. */
void batchesGrow(const TestedDevice& device);

/** Kernels stay within memory that is exactly as large as they ask for: what compute-sanitizer is for. */
void memoryIsEnough(const TestedDevice& device);
