// Tests the kernels on every GPU of this machine against the scalar path: gpu_test [--quick] [--host] FOLDER, which holds the
// golden vectors. Prints one line per failed check and the number of those, or why it was skipped. Inputs are small with --quick.
// With --host the kernels run on the processor in place of a GPU, which tests this program.
#include "gpu-test.h"

#include <cstring>

namespace {

std::vector<TestedDevice> findTested(bool isHost, bool isQuick, std::string& reason) {
  if (isHost) return {{"the processor in place of a GPU", SIZE_MAX / 4, isQuick, [] { return openHostBackend(); }}};
  std::vector<TestedDevice> tested;
  const Devices devices = findDevices();
  reason = devices.reason;
  for (const Device& device : devices.found) {
    const auto open = [index = device.index] {
      std::string why;
      std::unique_ptr<Backend> backend = openDevice(index, why);
      if (backend == nullptr) fail("GPU " + std::to_string(index) + " opens: " + why);
      return backend;
    };
    tested.push_back({"GPU " + std::to_string(device.index) + ", " + device.name, device.memoryBytes, isQuick, open});
  }
  return tested;
}

void testDevice(const TestedDevice& device, const std::string& folder) {
  std::printf("%s\n", device.name.c_str());
  const auto step = [&](const char* what, const std::function<void()>& work) {
    // After some faults a device cannot be used again by the same process.
    if (device.open() == nullptr) return;
    const auto started = std::chrono::steady_clock::now();
    const int before = failures;
    work();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
    std::printf("  %s: %d failed, %.1f s\n", what, failures - before, seconds.count());
    std::fflush(stdout);
  };
  step("golden vectors", [&] { vectorsAreJudgedAlike(device, folder); });
  step("exact memory", [&] { memoryIsEnough(device); });
  step("all paths give the same", [&] { pathsGiveTheSame(device); });
  step("broken chunks", [&] { brokenChunksAreRefused(device); });
  step("growing batches", [&] { batchesGrow(device); });
}

}  // namespace

int main(int count, char** arguments) {
  bool isQuick = false;
  bool isHost = false;
  std::string folder;
  for (int index = 1; index < count; index++) {
    if (std::strcmp(arguments[index], "--quick") == 0)
      isQuick = true;
    else if (std::strcmp(arguments[index], "--host") == 0)
      isHost = true;
    else
      folder = arguments[index];
  }
  if (folder.empty()) {
    std::fprintf(stderr, "usage: gpu_test [--quick] [--host] FOLDER_OF_GOLDEN_VECTORS\n");
    return 2;
  }
  std::string reason;
  const std::vector<TestedDevice> tested = findTested(isHost, isQuick, reason);
  if (tested.empty()) {
    std::printf("skipped: no GPU (%s)\n", reason.c_str());
    return 0;
  }
  for (const TestedDevice& device : tested) testDevice(device, folder);
  std::printf("gpu_test: %d failed\n", failures);
  return failures == 0 ? 0 : 1;
}
