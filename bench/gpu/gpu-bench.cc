// How fast does a GPU decode and encode chunks, beside how fast it copies memory?
// gpu_bench [--json] [--device INDEX] [--commit NAME] [--rows PART] prints a line per row, and one of JSON behind each with --json.
// With --rows only rows are measured whose name has PART in it: see nameOf. Each row's result is compared once, byte by byte.
#include "gpu-bench.h"

#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

std::string formatted(const char* format, double first, double second = 0, double third = 0) {
  char text[160];
  std::snprintf(text, sizeof text, format, first, second, third);
  return text;
}

const char* directionOf(const Row& row) { return row.isDecode ? "decode" : "encode"; }

/** As CUDA counts versions. */
std::string versionText(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

void printDevice(const Report& report, const Device& device) {
  int driver = 0;
  int runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  const std::string memory = formatted("%.1f", static_cast<double>(device.memoryBytes) / (1 << 30));
  const std::string& commit = report.options().commit;
  report.print(device.name + ", " + memory + " GiB, driver for CUDA " + versionText(driver) + ", runtime " +
                   versionText(runtime) + ", commit " + commit,
               "\"kind\":\"device\",\"name\":\"" + device.name + "\",\"memoryGib\":" + memory + ",\"driver\":\"" +
                   versionText(driver) + "\",\"runtime\":\"" + versionText(runtime) + "\",\"commit\":\"" + commit + "\"");
  report.print("GB/s of raw bytes, 10^9 per second: the median of " + std::to_string(repetitions) +
               " repetitions after " + std::to_string(warmUps) + " for nothing (slowest - fastest)");
}

bool parseOptions(int count, char** arguments, Options& options) {
  for (int index = 1; index < count; index++) {
    const bool hasValue = index + 1 < count;
    if (std::strcmp(arguments[index], "--json") == 0)
      options.isJson = true;
    else if (std::strcmp(arguments[index], "--device") == 0 && hasValue)
      options.device = std::atoi(arguments[++index]);
    else if (std::strcmp(arguments[index], "--commit") == 0 && hasValue)
      options.commit = arguments[++index];
    else if (std::strcmp(arguments[index], "--rows") == 0 && hasValue)
      options.rows = arguments[++index];
    else
      return false;
  }
  return true;
}

}  // namespace

Rates measure(size_t bytes, const std::function<double()>& run) {
  for (int index = 0; index < warmUps; index++) run();
  std::vector<double> rates;
  for (int index = 0; index < repetitions; index++) rates.push_back(static_cast<double>(bytes) / run() / 1e9);
  std::sort(rates.begin(), rates.end());
  return {rates[repetitions / 2], rates.front(), rates.back()};
}

std::string nameOf(const Weights& weights, const Row& row) {
  return std::string(directionOf(row)) + "-" + weights.element + (weights.profile == Profile::fast ? "-fast" : "") + "-" +
         (row.place == Place::device ? "device" : "host" + std::to_string(row.threads)) + "-" + std::to_string(row.chunks);
}

void Report::print(const std::string& text, const std::string& json) const {
  std::printf("%s\n", text.c_str());
  if (options_.isJson && !json.empty()) std::printf("{%s}\n", json.c_str());
  std::fflush(stdout);
}

void Report::printRow(const Weights& weights, const Row& row) const {
  const bool isDevice = row.place == Place::device;
  const std::string name = weights.element + (weights.profile == Profile::fast ? " fast" : "");
  const std::string threads = std::to_string(row.threads) + (row.threads == 1 ? " thread" : " threads");
  const std::string place = isDevice ? "device" : "host, " + threads;
  const double share = row.rates.median / (isDevice ? copyRate : row.isDecode ? copyOutRate : copyInRate);
  char text[200];
  std::snprintf(text, sizeof text, "%s %-9s %-15s chunks %3zu  GB/s %7.1f (%.1f - %.1f)  ratio %.3f  %5.1f %% of a copy",
                directionOf(row), name.c_str(), place.c_str(), row.chunks, row.rates.median, row.rates.slowest,
                row.rates.fastest, weights.ratio(), 100 * share);
  print(text, "\"kind\":\"" + std::string(directionOf(row)) + "\",\"place\":\"" + (isDevice ? "device" : "host") +
                  "\",\"element\":\"" + weights.element + "\",\"profile\":\"" +
                  (weights.profile == Profile::fast ? "fast" : "rans") + "\",\"threads\":" + std::to_string(row.threads) +
                  ",\"chunks\":" + std::to_string(row.chunks) + ",\"chunkBytes\":" + std::to_string(chunkBytes) +
                  ",\"repetitions\":" + std::to_string(repetitions) +
                  formatted(",\"gbPerSec\":%.3f,\"slowest\":%.3f,\"fastest\":%.3f", row.rates.median, row.rates.slowest,
                            row.rates.fastest) +
                  formatted(",\"ratio\":%.4f,\"shareOfCopy\":%.4f", weights.ratio(), share));
}

void Report::fail(const std::string& what) {
  hasFailed_ = true;
  print("failed: " + what, "\"kind\":\"failure\"");
}

int main(int count, char** arguments) {
  Options options;
  if (!parseOptions(count, arguments, options)) {
    std::fprintf(stderr, "usage: gpu_bench [--json] [--device INDEX] [--commit NAME] [--rows PART]\n");
    return 2;
  }
  const Devices devices = findDevices();
  const auto isWanted = [&](const Device& device) { return device.index == options.device; };
  const auto device = std::find_if(devices.found.begin(), devices.found.end(), isWanted);
  if (device == devices.found.end()) {
    const std::string reason = devices.found.empty() ? devices.reason : "there is no GPU " + std::to_string(options.device);
    std::printf("skipped: no GPU (%s)\n", reason.c_str());
    return 0;
  }
  Report report(options);
  std::string reason;
  const std::unique_ptr<Backend> backend = openDevice(device->index, reason);
  if (backend == nullptr) {
    report.fail(reason);
    return 1;
  }
  printDevice(report, *device);
  measureCopies(report);
  for (size_t index = 0; index < weightsCount && !report.hasFailed(); index++) {
    const Weights weights = makeWeights(index);
    measureKernels(report, *backend, weights);
    if (weights.hint == Element::bf16) measureHost(report, weights);
  }
  return report.hasFailed() ? 1 : 0;
}
