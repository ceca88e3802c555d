// What Node does not let one set on a socket.
#pragma once

#include <napi.h>

namespace swarm {

/**
 * limitUnsent(descriptor, bytes): how much the system takes of what a TCP socket cannot send yet (TCP_NOTSENT_LOWAT), from 1 byte to
 * 1 GiB. Synchronous; errno, 0 for success, ENOPROTOOPT where the system knows no such limit.
 */
Napi::Value limitUnsent(const Napi::CallbackInfo& info);

}  // namespace swarm
