// What the addon does for connections: it encrypts their frames, and tells the system how much to queue.

import { loadAddon, type NativeAead } from './load-addon.ts'

export interface TransportCalls {
  /** Makes a cipher for a key of 32 bytes; undefined where Node does not let others call its OpenSSL. */
  readonly makeCipher: ((key: Uint8Array) => NativeAead) | undefined
  /**
   * How many bytes the system takes of what the TCP socket cannot send yet, 1 to 2^30. Whether that was possible. The descriptor must be
   * a socket's own, at this moment.
   */
  limitUnsent(descriptor: number, bytes: number): boolean
}

/** Throws `internal` when the addon is missing. */
export function openTransportCalls(): TransportCalls {
  const addon = loadAddon()
  const { Aead } = addon
  return {
    makeCipher: Aead === undefined ? undefined : (key) => new Aead(key),
    limitUnsent: (descriptor, bytes) => addon.limitUnsent(descriptor, bytes) === 0,
  }
}
