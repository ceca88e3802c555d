// The JavaScript class DataPlane: data connections on threads of their own, which JavaScript tells what to expect and what to send.
//
// Lifetimes: a buffer is referenced from `expect` or `send` until JavaScript has been told that it is done with, has given it up, or
// the connection is gone. When the environment ends first, our cleanup hook joins the threads before Node frees the buffers.
#pragma once

#include <napi.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "addon/data-lane.h"

namespace swarm {

class DataPlane : public Napi::ObjectWrap<DataPlane> {
 public:
  /** Undefined where there are no data connections. */
  static Napi::Value define(Napi::Env env);

  /** JavaScript: new DataPlane(threads, onEvents), the latter called with four numbers for each event. */
  explicit DataPlane(const Napi::CallbackInfo& info);
  ~DataPlane() override;

 private:
  static void onWake(Napi::Env env, Napi::Function callback, DataPlane* plane, void* nothing);
  using WakeSignal = Napi::TypedThreadSafeFunction<DataPlane, void, &DataPlane::onWake>;
  static void onEnvironmentEnd(void* plane);

  struct Held {
    std::shared_ptr<DataConnection> connection;
    DataLane* lane;
    std::unordered_map<uint32_t, Napi::ObjectReference> incoming;
    std::unordered_map<uint32_t, Napi::ObjectReference> outgoing;
  };

  Napi::Value add(const Napi::CallbackInfo& info);
  Napi::Value expect(const Napi::CallbackInfo& info);
  Napi::Value forget(const Napi::CallbackInfo& info);
  Napi::Value send(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value counters(const Napi::CallbackInfo& info);
  Napi::Value remove(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  /** The connection that the first argument names; null, and a TypeError pending, when the numbers given are none. */
  Held* find(const Napi::CallbackInfo& info, size_t numbers);
  void report(Napi::Env env, Napi::Function callback);
  void endThreads();

  napi_env environment_;
  WakeSignal wake_;
  std::unique_ptr<DataEvents> events_;
  std::vector<std::unique_ptr<DataLane>> lanes_;
  std::unordered_map<uint32_t, Held> held_;
  uint32_t next_ = 1;
};

}  // namespace swarm
