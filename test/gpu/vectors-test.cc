// The golden vectors of protocols/vectors/chunk on a device.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "gpu-test.h"

namespace {

Bytes readFile(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
}

/** Judged for the size that its header gives, as far as that is allowed. */
Verdict judgeVector(const std::filesystem::path& file) {
  Bytes encoded = readFile(file);
  const size_t rawBytes = encoded.size() < headerBytes ? 0 : load32(encoded.data() + header_at::rawBytes);
  return judge(file.stem().string(), std::move(encoded), std::min(rawBytes, rawBytesMax));
}

bool isZstd(const Verdict& vector) {
  return vector.encoded.size() >= headerBytes &&
         vector.encoded[header_at::codec] == static_cast<uint8_t>(ChunkCodec::zstd);
}

}  // namespace

void vectorsAreJudgedAlike(const TestedDevice& device, const std::string& folder) {
  std::vector<Verdict> vectors;
  std::vector<Sample> samples;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".chunk") continue;
    Verdict vector = judgeVector(entry.path());
    const bool isGood = vector.name.rfind("good-", 0) == 0;
    // Chunks of codec zstd are the processor's.
    const Status wanted = isGood && !isZstd(vector) ? Status::ok : vector.expected;
    if (vector.expected != wanted || (!isGood && vector.expected == Status::ok))
      fail(vector.name + ": the scalar path says " + statusName(vector.expected));
    if (isGood && vector.expected == Status::ok && vector.encoded[header_at::codec] == static_cast<uint8_t>(ChunkCodec::ans))
      samples.push_back(makeSample(vector.name, vector.raw, static_cast<Element>(vector.encoded[header_at::hint]),
                                   static_cast<Profile>(vector.encoded[header_at::level])));
    vectors.push_back(std::move(vector));
  }
  if (samples.size() < 10 || vectors.size() < 2 * samples.size()) fail("there are golden vectors in " + folder);
  const auto isBefore = [](const Verdict& first, const Verdict& second) { return first.name < second.name; };
  std::sort(vectors.begin(), vectors.end(), isBefore);
  BatchCodec codec(device.open(), device.patience());
  if (!checkVerdicts(codec, vectors)) return;
  // Neighbours and places are others now.
  std::reverse(vectors.begin(), vectors.end());
  if (checkVerdicts(codec, vectors)) checkEncode(codec, samples);
}
