// The JavaScript class CodecPool: jobs go from the JavaScript thread to workers and come back as settled promises.
//
// Lifetimes, the part that bites:
// - A job keeps references to the buffers it uses, and the pool to itself, until the job's promise is settled.
// - The thread-safe function is referenced, and so keeps the process alive, only while jobs are pending.
// - When the environment ends first (process.exit, worker.terminate), our cleanup hook joins the threads before Node frees
//   the memory that they write to. It was registered after the thread-safe function, so it runs before that one's own hook.
#pragma once

#include <napi.h>

#include <memory>
#include <unordered_map>

#include "addon/codec-job.h"
#include "addon/device-pool.h"

namespace swarm {

class CodecPool : public Napi::ObjectWrap<CodecPool> {
 public:
  static Napi::Function define(Napi::Env env);

  /** JavaScript: new CodecPool(threads, queueMax, path), one of the paths that the addon lists. */
  explicit CodecPool(const Napi::CallbackInfo& info);
  ~CodecPool() override;

 private:
  static void onDone(Napi::Env env, Napi::Function callback, CodecPool* pool, Job* job);
  using DoneSignal = Napi::TypedThreadSafeFunction<CodecPool, Job, &CodecPool::onDone>;
  static void onEnvironmentEnd(void* pool);

  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value encode(const Napi::CallbackInfo& info);
  Napi::Value seal(const Napi::CallbackInfo& info);
  Napi::Value decode(const Napi::CallbackInfo& info);
  Napi::Value finish(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  Napi::Value threads(const Napi::CallbackInfo& info);
  Napi::Value attach(const Napi::CallbackInfo& info);
  Napi::Value retire(const Napi::CallbackInfo& info);

  Napi::Value submit(Napi::Env env, std::unique_ptr<Job> job);
  Napi::Value hold(Napi::Env env, std::unique_ptr<Job> job);
  bool submitDecode(Job* job, ByteSpan encoded, MutableSpan raw);
  bool submitEncode(Job* job, const DeviceTask& task, MutableSpan out);
  void endThreads();
  void settle(Napi::Env env, Job* job);

  napi_env environment_;
  CodePath path_ = CodePath::scalar;
  size_t queueMax_ = 0;
  std::unique_ptr<WorkerPool> workers_;
  /** Null until devices are attached. */
  std::unique_ptr<DevicePool> devices_;
  DoneSignal done_;
  std::unordered_map<Job*, std::unique_ptr<Job>> pending_;
};

}  // namespace swarm
