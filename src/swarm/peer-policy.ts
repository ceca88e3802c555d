// Decides what to ask of which neighbour: how many requests each may have, whose turn it is, when a request is doubled at
// the end, and when a source is left because it stalls or crawls.

import type { Peer } from './peer-table.ts'
import type { Request } from './request-table.ts'
import type { SwarmState } from './swarm-state.ts'

/** A second request is worth its bytes only if it should end in less than half of the time of the first, and this soon. */
const DOUBLING_MARGIN_MS = 50

/** The end is when one part of all chunks in this many is missing; doubling a larger part would waste more than it gains. */
const ENDGAME_PART = 32

/** A peer is left for the origin only when it is this many times slower again: its uplink serves others too. */
const ORIGIN_MARGIN = 4

/** Parts of a second in which the wait for a peer is reckoned. */
const WAIT_UNITS = 1024

/** The wait for whoever is asked for nothing more now. */
const NEVER = Number.MAX_SAFE_INTEGER

/** A neighbour that may be asked, and how long one more request to it would take; see #waitClass. */
interface Candidate {
  readonly peer: Peer
  wait: number
}

export class PeerPolicy {
  readonly #state: SwarmState
  /** Whether the last request found no memory: peers wait for it then. */
  #lacksRoom = false
  #isLate = false

  constructor(state: SwarmState) {
    this.#state = state
  }

  /** Opens requests, each with the neighbour that should answer first. */
  fill(): void {
    const { requests, touched } = this.#state
    const openMax = this.#openMax()
    const farMax = this.#farMax()
    const isFarFull = requests.farCount >= farMax
    if (requests.nearCount >= openMax && isFarFull) return
    this.#lacksRoom = false
    const candidates = this.#askable()
    for (let next = soonest(candidates); next !== undefined; next = soonest(candidates)) {
      const { peer } = next
      const isFull = peer.isFar ? requests.farCount >= farMax : requests.nearCount >= openMax
      if (isFull) {
        for (const other of candidates) if (other.peer.isFar === peer.isFar) other.wait = NEVER
      } else if (this.#ask(peer)) {
        next.wait = this.#waitClass(peer)
      } else {
        if (this.#lacksRoom) return
        touched.delete(peer)
        next.wait = NEVER
      }
    }
    this.#double()
  }

  /** Leaves sources that stall or crawl. Called on every tick. */
  watch(): void {
    this.#isLate = this.#seemsLate()
    for (const request of [...this.#state.requests.all()]) {
      if (request.cancelled) continue
      if (this.#hasStalled(request)) this.#leave(request)
      else if (request.peer !== null && this.#crawls(request, request.peer)) this.#leave(request)
    }
  }

  /**
   * Whether we have far less than our neighbours although the origin could not bring it. Those that serve us serve others as
   * well, and whoever has few of them must ask more of each. With a slow downlink it does no harm.
   */
  #seemsLate(): boolean {
    const { held, peers, originPeakRate, peakRate } = this.#state
    if (!this.#isSettled() || (this.#isBesideOrigin() && originPeakRate * 4 >= peakRate)) return false
    return peers.areAhead(held)
  }

  #openMax(): number {
    const { limits, peers, peersRate, chunkBytesMean, originPeakRate, peakRate, now } = this.#state
    // What came in at best, too: with room for few requests, those that wait in long queues would leave no room for others.
    const rate = Math.max(peersRate.rate(now), peakRate)
    const usual = Math.floor((rate * limits.totalQueueMs) / chunkBytesMean)
    const count = Math.max(usual, Math.min(2 * usual, limits.requestsFew))
    // With its memory full of what waits, a node with a slow link would keep no beginnings.
    const lateMax = Math.floor((3 * limits.memoryBytesMax) / (4 * chunkBytesMean))
    const least = this.#isLate ? Math.min(Math.max(2 * usual, limits.requestsLateMin), lateMax) : 0
    const most = Math.min(limits.requestsOpenMax, Math.max(count + limits.requestsTotalMin, least))
    if (!this.#isBesideOrigin()) return most
    // A downlink that the origin alone can fill, or half of it, is worth most to the swarm for what nobody has yet. One
    // request shows when peers bring more.
    if (originPeakRate * 8 >= peakRate * 7) return 1
    if (originPeakRate * 2 >= peakRate) return Math.max(limits.requestsBesideOrigin, peers.count >>> 1)
    // A downlink that seems full: with fewer requests the origin may turn out to fill half of it.
    return this.#isFull() && this.#mayOriginGain() ? Math.max(1, count >>> 1) : most
  }

  /** Whether there is something to read from the origin, and its rate and that of peers are known. */
  #isBesideOrigin(): boolean {
    const { leases, leavesOrigin, leavesLastShares } = this.#state
    const free = leases.freeCount - (leavesLastShares ? leases.freeElsewhereCount : 0)
    return !leavesOrigin && free > 0 && this.#isSettled()
  }

  /** Whether about as much comes in as ever did. */
  #isFull(): boolean {
    const { fromOrigin, peersRate, peakRate, now } = this.#state
    return (fromOrigin + peersRate.rate(now)) * 8 >= peakRate * 7
  }

  /** Whether the origin might fill half of a full downlink, given room: it fills a quarter, or gained a moment ago. */
  #mayOriginGain(): boolean {
    const { limits, startedAt = 0, originPeakRate, peakRate, originRoseAt, now } = this.#state
    const since = Math.max(originRoseAt, startedAt + limits.settleMs * 1000)
    return originPeakRate * 4 >= peakRate || now - since < limits.originTrialMs * 1000
  }

  /** Whether we had time to see what peers can bring. */
  #isSettled(): boolean {
    const { limits, startedAt, now } = this.#state
    return startedAt !== undefined && now - startedAt > limits.settleMs * 1000
  }

