// A batch on the device beside what the scalar path says.
#include "gpu-test.h"

namespace {

/** Of the first byte that differs; `expected` is as long as `bytes`. */
std::string differenceAt(const uint8_t* bytes, const Bytes& expected) {
  const auto place = std::mismatch(expected.begin(), expected.end(), bytes);
  if (place.first == expected.end()) return "";
  return "byte " + std::to_string(place.first - expected.begin()) + " is " + std::to_string(*place.second) + ", not " +
         std::to_string(*place.first);
}

bool isDone(BatchCodec& codec, BatchOutcome outcome, const char* what, size_t count) {
  if (outcome == BatchOutcome::done) return true;
  const std::string why = outcome == BatchOutcome::tooLarge ? "no memory for them" : codec.fault();
  fail(std::string(what) + " " + std::to_string(count) + " chunks: " + why);
  return false;
}

}  // namespace

void compare(const std::string& where, Status status, const uint8_t* bytes, const Verdict& verdict) {
  if (!agree(CodePath::hostWarp, status, verdict.expected))
    return fail(where + verdict.name + ": " + statusName(status) + " where the scalar path has " + statusName(verdict.expected));
  if (status != Status::ok) return;
  const std::string difference = differenceAt(bytes, verdict.raw);
  if (!difference.empty()) fail(where + verdict.name + ": decoded " + difference);
}

bool checkEncode(BatchCodec& codec, const std::vector<Sample>& samples) {
  std::vector<EncodeJob> jobs;
  for (const Sample& sample : samples)
    jobs.push_back({{sample.raw.data(), sample.raw.size()}, sample.hint, sample.profile, {}, nullptr});
  if (!isDone(codec, codec.encode(jobs.data(), jobs.size()), "encoding", jobs.size())) return false;
  for (size_t index = 0; index < jobs.size(); index++) {
    const Sample& sample = samples[index];
    const EncodeResult& result = jobs[index].result;
    if (result.status != Status::ok || result.encodedBytes != sample.encoded.size()) {
      fail(sample.name + ": encoded to " + std::to_string(result.encodedBytes) + " bytes, by the scalar path to " +
           std::to_string(sample.encoded.size()));
      continue;
    }
    const std::string difference = differenceAt(jobs[index].encoded, sample.encoded);
    if (!difference.empty()) fail(sample.name + ": encoded " + difference);
    if (static_cast<uint8_t>(result.codec) != sample.encoded[header_at::codec] || result.floatSegments != sample.floatSegments)
      fail(sample.name + ": another codec or number of floating point segments is reported");
  }
  return true;
}

bool checkDecode(BatchCodec& codec, const std::vector<Sample>& samples) {
  std::vector<DecodeJob> jobs;
  for (const Sample& sample : samples)
    jobs.push_back({{sample.encoded.data(), sample.encoded.size()}, sample.raw.size(), Status::outOfMemory, nullptr, nullptr});
  if (!isDone(codec, codec.decode(jobs.data(), jobs.size()), "decoding", jobs.size())) return false;
  for (size_t index = 0; index < jobs.size(); index++) {
    const Sample& sample = samples[index];
    const std::string problem = jobs[index].status == Status::ok ? differenceAt(jobs[index].raw, sample.raw)
                                                                 : statusName(jobs[index].status);
    if (!problem.empty()) fail(sample.name + ": decoded, " + problem);
  }
  return true;
}

bool checkVerdicts(BatchCodec& codec, const std::vector<Verdict>& verdicts) {
  std::vector<DecodeJob> jobs;
  for (const Verdict& verdict : verdicts)
    jobs.push_back({{verdict.encoded.data(), verdict.encoded.size()}, verdict.raw.size(), Status::outOfMemory, nullptr, nullptr});
  if (!isDone(codec, codec.decode(jobs.data(), jobs.size()), "judging", jobs.size())) return false;
  for (size_t index = 0; index < jobs.size(); index++) compare("", jobs[index].status, jobs[index].raw, verdicts[index]);
  return true;
}
