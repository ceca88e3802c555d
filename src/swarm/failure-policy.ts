// Decides what a request that ended without its chunk says of its source, and whether what arrived of it is kept for the
// next.

import type { RequestId } from '../base/ids.ts'
import type { FailReason } from './events.ts'
import type { Peer } from './peer-table.ts'
import type { Request } from './request-table.ts'
import type { SwarmState } from './swarm-state.ts'

export class FailurePolicy {
  readonly #state: SwarmState

  constructor(state: SwarmState) {
    this.#state = state
  }

  /** The shell closed the request. */
  failed(id: RequestId, reason: FailReason): void {
    const state = this.#state
    const request = state.requests.find(id)
    if (request === undefined) return
    state.closeRequest(request)
    if (reason !== 'corrupt') state.keepBeginning(request)
    else if (request.senders.length > 1) {
      // Nobody knows who sent the wrong bytes.
      state.beginnings.mistrust(request.chunk, request.senders)
      state.dropBeginning(request.chunk)
      return
    }
    if (reason === 'cancelled') return
    if (request.peer === null) this.#originFailed(request.chunk, reason)
    else if (state.peers.find(request.peer.id) === request.peer) this.#peerFailed(request, request.peer, reason)
  }

  #originFailed(chunk: number, reason: FailReason): void {
    if (reason === 'missing' || reason === 'corrupt') this.#state.originFailed(chunk, reason === 'corrupt')
    else this.#state.originBackOff.failed(this.#state.now)
  }

  #peerFailed(request: Request, peer: Peer, reason: FailReason): void {
    const state = this.#state
    if (reason === 'corrupt') {
      peer.corruptStrikes++
      if (peer.corruptStrikes >= state.limits.corruptStrikesMax) state.dropPeer(peer, 'corrupt')
    } else if (reason === 'missing') {
      state.removeHave(peer, request.chunk)
      state.strikeForLying(peer)
    } else state.peers.backOff(peer, state.now)
  }
}
