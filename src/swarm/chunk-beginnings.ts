// What arrived of chunks whose requests were given up: so many bytes from the start, who sent them, and whether to trust
// them. The next request for such a chunk asks for the rest alone. The bytes lie with the shell; they take only memory
// that nothing else needs.

import type { PeerId } from '../base/ids.ts'
import type { Limits } from './limits.ts'

/** Null: the origin. */
export type Sender = PeerId | null

export interface Beginning {
  /** From the chunk's start, at least 1. */
  readonly bytes: number
  /** What its buffer takes: the whole chunk. */
  readonly memoryBytes: number
  /** All that sent some of it, each once. */
  readonly senders: readonly Sender[]
}

export class ChunkBeginnings {
  readonly #limits: Limits
  /** By chunk, the oldest first. */
  readonly #kept = new Map<number, Beginning>()
  /** Chunks that several senders made wrong together: nobody knows who. They come from one sender at a time. */
  readonly #whole = new Set<number>()
  /** Those senders, the oldest first. Only whole chunks are asked of them. */
  readonly #mistrusted = new Set<PeerId>()
  #memoryBytes = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get count(): number {
    return this.#kept.size
  }

  get memoryBytes(): number {
    return this.#memoryBytes
  }

  /** Bytes that are kept of a chunk. */
  bytesOf(chunk: number): number {
    return this.#kept.get(chunk)?.bytes ?? 0
  }

  /** Takes out what `sender` may go on with. */
  take(chunk: number, sender: Sender): Beginning | undefined {
    const beginning = this.#kept.get(chunk)
    if (beginning === undefined || this.#isMistrusted(sender)) return undefined
    this.remove(chunk)
    return beginning
  }

  /** Whether what these sent of the chunk may be kept. */
  accepts(chunk: number, senders: readonly Sender[]): boolean {
    return !this.#whole.has(chunk) && !senders.some((sender) => this.#isMistrusted(sender))
  }

  /** In place of what was kept of the chunk before. The caller asked accepts(), and calls trim() next. */
  keep(chunk: number, beginning: Beginning): void {
    this.remove(chunk)
    this.#kept.set(chunk, beginning)
    this.#memoryBytes += beginning.memoryBytes
  }

  /** False when nothing was kept of the chunk. */
  remove(chunk: number): boolean {
    this.#memoryBytes -= this.#kept.get(chunk)?.memoryBytes ?? 0
    return this.#kept.delete(chunk)
  }

  /** Takes out the oldest until the rest fits beside what else takes memory, and returns their chunks. */
  trim(otherBytes: number): readonly number[] {
    const { beginningsMax, memoryBytesMax } = this.#limits
    const removed: number[] = []
    for (const chunk of this.#kept.keys()) {
      if (this.#kept.size <= beginningsMax && this.#memoryBytes + otherBytes <= memoryBytesMax) break
      this.remove(chunk)
      removed.push(chunk)
    }
    return removed
  }

  /** The chunk was wrong when `senders` had each sent some of it. */
  mistrust(chunk: number, senders: readonly Sender[]): void {
    this.#whole.add(chunk)
    for (const sender of senders) if (sender !== null) this.#mistrusted.add(sender)
    for (const oldest of this.#mistrusted) {
      if (this.#mistrusted.size <= this.#limits.bannedPeersMax) break
      this.#mistrusted.delete(oldest)
    }
  }

  #isMistrusted(sender: Sender): boolean {
    return sender !== null && this.#mistrusted.has(sender)
  }
}
