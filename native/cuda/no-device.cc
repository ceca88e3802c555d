// In place of cuda-backend.cu where there is no CUDA compiler.
#include "cuda/backend.h"

namespace swarm::gpu {

namespace {

constexpr const char* reasonText = "this build has no CUDA (no nvcc was found when it was compiled)";

}  // namespace

Devices findDevices() { return {{}, reasonText}; }

std::unique_ptr<Backend> openDevice(int, std::string& reason) {
  reason = reasonText;
  return nullptr;
}

}  // namespace swarm::gpu
