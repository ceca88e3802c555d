// The addon's ChaCha20-Poly1305, for whoever encrypts frames.

import { loadAddon, type NativeAead } from './load-addon.ts'

/**
 * Makes a cipher for a key of 32 bytes; undefined where Node does not let others call its OpenSSL. Throws `internal` when the
 * addon is missing.
 */
export function openFrameCipher(): ((key: Uint8Array) => NativeAead) | undefined {
  const { Aead } = loadAddon()
  return Aead === undefined ? undefined : (key) => new Aead(key)
}
