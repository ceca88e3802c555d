// What CodecPool does with GPUs: taking them into use, and handing chunks to them.
#include <cstring>
#include <optional>

#include "addon/codec-pool.h"
#include "format/parse.h"

namespace swarm {

namespace {

/** Opens devices off the JavaScript thread: that takes up to seconds. */
class Opener : public Napi::AsyncWorker {
 public:
  using Opened = std::function<void(std::vector<std::unique_ptr<gpu::Backend>>)>;

  Opener(Napi::Env env, std::optional<gpu::HostFault> standIn, uint32_t queues, Opened opened)
      : AsyncWorker(env), deferred_(env), standIn_(standIn), queues_(queues), opened_(std::move(opened)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    if (standIn_) {
      for (uint32_t queue = 0; queue < queues_; queue++) backends_.push_back(gpu::openHostBackend(*standIn_));
      return;
    }
    const gpu::Devices devices = gpu::findDevices();
    reason_ = devices.found.empty() ? devices.reason : "";
    for (const gpu::Device& device : devices.found) {
      for (uint32_t queue = 0; queue < queues_; queue++) {
        std::unique_ptr<gpu::Backend> backend = gpu::openDevice(device.index, reason_);
        if (backend == nullptr) return;
        backends_.push_back(std::move(backend));
      }
    }
  }

  void OnOK() override {
    if (!reason_.empty()) backends_.clear();
    opened_(std::move(backends_));
    deferred_.Resolve(Napi::String::New(Env(), reason_));
  }

 private:
  Napi::Promise::Deferred deferred_;
  const std::optional<gpu::HostFault> standIn_;
  const uint32_t queues_;
  const Opened opened_;
  std::vector<std::unique_ptr<gpu::Backend>> backends_;
  std::string reason_;
};

}  // namespace

/**
 * attach(standIn, queues, batchBytes, limitMillis): takes all GPUs into use, each with as many queues. For tests the processor
 * stands in for one: `standIn` is [batches, refuses], after how many batches it fails, or refuses all chunks. Resolves with
 * why nothing could be taken into use, or "".
 */
Napi::Value CodecPool::attach(const Napi::CallbackInfo& info) {
  std::optional<gpu::HostFault> standIn;
  if (info[0].IsArray()) {
    const auto fields = info[0].As<Napi::Array>();
    const bool refuses = fields.Get(uint32_t{1}).ToBoolean();
    standIn = {fields.Get(uint32_t{0}).ToNumber().Uint32Value(),
               refuses ? gpu::HostFault::Kind::refusesAll : gpu::HostFault::Kind::fails};
  }
  const uint32_t queues = info[1].As<Napi::Number>().Uint32Value();
  const auto batchBytes = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
  const auto limit = std::chrono::milliseconds(info[3].As<Napi::Number>().Int64Value());
  Ref();
  const auto opened = [this, batchBytes, limit](std::vector<std::unique_ptr<gpu::Backend>> backends) {
    if (workers_ != nullptr && devices_ == nullptr && !backends.empty())
      devices_ = std::make_unique<DevicePool>(*workers_, path_, std::move(backends), batchBytes, limit);
    Unref();
  };
  auto* const opener = new Opener(info.Env(), standIn, queues, opened);
  const Napi::Promise promise = opener->promise();
  opener->Queue();
  return promise;
}

/** retire(): the processor does everything from now on. */
Napi::Value CodecPool::retire(const Napi::CallbackInfo& info) {
  if (devices_ != nullptr) devices_->retire("");
  return info.Env().Undefined();
}

/** Hands an ans chunk to the devices. False when that is not possible, or it is another chunk. */
bool CodecPool::submitDecode(Job* job, ByteSpan encoded, MutableSpan raw) {
  ChunkHeader header;
  if (parseHeader(encoded, header) != Status::ok || header.codec != ChunkCodec::ans || header.rawBytes != raw.size)
    return false;
  if (pending_.size() >= queueMax_) return false;
  DevicePool* const devices = devices_.get();
  const DoneSignal done = done_;
  const auto finish = [job, done, devices, encoded, raw](Workspace& workspace, const DeviceResult& decoded) {
    settleWith(job, done, [&] {
      if (decoded.bytes != nullptr) {
        if (job->ranges.empty()) std::memcpy(raw.data, decoded.bytes, raw.size);
        return writeRanges(*job, Status::ok, {decoded.bytes, raw.size});
      }
      const Status status = swarm::decode(encoded, raw, workspace);
      if (decoded.isRefused && status == Status::ok) devices->retire("it refused a chunk that is right");
      return writeRanges(*job, status, readOnly(raw));
    });
  };
  return devices->submit({false, encoded, raw.size, Element::unknown, Profile::rans, finish});
}

/** Has a worker read the chunk from its files, if it comes from there, and hand it to the devices. False when that is not possible. */
bool CodecPool::submitEncode(Job* job, const DeviceTask& task, MutableSpan out) {
  if (pending_.size() >= queueMax_) return false;
  DevicePool* const devices = devices_.get();
  const DoneSignal done = done_;
  const MutableSpan raw = {const_cast<uint8_t*>(task.input.data), task.input.size};
  const auto onProcessor = [task, out](Workspace& workspace) {
    return encodedResult(encodeAns(task.input, task.hint, task.profile, out, workspace));
  };
  DeviceTask full = task;
  full.finish = [job, done, out, onProcessor](Workspace& workspace, const DeviceResult& encoded) {
    settleWith(job, done, [&] {
      if (encoded.bytes == nullptr) return onProcessor(workspace);
      std::memcpy(out.data, encoded.bytes, encoded.encoded.encodedBytes);
      return encodedResult(encoded.encoded);
    });
  };
  return workers_->submit([job, done, devices, full, raw, onProcessor](Workspace& workspace) {
    const JobResult read = readRanges(*job, raw);
    if (read.status != Status::ok) return settleWith(job, done, [&] { return read; });
    if (!devices->submit(full)) settleWith(job, done, [&] { return onProcessor(workspace); });
  });
}

}  // namespace swarm
