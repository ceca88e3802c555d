#include "addon/data-plane.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "addon/byte-arguments.h"
#include "addon/openssl.h"

namespace swarm {

namespace {

constexpr double threadsMax = 64;
constexpr size_t eventFields = 4;

bool isUint32(const Napi::Value& value) {
  if (!value.IsNumber()) return false;
  const double number = value.As<Napi::Number>().DoubleValue();
  return number >= 0 && number <= UINT32_MAX && std::floor(number) == number;
}

uint32_t toUint32(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }

Napi::Value refuse(Napi::Env env, const char* message) {
  Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
  return {};
}

/** A descriptor of our own for the same socket, or -1 and errno. */
int duplicate(int descriptor) {
  const int own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return own;
  fcntl(own, F_SETFL, fcntl(own, F_GETFL) | O_NONBLOCK);
  return own;
}

}  // namespace

Napi::Value DataPlane::define(Napi::Env env) {
  if (!DataLane::isSupported() || !hasOpenSsl()) return env.Undefined();
  return DefineClass(env, "DataPlane",
                     {InstanceMethod<&DataPlane::add>("add"), InstanceMethod<&DataPlane::expect>("expect"),
                      InstanceMethod<&DataPlane::forget>("forget"), InstanceMethod<&DataPlane::send>("send"),
                      InstanceMethod<&DataPlane::cancel>("cancel"), InstanceMethod<&DataPlane::counters>("counters"),
                      InstanceMethod<&DataPlane::remove>("remove"), InstanceMethod<&DataPlane::close>("close")});
}

DataPlane::DataPlane(const Napi::CallbackInfo& info) : ObjectWrap(info), environment_(info.Env()) {
  const double threads = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : 0;
  if (!(threads >= 1 && threads <= threadsMax) || !info[1].IsFunction()) {
    Napi::TypeError::New(info.Env(), "expected 1 to 64 threads and a function").ThrowAsJavaScriptException();
    return;
  }
  wake_ = WakeSignal::New(info.Env(), info[1].As<Napi::Function>(), "swarm data", 0, 1, this);
  wake_.Unref(info.Env());
  events_ = std::make_unique<DataEvents>([this] { wake_.NonBlockingCall(); });
  for (size_t index = 0; index < static_cast<size_t>(threads); index++) {
    auto lane = std::make_unique<DataLane>(*events_);
    // A limit on threads: fewer are slower, not wrong.
    if (!lane->start()) break;
    lanes_.push_back(std::move(lane));
  }
  if (lanes_.empty()) {
    wake_.Release();
    Napi::Error::New(info.Env(), "no thread could be started").ThrowAsJavaScriptException();
    return;
  }
  napi_add_env_cleanup_hook(environment_, onEnvironmentEnd, this);
}

DataPlane::~DataPlane() {
  if (lanes_.empty()) return;
  endThreads();
  napi_remove_env_cleanup_hook(environment_, onEnvironmentEnd, this);
  wake_.Release();
}

void DataPlane::onEnvironmentEnd(void* data) {
  auto* plane = static_cast<DataPlane*>(data);
  plane->endThreads();
}

void DataPlane::endThreads() {
  for (auto& [number, held] : held_) held.connection->abandon();
  lanes_.clear();
  held_.clear();
}

/** add(descriptor, sealKey, openKey, hello): its number, or the negative errno. The caller closes its own descriptor. */
Napi::Value DataPlane::add(const Napi::CallbackInfo& info) {
  Bytes sealKey;
  Bytes openKey;
  Bytes hello;
  if (!isUint32(info[0]) || !takeBytes(info[1], sealKey) || !takeBytes(info[2], openKey) || !takeBytes(info[3], hello) ||
      sealKey.size != aeadKeyBytes || openKey.size != aeadKeyBytes)
    return refuse(info.Env(), "expected a descriptor, two keys of 32 bytes and a hello");
  if (lanes_.empty()) return refuse(info.Env(), "the plane is closed");
  const int descriptor = duplicate(info[0].As<Napi::Number>().Int32Value());
  if (descriptor < 0) return Napi::Number::New(info.Env(), -errno);
  uint8_t keys[2][aeadKeyBytes];
  std::memcpy(keys[0], sealKey.data, aeadKeyBytes);
  std::memcpy(keys[1], openKey.data, aeadKeyBytes);
  const uint32_t number = next_++;
  auto connection = std::make_shared<DataConnection>(number, descriptor, keys[0], keys[1],
                                                     std::vector<uint8_t>(hello.data, hello.data + hello.size));
  const auto idlest = std::min_element(lanes_.begin(), lanes_.end(),
                                       [](const auto& one, const auto& other) { return one->load() < other->load(); });
  held_.emplace(number, Held{connection, idlest->get(), {}, {}});
  (*idlest)->add(std::move(connection));
  return Napi::Number::New(info.Env(), number);
}

/** expect(connection, id, offset, into): whether an answer may come there. */
Napi::Value DataPlane::expect(const Napi::CallbackInfo& info) {
  Held* const held = find(info, 3);
  Bytes into;
  if (held == nullptr || !takeBytes(info[3], into)) return refuse(info.Env(), "expected three numbers and bytes");
  const uint32_t id = toUint32(info[1]);
  const bool isExpected = held->connection->expect(id, toUint32(info[2]), into.data, into.size);
  if (isExpected) held->incoming.emplace(id, Napi::Persistent(info[3].As<Napi::Object>()));
  return Napi::Boolean::New(info.Env(), isExpected);
}

/** forget(connection, id): the bytes that came, -1 when `complete` was reported or none was expected. */
Napi::Value DataPlane::forget(const Napi::CallbackInfo& info) {
  Held* const held = find(info, 2);
  if (held == nullptr) return refuse(info.Env(), "expected two numbers");
  const int64_t received = held->connection->forget(toUint32(info[1]));
  if (received >= 0) held->incoming.erase(toUint32(info[1]));
  return Napi::Number::New(info.Env(), static_cast<double>(received));
}

/** send(connection, id, offset, bytes, isShort): false when the connection has ended. */
Napi::Value DataPlane::send(const Napi::CallbackInfo& info) {
  Held* const held = find(info, 3);
  Bytes bytes;
  if (held == nullptr || !takeBytes(info[3], bytes)) return refuse(info.Env(), "expected three numbers and bytes");
  const uint32_t id = toUint32(info[1]);
  // A second answer to one request would take the reference of the first.
  if (held->outgoing.count(id) > 0) return refuse(info.Env(), "an answer with this id is on its way");
  if (!held->connection->send(id, toUint32(info[2]), bytes.data, bytes.size, info[4].ToBoolean()))
    return Napi::Boolean::New(info.Env(), false);
  held->outgoing.emplace(id, Napi::Persistent(info[3].As<Napi::Object>()));
  held->lane->wake(held->connection);
  return Napi::Boolean::New(info.Env(), true);
}

/** cancel(connection, id): whether it was stopped; if not, `sent` or `ended` will come, or has. */
Napi::Value DataPlane::cancel(const Napi::CallbackInfo& info) {
  Held* const held = find(info, 2);
  if (held == nullptr) return refuse(info.Env(), "expected two numbers");
  const bool isStopped = held->connection->cancel(toUint32(info[1]));
  if (isStopped) held->outgoing.erase(toUint32(info[1]));
  return Napi::Boolean::New(info.Env(), isStopped);
}

/** counters(connection): bytes received, wasted, sent and waiting. */
Napi::Value DataPlane::counters(const Napi::CallbackInfo& info) {
  Held* const held = find(info, 1);
  if (held == nullptr) return refuse(info.Env(), "expected a connection");
  const DataCounters counters = held->connection->counters();
  auto result = Napi::Float64Array::New(info.Env(), 4);
  if (result.IsEmpty() || result.Data() == nullptr) return result;
  result[0] = static_cast<double>(counters.received);
  result[1] = static_cast<double>(counters.wasted);
  result[2] = static_cast<double>(counters.sent);
  result[3] = static_cast<double>(counters.waiting);
  return result;
}

/** remove(connection): closes it. Nothing more is reported of it, and its buffers are free. */
Napi::Value DataPlane::remove(const Napi::CallbackInfo& info) {
  Held* const held = find(info, 1);
  if (held == nullptr) return refuse(info.Env(), "expected a connection");
  held->connection->abandon();
  held->lane->remove(held->connection);
  held_.erase(toUint32(info[0]));
  return info.Env().Undefined();
}

/** close(): removes all connections and ends the threads. */
Napi::Value DataPlane::close(const Napi::CallbackInfo& info) {
  if (!lanes_.empty()) {
    endThreads();
    napi_remove_env_cleanup_hook(environment_, onEnvironmentEnd, this);
    wake_.Release();
  }
  return info.Env().Undefined();
}

DataPlane::Held* DataPlane::find(const Napi::CallbackInfo& info, size_t numbers) {
  for (size_t index = 0; index < numbers; index++)
    if (!isUint32(info[index])) return nullptr;
  const auto found = held_.find(toUint32(info[0]));
  return found == held_.end() ? nullptr : &found->second;
}

void DataPlane::onWake(Napi::Env env, Napi::Function callback, DataPlane* plane, void*) {
  // Without an environment Node is only emptying its queue.
  if (static_cast<napi_env>(env) != nullptr) plane->report(env, callback);
}

void DataPlane::report(Napi::Env env, Napi::Function callback) {
  std::vector<DataEvent> events = events_->take();
  // JavaScript has forgotten a connection that it removed, and its buffers with it.
  const auto isOver = [this](const DataEvent& event) { return held_.count(event.connection) == 0; };
  events.erase(std::remove_if(events.begin(), events.end(), isOver), events.end());
  if (events.empty()) return;
  auto numbers = Napi::Float64Array::New(env, events.size() * eventFields);
  // A worker that is being terminated grants no memory and runs no JavaScript; all is given back when our cleanup hook comes.
  if (numbers.IsEmpty() || numbers.Data() == nullptr) return;
  size_t position = 0;
  for (const DataEvent& event : events) {
    Held& held = held_.at(event.connection);
    if (event.kind == DataEventKind::complete) {
      held.connection->told(event.id);
      held.incoming.erase(event.id);
    }
    if (event.kind == DataEventKind::sent) held.outgoing.erase(event.id);
    if (event.kind == DataEventKind::ended) {
      held.incoming.clear();
      held.outgoing.clear();
    }
    numbers[position++] = static_cast<double>(event.kind);
    numbers[position++] = event.connection;
    numbers[position++] = event.id;
    numbers[position++] = event.amount;
  }
  callback.Call({numbers});
}

}  // namespace swarm
