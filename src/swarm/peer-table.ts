// What we know of each neighbour: what it holds, how fast it delivers, how often it failed us, and when it may be asked
// again. Who is asked for what is decided elsewhere.

import { Bitfield } from '../base/bitfield.ts'
import type { PeerId } from '../base/ids.ts'
import type { DropReason, Event, PeerProgress } from './events.ts'
import type { Limits } from './limits.ts'
import { PeerOffers } from './peer-offers.ts'
import { RateMeter } from './rate-meter.ts'

export interface Peer {
  readonly id: PeerId
  readonly have: Bitfield
  /** Of that, what we want: before all others, and the rest. */
  readonly firstOffers: PeerOffers
  readonly offers: PeerOffers
  readonly readsOrigin: boolean
  /** Whether it had everything when it came, whatever it shows. */
  readonly isSource: boolean
  /** Whether it is in another site. */
  readonly isFar: boolean
  readonly rate: RateMeter
  progress: PeerProgress
  /** Whether its chunks count as available: not leaving, and not suspended since it last delivered one. */
  counted: boolean
  /** Whether it ever sent a byte. */
  proven: boolean
  open: number
  openBytes: number
  lastByteAt: number
  /** When it last told us of a chunk that it got. */
  lastWordAt: number
  busyUntil: number
  busyMs: number
  suspendedUntil: number
  suspendMs: number
  corruptStrikes: number
  lyingStrikes: number
  /** Refusals since we last served it. */
  refusals: number
}

/** A node is behind when it has less than its neighbours by more than one part of all chunks in this many. */
const BEHIND_PART = 32

type Newcomer = Pick<Extract<Event, { readonly type: 'peerUp' }>, 'peer' | 'have' | 'readsOrigin' | 'holdsAll'>

export class PeerTable {
  readonly #limits: Limits
  readonly #peers = new Map<PeerId, Peer>()
  readonly #banned = new Map<PeerId, DropReason>()
  #farCount = 0
  #nextReturn = Number.POSITIVE_INFINITY

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get count(): number {
    return this.#peers.size
  }

  get full(): boolean {
    return this.#peers.size >= this.#limits.peersMax
  }

  /** Of other sites. */
  get farCount(): number {
    return this.#farCount
  }

