// Decides which asks of neighbours are served, wait or are refused, and when a neighbour that asks against all refusals
// is dropped.

import type { AskId, ChunkIndex, PeerId } from '../base/ids.ts'
import type { RefuseReason } from './events.ts'
import type { Peer } from './peer-table.ts'
import type { SwarmState } from './swarm-state.ts'
import { UplinkMeter } from './uplink-meter.ts'
import type { Ask } from './upload-slots.ts'

/**
 * How much less than our neighbours on the mean a peer has is counted in such parts of all chunks. It is later by one with
 * each doubling: all at about the same place take turns, where the very latest would fill their downlinks; see startNext.
 */
const LATE_PART = 256
/** That part is at least so many chunks: differences of one or two mean nothing. */
const LATE_CHUNKS_MIN = 2

/** An upload is held up by its receiver when it takes so many times as long as all slots together need, and this long. */
const HELD_UP_TIMES = 4
const HELD_UP_MS_MIN = 1_000

export class UploadPolicy {
  readonly #state: SwarmState
  readonly #started = new Map<AskId, { readonly at: number; readonly peer: PeerId }>()
  readonly #uplink = new UplinkMeter()

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

  /** Returns the ask, or undefined when it was not being served. */
  served(id: AskId, outcome: 'sent' | 'failed', bytes: number): Ask | undefined {
    const ask = this.#state.uploads.finish(id)
    const peer = ask === undefined ? undefined : this.#state.peers.find(ask.peer)
    if (peer !== undefined && outcome === 'sent') peer.refusals = 0
    if (outcome === 'sent') this.#measure(id, ask, bytes)
    this.#started.delete(id)
    this.#serve()
    return ask
  }

  #measure(id: AskId, ask: Ask | undefined, bytes: number): void {
    const started = this.#started.get(id)
    if (ask === undefined || started === undefined) return
    const { uploads, now } = this.#state
    this.#uplink.sent(bytes, started.at, now, uploads.serving + 1)
    this.#state.uplinkRate = this.#uplink.rate
  }

  /** Serves what waits beside uploads that turned out to be held up. Called on every tick. */
  watch(): void {
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
    const { uploads, actions, peers, chunkCount, lone, limits, now } = this.#state
    if (uploads.waiting === 0) return
    const heldUp = this.#heldUp()
    const slots = Math.min(Math.max(limits.uploadSlotsMax, limits.uploadSlots), this.#slots() + heldUp.length)
    if (uploads.serving >= slots) return
    const meanHeld = peers.meanHeld()
    const slowPeers = new Set(heldUp)
    const lateness = (id: PeerId): number => {
      const missing = meanHeld - (peers.find(id)?.have.count ?? meanHeld)
      const parts = Math.floor(missing / Math.max(LATE_CHUNKS_MIN, chunkCount / LATE_PART))
      if (parts <= 0) return parts
      // Its own downlink is what is slow: it gets nothing sooner by going first.
      return slowPeers.has(id) ? 0 : 32 - Math.clz32(parts)
    }
    const isLone = (chunk: ChunkIndex): boolean => lone.has(chunk)
    for (;;) {
      const ask = uploads.startNext(slots, lateness, isLone)
      if (ask === undefined) return
      this.#started.set(ask.id, { at: now, peer: ask.peer })
      actions.push({ type: 'serveChunk', ask: ask.id, chunk: ask.chunk, peer: ask.peer })
    }
  }

  /** For each upload that takes far longer than our uplink would: to whom. It takes no slot from others. */
  #heldUp(): PeerId[] {
    const { limits, uplinkRate, chunkBytesMean, uplinkClogs, now } = this.#state
    if (uplinkRate === 0 || uplinkClogs) return []
    const usualMs = (limits.uploadSlots * chunkBytesMean) / uplinkRate
    const before = now - Math.max(HELD_UP_MS_MIN, HELD_UP_TIMES * usualMs) * 1000
    return [...this.#started.values()].filter(({ at }) => at < before).map(({ peer }) => peer)
  }

  /**
   * Over an uplink that clogs, as many as end soon: what only we have must not wait for the rest. Over a fast one more than
   * usual: some lead to downlinks that others fill, and the rest must fill the uplink.
   */
  #slots(): number {
    const { limits, uplinkRate, uplinkClogs, chunkBytesMean } = this.#state
    const within = (ms: number): number => Math.floor((uplinkRate * ms) / chunkBytesMean)
    if (uplinkClogs) return Math.min(limits.uploadSlots, Math.max(limits.uploadSlotsMin, within(limits.uploadMs)))
    return Math.max(limits.uploadSlots, Math.min(limits.uploadSlotsMax, within(limits.uploadTogetherMs)))
  }
}
