// When the nodes that this one met began, with how much, and whether they came to their end: whether a run was one of equals.

import { Bitfield } from '../base/bitfield.ts'
import type { PeerId } from '../base/ids.ts'

/** Nodes that are remembered; with as many, no run is judged. */
export const PEER_STARTS_MAX = 4_096

export interface PeerStart {
  /** When it first said what it holds, monotonic ms. */
  readonly atMs: number
  /** Infinity: all of them. */
  readonly chunksHeld: number
  readonly readsOrigin: boolean
}

/** The nodes of a run, as this one knows them. */
export interface Participants {
  /** Who is connected, and who left with everything; undefined: it has not said what it holds. */
  readonly peers: readonly (PeerStart | undefined)[]
  /** How many began and left without everything. */
  readonly peersLost: number
  /** False when there were too many to remember. */
  readonly isKnown: boolean
}

export class PeerStarts {
  readonly #starts = new Map<PeerId, PeerStart>()
  readonly #done = new Set<PeerId>()

  /** A peer says what it holds; only the first time counts, also after it was gone for a while. */
  told(peer: PeerId, bitfield: Uint8Array, status: { readsOrigin: boolean; holdsAll: boolean }, atMs: number): void {
    if (this.#starts.has(peer) || this.#starts.size >= PEER_STARTS_MAX) return
    const shown = Bitfield.parse(bitfield, bitfield.length * 8)?.count ?? 0
    const chunksHeld = status.holdsAll ? Number.POSITIVE_INFINITY : shown
    this.#starts.set(peer, { atMs, chunksHeld, readsOrigin: status.readsOrigin })
  }

  /** A peer says that it has everything. */
  finished(peer: PeerId): void {
    if (this.#starts.has(peer)) this.#done.add(peer)
  }

  participants(connected: Iterable<PeerId>): Participants {
    const here = new Set(connected)
    const gone = [...this.#starts].filter(([peer]) => !here.has(peer))
    const leftDone = gone.filter(([peer]) => this.#done.has(peer)).map(([, start]) => start)
    return {
      peers: [...Array.from(here, (peer) => this.#starts.get(peer)), ...leftDone],
      peersLost: gone.length - leftDone.length,
      isKnown: this.#starts.size < PEER_STARTS_MAX,
    }
  }
}