  /** What they deliver together, bytes per ms. */
  farRate(now: number): number {
    let rate = 0
    for (const peer of this.#peers.values()) if (peer.isFar) rate += peer.rate.rate(now)
    return rate
  }

  find(id: PeerId): Peer | undefined {
    return this.#peers.get(id)
  }

  /** How many chunks a neighbour holds on the mean; done ones and sources do not count. */
  meanHeld(): number {
    let held = 0
    let count = 0
    for (const peer of this.#peers.values()) {
      if (peer.progress !== 'partial' || peer.isSource) continue
      held += peer.have.count
      count++
    }
    return count === 0 ? 0 : held / count
  }

  /** Whether neighbours hold clearly more on the mean than we, who hold `held`. */
  areAhead(held: Bitfield): boolean {
    return (this.meanHeld() - held.count) * BEHIND_PART > held.size
  }

  /** In the order in which they came. */
  all(): IterableIterator<Peer> {
    return this.#peers.values()
  }

  ids(): PeerId[] {
    return [...this.#peers.keys()]
  }

  /** `have` is copied. The peer's chunks do not count yet. */
  add(came: Newcomer, isFar: boolean, chunkCount: number, now: number): Peer {
    const { peer: id, have, readsOrigin, holdsAll } = came
    const peer: Peer = {
      id,
      have: have.size === chunkCount ? have.copy() : new Bitfield(chunkCount),
      firstOffers: new PeerOffers(chunkCount),
      offers: new PeerOffers(chunkCount),
      readsOrigin,
      isSource: holdsAll,
      isFar,
      rate: new RateMeter(),
      progress: 'partial',
      counted: false,
      proven: false,
      open: 0,
      openBytes: 0,
      lastByteAt: now,
      lastWordAt: 0,
      busyUntil: 0,
      busyMs: 0,
      suspendedUntil: 0,
      suspendMs: 0,
      corruptStrikes: 0,
      lyingStrikes: 0,
      refusals: 0,
    }
    this.#peers.set(id, peer)
    if (isFar) this.#farCount++
    return peer
  }

  remove(id: PeerId): void {
    if (this.#peers.get(id)?.isFar === true) this.#farCount--
    this.#peers.delete(id)
  }

  /** Remembers a peer that was dropped for its behaviour; the oldest is forgotten when there are too many. */
  ban(id: PeerId, reason: DropReason): void {
    this.#banned.set(id, reason)
    if (this.#banned.size <= this.#limits.bannedPeersMax) return
    for (const oldest of this.#banned.keys()) {
      this.#banned.delete(oldest)
      return
    }
  }

  /** Why the peer was dropped for good, if it was. */
  bannedFor(id: PeerId): DropReason | undefined {
    return this.#banned.get(id)
  }

  /**
   * Whether one more request may be opened to the peer now; `least` always may be open, however slow it is. A suspended one gets
   * a single one, to prove itself.
   */
  mayAsk(peer: Peer, least: number, chunkBytes: number, now: number): boolean {
    if (now < peer.busyUntil || now < peer.suspendedUntil || peer.progress === 'leaving') return false
    return peer.open < (peer.counted ? this.#requestsMax(peer, least, chunkBytes, now) : 1)
  }

  /** The peer refused: it is left alone for a while, twice as long each time in a row. */
  backOff(peer: Peer, now: number): void {
    peer.busyMs = Math.min(this.#limits.busyBackoffMaxMs, Math.max(this.#limits.busyBackoffMinMs, peer.busyMs * 2))
    peer.busyUntil = now + peer.busyMs * 1000
    this.#nextReturn = Math.min(this.#nextReturn, peer.busyUntil)
  }

  /** The peer stalled or crawls: it is not asked for a while, twice as long each time in a row. */
  suspend(peer: Peer, now: number): void {
    peer.suspendMs = Math.min(this.#limits.suspendMaxMs, Math.max(this.#limits.suspendMinMs, peer.suspendMs * 2))
    peer.suspendedUntil = now + peer.suspendMs * 1000
    this.#nextReturn = Math.min(this.#nextReturn, peer.suspendedUntil)
  }

  /** The peer delivered a chunk. */
  forgive(peer: Peer): void {
    peer.busyMs = 0
    peer.suspendMs = 0
  }

  /** The median of the known rates of peers other than `except`, bytes per ms; 0 with fewer than two. */
  medianRate(except: Peer, now: number): number {
    const rates: number[] = []
    for (const peer of this.#peers.values()) {
      const rate = peer === except ? 0 : peer.rate.rate(now)
      if (rate > 0) rates.push(rate)
    }
    if (rates.length < 2) return 0
    rates.sort((left, right) => left - right)
    return rates[rates.length >>> 1] ?? 0
  }

  /** When a peer may be asked again that may not now; Infinity when there is none. Not before that, and seldom sooner. */
  nextReturn(now: number): number {
    if (this.#nextReturn > now) return this.#nextReturn
    this.#nextReturn = Number.POSITIVE_INFINITY
    for (const { busyUntil, suspendedUntil } of this.#peers.values())
      for (const at of [busyUntil, suspendedUntil]) if (at > now) this.#nextReturn = Math.min(this.#nextReturn, at)
    return this.#nextReturn
  }

  /** How many requests the peer may have open, from what it delivers in peerQueueMs. */
  #requestsMax(peer: Peer, least: number, chunkBytes: number, now: number): number {
    const bytes = peer.rate.rate(now) * this.#limits.peerQueueMs + chunkBytes
    const count = Math.floor(bytes / chunkBytes)
    return Math.min(this.#limits.requestsPerPeerMax, Math.max(least, count))
  }
}
