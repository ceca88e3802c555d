// The buffers that chunks arrive in, and those of given-up requests, which are kept for the next one. The scheduler
// decides how many are kept and when one is dropped; this file does as events.ts says, and counts what is thrown away.

import { invariant } from '../base/errors.ts'
import type { ChunkIndex } from '../base/ids.ts'
import type { Slab, SlabPool } from '../base/slab-pool.ts'
import type { Source } from '../swarm/events.ts'
import type { TransferCounts } from '../telemetry/transfer-counts.ts'

/** What is here of one chunk. One owner: the request that fills it, or ChunkBuffers between two requests. */
export class ChunkBuffer {
  readonly slab: Slab
  /** All that sent some of it, as a person reads it. */
  readonly senders = new Set<string>()
  #fromStore = 0
  #fromPeers = 0

  /** Takes over the slab, of the chunk's encoded size. */
  constructor(slab: Slab) {
    this.slab = slab
  }

  /** So many bytes from the chunk's start lie in the slab. */
  get filled(): number {
    return this.#fromStore + this.#fromPeers
  }

  /** The next bytes have come into the slab. */
  add(bytes: number, from: Source): void {
    this.senders.add(from.kind === 'origin' ? 'the store' : `peer ${from.peer}`)
    if (from.kind === 'origin') this.#fromStore += bytes
    else this.#fromPeers += bytes
  }

  /** The last bytes do not count. Returns how many those are. */
  cut(filled: number): number {
    const surplus = this.filled - filled
    const ofPeers = Math.min(surplus, this.#fromPeers)
    this.#fromPeers -= ofPeers
    this.#fromStore -= surplus - ofPeers
    return surplus
  }

  /** The whole chunk was right. */
  count(counts: TransferCounts): void {
    counts.fromStore += this.#fromStore
    counts.fromPeers += this.#fromPeers
  }
}

export class ChunkBuffers {
  readonly #slabs: SlabPool
  readonly #counts: TransferCounts
  readonly #kept = new Map<ChunkIndex, ChunkBuffer>()
  #closed = false

  constructor(slabs: SlabPool, counts: TransferCounts) {
    this.#slabs = slabs
    this.#counts = counts
  }

  /** A buffer for a chunk of `bytes`, the caller's, filled up to `offset` by earlier requests. */
  open(chunk: ChunkIndex, bytes: number, offset: number): ChunkBuffer {
    if (offset === 0) return new ChunkBuffer(this.#slabs.take(bytes))
    const kept = this.#kept.get(chunk)
    invariant(kept !== undefined && kept.filled >= offset, `chunk ${chunk} is to go on at ${offset}, which is not here`)
    this.#kept.delete(chunk)
    this.#counts.wasted += kept.cut(offset)
    return kept
  }

  /** Takes back the buffer of a given-up request and keeps the longer one of its chunk. */
  keep(chunk: ChunkIndex, buffer: ChunkBuffer): void {
    const before = this.#kept.get(chunk)
    if (this.#closed || buffer.filled <= (before?.filled ?? 0)) {
      this.discard(buffer)
      return
    }
    this.drop(chunk)
    this.#kept.set(chunk, buffer)
  }

  /** Throws away what a buffer holds. */
  discard(buffer: ChunkBuffer): void {
    this.#counts.wasted += buffer.filled
    buffer.slab.release()
  }

  /** What is kept of the chunk is no longer wanted. */
  drop(chunk: ChunkIndex): void {
    const buffer = this.#kept.get(chunk)
    if (buffer !== undefined) this.discard(buffer)
    this.#kept.delete(chunk)
  }

  /** Gives up all that is kept, and keeps nothing from now on. */
  close(): void {
    this.#closed = true
    for (const chunk of [...this.#kept.keys()]) this.drop(chunk)
  }
}
