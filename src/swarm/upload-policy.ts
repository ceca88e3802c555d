// Decides which asks of neighbours are served, wait or are refused, and when a neighbour that asks against all refusals
// is dropped.

import type { AskId, ChunkIndex, PeerId } from '../base/ids.ts'
import type { RefuseReason } from './events.ts'
import type { Peer } from './peer-table.ts'
import type { SwarmState } from './swarm-state.ts'
import type { Ask } from './upload-slots.ts'

/**
 * Peers within one step of progress take turns; those a step behind go first, so that all end together. Finer steps make
 * every node serve the same few at once, whose downlinks then hold up the uplinks: with 16 nodes at origin 1, uplink 6,
 * downlink 7, steps of 1/16 took 1.15 times the bound, of 1/32 1.22, of 1/64 1.31, and none at all 1.17.
 */
const PROGRESS_STEPS = 16

export class UploadPolicy {
  readonly #state: SwarmState

  constructor(state: SwarmState) {
    this.#state = state
  }

  asked(ask: AskId, peerId: PeerId, chunk: ChunkIndex): void {
    const { peers, held, uploads, stopping } = this.#state
    const peer = peers.find(peerId)
    if (stopping || peer === undefined) {
      this.#refuse(ask, 'stopping')
    } else if (!this.#state.isChunk(chunk) || !held.has(chunk)) {
      this.#refuse(ask, 'missing')
      this.#count(peer)
    } else if (!uploads.accept({ id: ask, peer: peerId, chunk })) {
      this.#refuse(ask, 'busy')
      this.#count(peer)
    }
    this.#serve()
  }

  served(id: AskId, outcome: 'sent' | 'failed'): void {
    const ask = this.#state.uploads.finish(id)
    const peer = ask === undefined ? undefined : this.#state.peers.find(ask.peer)
    if (peer !== undefined && outcome === 'sent') peer.refusals = 0
    this.#serve()
  }

  /** Refuses every waiting ask that `match` chooses. */
  refuseWaiting(match: (ask: Ask) => boolean, reason: RefuseReason): void {
    for (const ask of this.#state.uploads.takeWaiting(match)) this.#refuse(ask.id, reason)
  }

  #refuse(ask: AskId, reason: RefuseReason): void {
    this.#state.actions.push({ type: 'refuseAsk', ask, reason })
  }

  #count(peer: Peer): void {
    peer.refusals++
    if (peer.refusals >= this.#state.limits.refusalsMax) this.#state.dropPeer(peer, 'flooding')
  }

  #serve(): void {
    const { uploads, actions, peers, chunkCount } = this.#state
    const progress = (id: PeerId): number =>
      Math.floor(((peers.find(id)?.have.count ?? 0) * PROGRESS_STEPS) / Math.max(1, chunkCount))
    for (let ask = uploads.startNext(progress); ask !== undefined; ask = uploads.startNext(progress)) {
      actions.push({ type: 'serveChunk', ask: ask.id, chunk: ask.chunk, peer: ask.peer })
    }
  }
}
