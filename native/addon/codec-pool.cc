// Argument checks, the work of each kind of job, and the way back to JavaScript.
#include "addon/codec-pool.h"

#include <cmath>
#include <cstring>
#include <new>
#include <optional>
#include <string>

#include "format/layout.h"

namespace swarm {

namespace {

constexpr double offsetMax = 9007199254740992.0;  // 2^53
constexpr size_t rangeFields = 4;

/** Arguments of one call. After the first wrong one, `failed` is set and a TypeError is pending. */
class Arguments {
 public:
  Arguments(const Napi::CallbackInfo& info, Job& job) : info_(info), job_(job) {}

  MutableSpan bytes(size_t index) {
    const Napi::Value value = info_[index];
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
      fail("expected a Uint8Array");
      return {nullptr, 0};
    }
    auto array = value.As<Napi::Uint8Array>();
    job_.buffers.push_back(Napi::Persistent(value.As<Napi::Object>()));
    return {array.Data(), array.ElementLength()};
  }

  uint32_t number(size_t index, uint32_t max) {
    const double value = info_[index].IsNumber() ? info_[index].As<Napi::Number>().DoubleValue() : -1;
    if (value >= 0 && value <= max && std::floor(value) == value) return static_cast<uint32_t>(value);
    fail("number out of range");
    return 0;
  }

  /** Flat list of fd, file offset, length, raw offset; every range lies inside `raw`. */
  void ranges(size_t index, MutableSpan raw) {
    const Napi::Value value = info_[index];
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float64_array)
      return fail("expected a Float64Array");
    const auto array = value.As<Napi::Float64Array>();
    const size_t count = array.ElementLength() / rangeFields;
    for (size_t range = 0; range < count; range++) {
      const double* fields = array.Data() + range * rangeFields;
      for (size_t field = 0; field < rangeFields; field++)
        if (!(fields[field] >= 0 && fields[field] < offsetMax)) return fail("range field out of range");
      if (fields[0] > INT32_MAX || fields[2] + fields[3] > static_cast<double>(raw.size))
        return fail("range outside the chunk");
      job_.ranges.push_back({static_cast<int>(fields[0]), static_cast<uint64_t>(fields[1]),
                             static_cast<size_t>(fields[2]), static_cast<size_t>(fields[3])});
    }
  }

  bool failed() const { return failed_; }

 private:
  void fail(const char* message) {
    if (!failed_) Napi::TypeError::New(info_.Env(), message).ThrowAsJavaScriptException();
    failed_ = true;
  }

  const Napi::CallbackInfo& info_;
  Job& job_;
  bool failed_ = false;
};

std::optional<CodePath> availablePath(const std::string& name) {
  for (const CodePath path : allPaths)
    if (name == pathName(path) && isAvailable(path)) return path;
  return std::nullopt;
}

}  // namespace

Napi::Function CodecPool::define(Napi::Env env) {
  return DefineClass(env, "CodecPool",
                     {InstanceMethod("read", &CodecPool::read), InstanceMethod("encode", &CodecPool::encode),
                      InstanceMethod("seal", &CodecPool::seal), InstanceMethod("decode", &CodecPool::decode),
                      InstanceMethod("finish", &CodecPool::finish), InstanceMethod("attach", &CodecPool::attach),
                      InstanceMethod("retire", &CodecPool::retire),
                      InstanceMethod("close", &CodecPool::close), InstanceMethod("threads", &CodecPool::threads)});
}

