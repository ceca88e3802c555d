// What a serving or joining node tells the outside while it runs. The command line turns these into lines for people or
// JSON for programs; the names of the JSON fields are the contract of the command line.

import type { MeterReading } from '../store/meter.ts'
import type { RunBound } from './run-bound.ts'

export interface ByteReport {
  readonly raw: number
  readonly encoded: number
  readonly fromStore: number
  readonly fromPeers: number
  readonly fromSelf: number
  readonly toPeers: number
  readonly toStore: number
  readonly wasted: number
}

/** Fields of `ready` and `summary`. */
export interface TransferReport {
  readonly command: 'join' | 'push' | 'seed'
  readonly snapshot: string
  readonly root: string
  readonly files: number
  /** Command start to ready. */
  readonly seconds: number
  readonly bytes: ByteReport
  readonly chunks: number
  /** `cpu` or `cuda`, and the code path of the codec. */
  readonly device: string
  readonly codecPath: string
  /** Distinct peers that this node exchanged with. */
  readonly peers: number
  /** The best possible time and how close this came to it; null where that cannot be known, and of push and seed. */
  readonly bound: RunBound | null
  /** Why `bound` is null and what would change that, to follow "the best possible time is not known: "; null otherwise. */
  readonly boundMissing: string | null
  /** Wall clock, ms since 1970; null when no chunk had to be fetched. */
  readonly firstRequestAtMs: number | null
  readonly readyAtMs: number
  /** What passed between this process and the store, failed and repeated reads and listings' payload included. */
  readonly store: MeterReading | null
}

/** A snapshot that somebody is to push, or a node that is to seed. */
export type Awaited = 'snapshot' | 'source'

export type NodeEvent =
  | { readonly type: 'listening'; readonly peerId: string; readonly addrs: readonly string[]; readonly ticket: string }
  | {
      readonly type: 'progress'
      readonly stage: 'finding' | 'scanning' | 'fetching' | 'finishing' | 'listing' | 'encoding' | 'publishing'
      readonly rawBytesDone: number
      readonly rawBytesTotal: number
      readonly fromStore: number
      readonly fromPeers: number
      readonly fromSelf: number
      readonly toPeers: number
      readonly toStore: number
      readonly peers: number
    }
  /** What is not there yet, and how long the whole wait lasts at most, since the command's start. */
  | { readonly type: 'waiting'; readonly for: Awaited; readonly seconds: number }
  | { readonly type: 'warning'; readonly message: string }
  /** All files that were wanted first are whole, verified and under their final names; `seconds` since the command's start. */
  | { readonly type: 'first'; readonly files: number; readonly seconds: number }
  | ({ readonly type: 'ready' } & TransferReport)
