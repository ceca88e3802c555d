#include "addon/file-system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace swarm {

namespace {

/** Runs on Node's thread pool: a sync can take seconds and needs no codec thread. */
class SyncWorker : public Napi::AsyncWorker {
 public:
  SyncWorker(Napi::Env env, int descriptor)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), descriptor_(descriptor) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
#ifdef __linux__
    error_ = syncfs(descriptor_) == 0 ? 0 : errno;
#else
    error_ = fsync(descriptor_) == 0 ? 0 : errno;
#endif
  }

  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), error_)); }

 private:
  Napi::Promise::Deferred deferred_;
  const int descriptor_;
  int error_ = 0;
};

}  // namespace

Napi::Value setModifiedTime(const Napi::CallbackInfo& info) {
  if (info.Length() != 3 || !info[0].IsTypedArray() || !info[1].IsNumber() || !info[2].IsNumber()) {
    Napi::TypeError::New(info.Env(), "expected (Uint8Array, number, number)").ThrowAsJavaScriptException();
    return {};
  }
  const auto bytes = info[0].As<Napi::Uint8Array>();
  const std::string path(reinterpret_cast<const char*>(bytes.Data()), bytes.ElementLength());
  timespec times[2] = {};
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_sec = static_cast<time_t>(info[1].As<Napi::Number>().Int64Value());
  times[1].tv_nsec = static_cast<long>(info[2].As<Napi::Number>().Int64Value());
  const int result = utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
  return Napi::Number::New(info.Env(), result == 0 ? 0 : errno);
}

Napi::Value syncFileSystem(const Napi::CallbackInfo& info) {
  if (info.Length() != 1 || !info[0].IsNumber()) {
    Napi::TypeError::New(info.Env(), "expected a descriptor").ThrowAsJavaScriptException();
    return {};
  }
  auto* worker = new SyncWorker(info.Env(), info[0].As<Napi::Number>().Int32Value());
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace swarm