CodecPool::CodecPool(const Napi::CallbackInfo& info) : ObjectWrap(info), environment_(info.Env()) {
  const double threads = info[0].ToNumber().DoubleValue();
  const double queueMax = info[1].ToNumber().DoubleValue();
  if (!(threads >= 1 && threads <= 1024 && queueMax >= 1 && queueMax <= 65536)) {
    Napi::TypeError::New(info.Env(), "threads or queueMax out of range").ThrowAsJavaScriptException();
    return;
  }
  const std::optional<CodePath> path = availablePath(info[2].ToString());
  if (!path) {
    Napi::TypeError::New(info.Env(), "no such code path here").ThrowAsJavaScriptException();
    return;
  }
  path_ = *path;
  queueMax_ = static_cast<size_t>(queueMax);
  workers_ = std::make_unique<WorkerPool>(static_cast<size_t>(threads), queueMax_, path_);
  if (workers_->threadCount() == 0) {
    workers_.reset();
    Napi::Error::New(info.Env(), "no thread could be started").ThrowAsJavaScriptException();
    return;
  }
  done_ = DoneSignal::New(info.Env(), "swarm codec", 0, 1, this);
  done_.Unref(info.Env());
  napi_add_env_cleanup_hook(environment_, onEnvironmentEnd, this);
}

CodecPool::~CodecPool() {
  if (workers_ == nullptr) return;
  endThreads();
  napi_remove_env_cleanup_hook(environment_, onEnvironmentEnd, this);
  done_.Release();
}

void CodecPool::onEnvironmentEnd(void* data) {
  auto* pool = static_cast<CodecPool*>(data);
  pool->endThreads();
  pool->pending_.clear();
}

/** Devices first: their threads wait for workers. They go last, because workers ask them. */
void CodecPool::endThreads() {
  if (devices_ != nullptr) devices_->stop();
  workers_.reset();
  devices_.reset();
}

Napi::Value CodecPool::read(const Napi::CallbackInfo& info) {
  auto job = std::make_unique<Job>(info.Env());
  Arguments arguments(info, *job);
  const MutableSpan raw = arguments.bytes(1);
  arguments.ranges(0, raw);
  if (arguments.failed()) return {};
  job->run = [raw](const Job& self, Workspace&) { return readRanges(self, raw); };
  return submit(info.Env(), std::move(job));
}

/** encode(ranges, raw, out, codec, hint, level, onDevice): reads the ranges first, if there are any. */
Napi::Value CodecPool::encode(const Napi::CallbackInfo& info) {
  auto job = std::make_unique<Job>(info.Env());
  Arguments arguments(info, *job);
  const MutableSpan raw = arguments.bytes(1);
  const MutableSpan out = arguments.bytes(2);
  const bool ans = arguments.number(3, 1) == static_cast<uint32_t>(ChunkCodec::ans);
  const auto hint = static_cast<Element>(arguments.number(4, static_cast<uint32_t>(Element::fp32)));
  const auto profile = static_cast<Profile>(arguments.number(5, ansLevelMax));
  arguments.ranges(0, raw);
  if (arguments.failed()) return {};
  const DeviceTask task = {true, readOnly(raw), raw.size, hint, profile, nullptr};
  if (info[6].ToBoolean() && ans && devices_ != nullptr && submitEncode(job.get(), task, out)) return hold(info.Env(), std::move(job));
  job->run = [raw, out, ans, hint, profile](const Job& self, Workspace& workspace) {
    const JobResult read = readRanges(self, raw);
    if (read.status != Status::ok) return read;
    if (!ans) return encodedResult(encodeRaw(readOnly(raw), out));
    return encodedResult(encodeAns(readOnly(raw), hint, profile, out, workspace));
  };
  return submit(info.Env(), std::move(job));
}

/** seal(raw, frame, out, level) */
Napi::Value CodecPool::seal(const Napi::CallbackInfo& info) {
  auto job = std::make_unique<Job>(info.Env());
  Arguments arguments(info, *job);
  const MutableSpan raw = arguments.bytes(0);
  const MutableSpan frame = arguments.bytes(1);
  const MutableSpan out = arguments.bytes(2);
  const auto level = static_cast<uint8_t>(arguments.number(3, 255));
  if (arguments.failed()) return {};
  job->run = [raw, frame, out, level](const Job&, Workspace&) {
    return encodedResult(sealZstd(readOnly(raw), readOnly(frame), level, out));
  };
  return submit(info.Env(), std::move(job));
}

