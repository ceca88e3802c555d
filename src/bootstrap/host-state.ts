// What a host of a cluster is doing, for whoever shows it.

import type { SwarmError } from '../base/errors.ts'

/** What a host is doing, or how it ended. */
export type HostState =
  | { readonly stage: 'waiting' | 'looking' | 'starting' }
  | { readonly stage: 'installing'; readonly from: string }
  | {
      readonly stage: 'joining'
      readonly what: string
      readonly done: number
      readonly total: number
      readonly bytesPerSec: number
      readonly peers: number
    }
  | {
      readonly stage: 'ready'
      readonly seconds: number
      readonly already: boolean
      readonly installedFrom: string
      readonly addrs: readonly string[]
    }
  | { readonly stage: 'failed'; readonly error: SwarmError; readonly seconds: number }
