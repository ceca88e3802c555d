// What the addon does for connections: it encrypts their frames, tells the system how much to queue, and moves payload on its own.

import { codecThreadCount } from './cpu-quota.ts'
import { loadAddon, type NativeAead, type NativeDataPlane } from './load-addon.ts'

/** One thread moves more than 10 Gbit/s; of four times as many processors it takes one. */
const PROCESSORS_PER_THREAD = 4
const DATA_THREADS_MAX = 4

export interface TransportCalls {
  /** Makes a cipher for a key of 32 bytes; undefined where Node does not let others call its OpenSSL. */
  readonly makeCipher: ((key: Uint8Array) => NativeAead) | undefined
  /**
   * How many bytes the system takes of what the TCP socket cannot send yet, 1 to 2^30. Whether that was possible. The descriptor must be
   * a socket's own, at this moment.
   */
  limitUnsent(descriptor: number, bytes: number): boolean
  /** Starts the threads of data connections; undefined where the system or Node does not allow them. */
  readonly openDataPlane: ((onEvents: (events: Float64Array) => void) => NativeDataPlane) | undefined
}

/** Throws `internal` when the addon is missing. */
export function openTransportCalls(): TransportCalls {
  const addon = loadAddon()
  const { Aead, DataPlane } = addon
  return {
    makeCipher: Aead === undefined ? undefined : (key) => new Aead(key),
    limitUnsent: (descriptor, bytes) => addon.limitUnsent(descriptor, bytes) === 0,
    openDataPlane: DataPlane === undefined ? undefined : (onEvents) => new DataPlane(dataThreadCount(), onEvents),
  }
}

function dataThreadCount(): number {
  return Math.min(DATA_THREADS_MAX, Math.max(1, Math.floor(codecThreadCount() / PROCESSORS_PER_THREAD)))
}
