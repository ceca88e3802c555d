// Decides what to do with the words of others about the origin: believe, pass on, or give way to them.

import type { PeerId } from '../base/ids.ts'
import type { Claim } from './events.ts'
import type { Peer } from './peer-table.ts'
import type { SwarmState } from './swarm-state.ts'

export class ClaimPolicy {
  readonly #state: SwarmState

  constructor(state: SwarmState) {
    this.#state = state
  }

  heard(fromId: PeerId, claims: readonly Claim[]): void {
    const state = this.#state
    const from = state.peers.find(fromId)
    if (from === undefined) return
    for (const claim of claims) {
      if (!state.isChunk(claim.chunk)) {
        if (!state.strikeForLying(from)) return
      } else if (claim.holder !== state.self) this.#heardOne(claim, from)
    }
  }

  #heardOne(claim: Claim, from: Peer): void {
    const state = this.#state
    const { chunk, holder } = claim
    const isNewHolder = !state.leases.isKnown(holder)
    const counts = !state.held.has(chunk) && state.peers.bannedFor(holder) === undefined
    if (!state.leases.hear(claim, counts, state.now)) {
      if (!counts || holder !== from.id || !state.leases.renew(claim, state.now)) return
      this.#yieldTo(claim)
      state.placeOrigin(chunk)
      return
    }
    if (isNewHolder) this.#meet(holder)
    const hops = Math.min(claim.hops, state.limits.claimHopsMax)
    if (hops > 0) state.outbox.passClaim({ ...claim, hops: hops - 1 }, from.id, state.now)
    if (claim.state === 'held') {
      state.originBytes += state.bytesOf(chunk)
      if (holder === from.id) state.peerHolds(from, chunk)
      else state.leaveOrigin(chunk)
    }
    if (claim.state === 'pulling') this.#yieldTo(claim)
    state.placeOrigin(chunk)
    state.dirty = true
  }

  /** Whoever pulls from the origin counts when its chunks are shared out. */
  #meet(holder: PeerId): void {
    const state = this.#state
    const neighbour = state.peers.find(holder)
    if (neighbour === undefined) state.leases.addStranger()
    if (neighbour === undefined || neighbour.progress === 'partial') state.originShare.add(holder)
  }

  /** Two of us pull one chunk: one gives it up, unless half of it is here. */
  #yieldTo(claim: Claim): void {
    const state = this.#state
    for (const request of state.requests.of(claim.chunk)) {
      if (request.peer !== null || request.received * 2 >= request.bytes) continue
      if (state.leases.yieldsTo(claim)) state.yieldRequest(request)
    }
  }
}
