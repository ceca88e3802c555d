// ChaCha20-Poly1305 (RFC 8439) with OpenSSL's code inside Node, for the frames of noise. Node's own crypto makes a context and two or
// three buffers for every frame; here a key's context stays, and the caller brings the memory.
#pragma once

#include <napi.h>

namespace swarm {

/**
 * The class `Aead`, or undefined where Node does not let others call its OpenSSL. All its calls are synchronous.
 *
 * new Aead(key): 32 bytes, copied.
 * seal(parts, nonce, ad, out): the parts one after the other, then the tag of 16 bytes, into `out`, which overlaps none of them.
 * open(parts, nonce, ad, out): the other way; `out` may be where the parts are, but for the tag. False, and zeros there, when the tag is wrong.
 */
Napi::Value defineAead(Napi::Env env);

}  // namespace swarm
