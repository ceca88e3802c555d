#include "addon/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace swarm {

Napi::Value limitUnsent(const Napi::CallbackInfo& info) {
  constexpr int64_t bytesMax = int64_t{1} << 30;
  const int64_t bytes = info[1].IsNumber() ? info[1].As<Napi::Number>().Int64Value() : 0;
  if (!info[0].IsNumber() || bytes < 1 || bytes > bytesMax) {
    Napi::TypeError::New(info.Env(), "expected a descriptor and 1 byte to 1 GiB").ThrowAsJavaScriptException();
    return {};
  }
#ifdef TCP_NOTSENT_LOWAT
  const int value = static_cast<int>(bytes);
  const int descriptor = info[0].As<Napi::Number>().Int32Value();
  const int result = setsockopt(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, sizeof value);
  return Napi::Number::New(info.Env(), result == 0 ? 0 : errno);
#else
  return Napi::Number::New(info.Env(), ENOPROTOOPT);
#endif
}

}  // namespace swarm