  /** The link to other sites is shared: a long queue there would look like peers that stall. */
  #farMax(): number {
    const { limits, peers, chunkBytesMean, now } = this.#state
    if (peers.farCount === 0) return 0
    const count = Math.floor((peers.farRate(now) * limits.peerQueueMs) / chunkBytesMean)
    return Math.min(limits.requestsFarMax, limits.requestsPerPeerMin + count)
  }

  /** Neighbours that may have something for us and may be asked, beginning with a random one. */
  #askable(): Candidate[] {
    const { random, touched } = this.#state
    const found: Candidate[] = []
    for (const peer of touched) {
      if (peer.firstOffers.size + peer.offers.size > 0 && this.#mayAsk(peer))
        found.push({ peer, wait: this.#waitClass(peer) })
      else touched.delete(peer)
    }
    const start = found.length === 0 ? 0 : random.below(found.length)
    return found.slice(start).concat(found.slice(0, start))
  }

  #mayAsk(peer: Peer): boolean {
    const { limits, peers, chunkBytesMean, now } = this.#state
    const least = this.#isLate ? limits.requestsPerPeerLateMin : limits.requestsPerPeerMin
    return peers.mayAsk(peer, least, chunkBytesMean, now)
  }

  /**
   * About how long one more request to the peer would take, as a power of two: what differs by less is left to chance, or all
   * would ask the same. That is so for rates below a chunk a second, too. Who sent nothing yet counts as one like the others.
   */
  #waitClass({ rate, open, proven }: Peer): number {
    const { now, chunkBytesMean, peersRate, peers } = this.#state
    const bytesPerMs = proven ? rate.rate(now) : peersRate.rate(now) / peers.count
    const chunksPerSecond = (bytesPerMs * 1000) / chunkBytesMean
    return 32 - Math.clz32((WAIT_UNITS * (open + 1)) / (1 + chunksPerSecond))
  }

  /** Asks for one chunk. False when this neighbour cannot be asked for more now. */
  #ask(peer: Peer): boolean {
    const { requests } = this.#state
    if (!this.#mayAsk(peer)) return false
    const chunk = this.#pick(peer)
    if (chunk === undefined) return false
    this.#lacksRoom = !requests.hasRoom(this.#state.bytesOf(chunk))
    if (this.#lacksRoom) return false
    this.#state.openRequest(chunk, peer)
    return true
  }

  #pick(peer: Peer): number | undefined {
    const { limits, picker, lastNewAt, now } = this.#state
    if (peer.isFar) {
      const isStuck = now - lastNewAt > limits.bringerPatienceMs * 1000
      return picker.pickFar(peer.have) ?? (isStuck ? picker.pickUncounted(peer.offers) : undefined)
    }
    if (!peer.counted) return picker.pickUncounted(peer.firstOffers) ?? picker.pickUncounted(peer.offers)
    return picker.pickOffered(peer.firstOffers) ?? picker.pick(peer.have, peer.offers)
  }

  /** Endgame: an idle neighbour is asked for a chunk that is slow to come from elsewhere. */
  #double(): void {
    const { picker, held, limits, peers } = this.#state
    const fewMissing = Math.max(limits.endgameChunksFew, Math.floor(held.size / ENDGAME_PART))
    if (picker.pickable > 0 || held.size - held.count > Math.min(limits.endgameChunksMax, fewMissing)) return
    for (const peer of peers.all()) {
      if (peer.open > 0 || !this.#mayAsk(peer)) continue
      const request = this.#slowestFor(peer)
      if (request !== undefined) this.#state.openRequest(request.chunk, peer)
    }
  }

  #slowestFor(peer: Peer): Request | undefined {
    const { requests, now } = this.#state
    const rate = peer.rate.rate(now)
    let slowest: Request | undefined
    let longestMs = 0
    for (const request of requests.all()) {
      if (request.peer === peer || !peer.have.has(request.chunk) || requests.of(request.chunk).length > 1) continue
      const bytes = this.#state.bytesOf(request.chunk)
      if (!requests.hasRoom(bytes)) continue
      // A neighbour of unknown speed is tried when the request is not yet half done.
      const expectedMs = rate === 0 ? this.#ageMs(request) >>> 1 : Math.ceil(bytes / rate)
      const restMs = this.#restMs(request)
      if (restMs <= expectedMs * 2 + DOUBLING_MARGIN_MS || restMs <= longestMs) continue
      slowest = request
      longestMs = restMs
    }
    return slowest
  }

  #ageMs(request: Request): number {
    return Math.floor((this.#state.now - request.startedAt) / 1000)
  }

  /** How long the request should still take: by its own pace, or before its first byte by its source's. */
  #restMs(request: Request): number {
    const ageMs = this.#ageMs(request)
    if (request.received > 0) return Math.floor(((request.bytes - request.received) * ageMs) / request.received)
    const rate = request.peer === null ? 0 : request.peer.rate.rate(this.#state.now)
    return rate === 0 || request.peer === null ? ageMs : Math.max(ageMs, Math.floor(request.peer.openBytes / rate))
  }

  #hasStalled(request: Request): boolean {
    const { now, limits } = this.#state
    const silentUs = now - request.lastByteAt
    if (request.peer === null) return silentUs > limits.originStallMs * 1000
    const { lastByteAt, lastWordAt, proven, isFar } = request.peer
    if (!proven && !isFar && this.#state.readsOrigin) return silentUs > limits.firstByteMs * 1000
    if (silentUs <= limits.stallMs * 1000) return false
    // A peer that sends us other chunks, or goes on itself, has this one in its queue.
    if (silentUs > limits.stallMs * limits.queueWaitFactor * 1000) return true
    return now - Math.max(lastByteAt, lastWordAt) > limits.stallMs * 1000
  }

  #crawls(request: Request, peer: Peer): boolean {
    const { now, limits, peers, picker, originRate, readsOrigin } = this.#state
    if (this.#ageMs(request) < limits.slowAfterMs || this.#restMs(request) < limits.slowRestMs) return false
    const rate = peer.rate.rate(now) * limits.slowFactor
    if (readsOrigin && rate * ORIGIN_MARGIN < originRate.rate(now)) return true
    return picker.availability(request.chunk) > 1 && rate < peers.medianRate(peer, now)
  }

  #leave(request: Request): void {
    const { peer } = request
    const state = this.#state
    state.cancelRequest(request)
    if (peer === null) state.originBackOff.failed(state.now)
    else if (peer.counted || state.now >= peer.suspendedUntil) {
      state.peers.suspend(peer, state.now)
      state.setCounted(peer, false)
    }
  }
}

/** The first of those that should answer one more request soonest. */
function soonest(candidates: readonly Candidate[]): Candidate | undefined {
  let first: Candidate | undefined
  let least = NEVER
  for (const candidate of candidates) {
    if (candidate.wait >= least) continue
    first = candidate
    least = candidate.wait
  }
  return first
}