/** decode(encoded, raw, ranges, onDevice): writes to the ranges afterwards, if there are any; then `raw` may stay as it is. */
Napi::Value CodecPool::decode(const Napi::CallbackInfo& info) {
  auto job = std::make_unique<Job>(info.Env());
  Arguments arguments(info, *job);
  const MutableSpan encoded = arguments.bytes(0);
  const MutableSpan raw = arguments.bytes(1);
  arguments.ranges(2, raw);
  if (arguments.failed()) return {};
  if (info[3].ToBoolean() && devices_ != nullptr && submitDecode(job.get(), readOnly(encoded), raw)) return hold(info.Env(), std::move(job));
  job->run = [encoded, raw](const Job& self, Workspace& workspace) {
    return writeRanges(self, swarm::decode(readOnly(encoded), raw, workspace), readOnly(raw));
  };
  return submit(info.Env(), std::move(job));
}

/** finish(encoded, frameContent, raw, ranges) */
Napi::Value CodecPool::finish(const Napi::CallbackInfo& info) {
  auto job = std::make_unique<Job>(info.Env());
  Arguments arguments(info, *job);
  const MutableSpan encoded = arguments.bytes(0);
  const MutableSpan content = arguments.bytes(1);
  const MutableSpan raw = arguments.bytes(2);
  arguments.ranges(3, raw);
  if (arguments.failed()) return {};
  job->run = [encoded, content, raw](const Job& self, Workspace&) {
    return writeRanges(self, finishZstd(readOnly(encoded), readOnly(content), raw), readOnly(raw));
  };
  return submit(info.Env(), std::move(job));
}

/** close(): only once no job is pending. */
Napi::Value CodecPool::close(const Napi::CallbackInfo& info) {
  if (!pending_.empty()) {
    Napi::Error::New(info.Env(), "jobs are pending").ThrowAsJavaScriptException();
  } else if (workers_ != nullptr) {
    endThreads();
    napi_remove_env_cleanup_hook(environment_, onEnvironmentEnd, this);
    done_.Release();
  }
  return info.Env().Undefined();
}

Napi::Value CodecPool::threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), workers_ == nullptr ? 0 : static_cast<double>(workers_->threadCount()));
}

/** Keeps a job that was handed over until it is done. */
Napi::Value CodecPool::hold(Napi::Env env, std::unique_ptr<Job> job) {
  const Napi::Value promise = job->deferred.Promise();
  if (pending_.empty()) {
    Ref();
    done_.Ref(env);
  }
  Job* const key = job.get();
  pending_.emplace(key, std::move(job));
  return promise;
}

/** Hands the job to a worker. Undefined, and no promise, when the queue is full or the pool is closed. */
Napi::Value CodecPool::submit(Napi::Env env, std::unique_ptr<Job> job) {
  Job* const running = job.get();
  const DoneSignal done = done_;
  const bool accepted = workers_ != nullptr && workers_->submit([running, done](Workspace& workspace) {
    settleWith(running, done, [&] { return running->run(*running, workspace); });
  });
  if (!accepted) return env.Undefined();
  return hold(env, std::move(job));
}

void CodecPool::onDone(Napi::Env env, Napi::Function, CodecPool* pool, Job* job) {
  // Without an environment Node is only emptying its queue; the cleanup hook has already freed pool's jobs.
  if (static_cast<napi_env>(env) != nullptr) pool->settle(env, job);
}

void CodecPool::settle(Napi::Env env, Job* job) {
  const auto found = pending_.find(job);
  if (found == pending_.end()) return;
  const std::unique_ptr<Job> owned = std::move(found->second);
  pending_.erase(found);
  if (pending_.empty()) {
    done_.Unref(env);
    Unref();
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("status", static_cast<double>(owned->result.status));
  result.Set("error", static_cast<double>(owned->result.error));
  result.Set("rangeIndex", static_cast<double>(owned->result.rangeIndex));
  result.Set("encodedBytes", static_cast<double>(owned->result.encoded.encodedBytes));
  result.Set("codec", static_cast<double>(owned->result.encoded.codec));
  result.Set("floatSegments", static_cast<double>(owned->result.encoded.floatSegments));
  if (devices_ != nullptr) result.Set("deviceFault", devices_->takeFault());
  owned->deferred.Resolve(result);
}

}  // namespace swarm
