// The scheduler's tables side by side, and the few changes that touch more than one of them. Each table owns its own
// state; this file keeps them in step and decides nothing about whom to ask.

import { Bitfield } from '../base/bitfield.ts'
import { chunkIndex, type PeerId } from '../base/ids.ts'
import { Prng } from '../base/prng.ts'
import { BackOff } from './back-off.ts'
import { ChunkBeginnings } from './chunk-beginnings.ts'
import { ChunkPicker } from './chunk-picker.ts'
import type { Action, Claim, DropReason } from './events.ts'
import type { Limits } from './limits.ts'
import { OriginLeases } from './origin-leases.ts'
import { Outbox } from './outbox.ts'
import { type Peer, PeerTable } from './peer-table.ts'
import { RateMeter } from './rate-meter.ts'
import { RendezvousShare } from './rendezvous.ts'
import { type Request, RequestTable } from './request-table.ts'
import { UploadSlots } from './upload-slots.ts'

export interface OriginPolicy {
  /** Whether the store can be reached at start; originChanged tells of changes. */
  readonly readable: boolean
  readonly mode: 'auto' | 'once' | 'never'
  /** For `auto`: how many copies of the snapshot may leave the origin for the whole swarm. */
  readonly copiesMax: number | 'unlimited'
}

export interface SchedulerInit {
  readonly self: PeerId
  /** Encoded bytes of each chunk. Read, not kept. */
  readonly chunkBytes: ArrayLike<number>
  /** Chunks stored already. Copied. */
  readonly held: Bitfield
  /** Chunks that are asked for before all others, from peers and origin alike. Read, not kept. Default: none. */
  readonly first?: Bitfield
  readonly limits: Limits
  readonly seed: number
  readonly origin: OriginPolicy
  /** Our site. Nodes of other named sites are far: few copies of a chunk should come from them. Default: none. */
  readonly site?: string
}

/** An uplink that carries less than this part of what the origin gives clogs. */
const CLOGGED_FACTOR = 4

export class SwarmState {
  readonly self: PeerId
  readonly limits: Limits
  readonly origin: OriginPolicy
  readonly chunkBytes: Float64Array
  readonly totalBytes: number
  /** The mean, at least 1: the unit in which queue depths are reckoned. */
  readonly chunkBytesMean: number
  readonly random: Prng
  readonly held: Bitfield
  readonly stored: Bitfield
  readonly picker: ChunkPicker
  readonly peers: PeerTable
  readonly requests: RequestTable
  readonly beginnings: ChunkBeginnings
  readonly leases: OriginLeases
  readonly uploads: UploadSlots
  readonly outbox: Outbox
  /** Bytes per ms from the origin and from all peers together. */
  readonly originRate = new RateMeter()
  readonly peersRate = new RateMeter()
  readonly originShare: RendezvousShare
  readonly fetchShare: RendezvousShare
  /** Among the nodes of our site: who brings what only other sites have. */
  readonly siteShare: RendezvousShare
  /** Ours; empty: none, and then nobody is far. */
  readonly site: string
  /** The most that came in at once from the origin, and from origin and peers, bytes per ms. */
  originPeakRate = 0
  peakRate = 0
  /** When the origin last gave clearly more than ever before. */
  originRoseAt = 0
  originReadable: boolean
  /** By the last look: whether the origin is left alone, and whether the last free chunks are left to others. */
  leavesOrigin = false
  leavesLastShares = false
  /** After the origin refused or broke. */
  readonly originBackOff: BackOff
  /** Bytes that left the origin for the whole swarm, as far as we know. */
  originBytes = 0
  /** The most that we sent for a while, bytes per ms: as much as others send, as far as we know. 0: not known. */
  uplinkRate = 0
  bytesHeld = 0
  /** When the last chunk came that we did not hold. */
  lastNewAt = 0
  now = 0
  /** When the first step was. */
  startedAt: number | undefined
  stopping = false
  /** Whether something happened that may allow a new request. */
  dirty = true
  /** Peers that may be asked for more, as far as we know. */
  readonly touched = new Set<Peer>()
  actions: Action[] = []
  /** Chunks that we read from the origin and that no neighbour holds yet. */
  readonly lone: Bitfield
  readonly #originCorrupt = new Map<number, number>()
  readonly #first: Bitfield | undefined

  constructor(init: SchedulerInit) {
    this.self = init.self
    this.limits = init.limits
    this.origin = init.origin
    this.originReadable = init.origin.readable
    this.chunkBytes = Float64Array.from(init.chunkBytes)
    this.totalBytes = this.chunkBytes.reduce((sum, bytes) => sum + bytes, 0)
    const chunkCount = this.chunkBytes.length
    this.chunkBytesMean = Math.max(1, Math.floor(this.totalBytes / Math.max(1, chunkCount)))
    this.random = new Prng(init.seed)
    this.#first = init.first?.copy()
    this.held = init.held.copy()
    this.stored = init.held.copy()
    this.lone = new Bitfield(chunkCount)
    this.picker = new ChunkPicker(chunkCount, this.random, init.first)
    this.peers = new PeerTable(this.limits)
    this.requests = new RequestTable(this.limits)
    this.beginnings = new ChunkBeginnings(this.limits)
    this.leases = new OriginLeases(this.self, chunkCount, this.limits, this.random, init.first)
    this.uploads = new UploadSlots(this.limits)
    this.outbox = new Outbox(this.limits)
    this.originBackOff = new BackOff(this.limits.originBackoffMinMs, this.limits.originBackoffMaxMs)
    const { shareMembersMax } = this.limits
    this.originShare = new RendezvousShare(chunkCount, this.self, shareMembersMax, (chunk) => this.placeOrigin(chunk))
    this.fetchShare = new RendezvousShare(chunkCount, this.self, shareMembersMax, (chunk) =>
      this.picker.setShare(chunk, this.fetchShare.isMine(chunk)),
    )
    this.site = init.site ?? ''
    this.siteShare = new RendezvousShare(chunkCount, this.self, shareMembersMax, (chunk) =>
      this.picker.setBringing(chunk, this.siteShare.isMine(chunk)),
    )
    for (let chunk = 0; chunk < chunkCount; chunk++) {
      this.picker.setShare(chunk, true)
      this.picker.setBringing(chunk, true)
      if (this.held.has(chunk)) this.bytesHeld += this.bytesOf(chunk)
      else this.setWanted(chunk, true)
    }
  }

  get chunkCount(): number {
    return this.chunkBytes.length
  }

  get complete(): boolean {
    return this.held.complete
  }

  get readsOrigin(): boolean {
    return this.originReadable && this.origin.mode !== 'never'
  }

  /** What comes in from the origin at present, bytes per ms. */
  get fromOrigin(): number {
    return this.requests.originCount > 0 ? this.originRate.rate(this.now) : 0
  }

  /** Whether our uplink carries so much less than the origin gives us that others had better read it. False: not known. */
  get uplinkClogs(): boolean {
    return this.uplinkRate > 0 && this.uplinkRate * CLOGGED_FACTOR < this.originRate.rate(this.now)
  }

  isFar(site: string): boolean {
    return this.site !== '' && site !== '' && site !== this.site
  }

  isChunk(chunk: number): boolean {
    return Number.isInteger(chunk) && chunk >= 0 && chunk < this.chunkCount
  }

  bytesOf(chunk: number): number {
    return this.chunkBytes[chunk] ?? 0
  }

  setWanted(chunk: number, wanted: boolean): void {
    const changed = this.picker.setWanted(chunk, wanted)
    this.placeOrigin(chunk)
    if (!wanted || !changed) return
    for (const peer of this.peers.all()) if (peer.have.has(chunk)) this.#offer(peer, chunk)
    this.dirty = true
  }

  placeOrigin(chunk: number): void {
    const needed = this.picker.isWanted(chunk) && this.picker.availability(chunk) === 0
    this.leases.place(chunk, needed, this.originShare.isMine(chunk), this.now)
  }

  /** The peer holds one more chunk. */
  addHave(peer: Peer, chunk: number): void {
    if (!peer.have.add(chunk)) return
    this.lone.remove(chunk)
    if (peer.counted) this.#changeAvailability(peer, chunk, 1)
    if (this.picker.isWanted(chunk)) this.#offer(peer, chunk)
  }

  /** The peer says that it holds a chunk, or said so by having read it from the origin. */
  peerHolds(peer: Peer, chunk: number): void {
    this.addHave(peer, chunk)
    this.leaveOrigin(chunk)
  }

  /** Another node turned out to hold a chunk: the origin is left unless it has sent us much of it, or is read for a copy. */
  leaveOrigin(chunk: number): void {
    if (this.leases.isCopy(chunk)) return
    for (const request of this.requests.of(chunk))
      if (request.peer === null && request.received * 4 < request.bytes) this.yieldRequest(request)
  }

  /** The peer holds what comes first, and may be asked for it, whatever it shows. */
  expectFirst(peer: Peer): void {
    for (const chunk of this.#first ?? []) this.addHave(peer, chunk)
  }

  /** What a new peer holds already. */
  offerAll(peer: Peer): void {
    for (const chunk of peer.have) if (this.picker.isWanted(chunk)) this.#offer(peer, chunk)
  }

  /** A peer spoke of chunks that do not exist or that it lacks; one that leaves may. False: it is not, or no longer, here. */
  strikeForLying(peer: Peer): boolean {
    const isHere = this.peers.find(peer.id) === peer
    if (peer.progress === 'leaving' || ++peer.lyingStrikes < this.limits.lyingStrikesMax || !isHere) return isHere
    this.dropPeer(peer, 'lying')
    return false
  }

  removeHave(peer: Peer, chunk: number): void {
    if (peer.have.remove(chunk) && peer.counted) this.#changeAvailability(peer, chunk, -1)
  }

  /** Whether the chunks of a peer count as available. One pass over what it holds. */
  setCounted(peer: Peer, counted: boolean): void {
    if (peer.counted === counted) return
    peer.counted = counted
    for (const chunk of peer.have) this.#changeAvailability(peer, chunk, counted ? 1 : -1)
    this.touch(peer)
  }

  openRequest(chunk: number, peer: Peer | null): void {
    const beginning = this.beginnings.take(chunk, peer?.id ?? null)
    const request = this.requests.open(chunk, peer, this.bytesOf(chunk), this.now, beginning)
    this.#trimBeginnings()
    this.setWanted(chunk, false)
    if (peer === null) {
      this.originRate.start(this.now)
      const isCopy = this.picker.availability(chunk) > 0
      this.tell(this.leases.take(chunk, isCopy, this.originRate.rate(this.now), this.expectedOriginMs(), this.now))
    } else this.peersRate.start(this.now)
    const from = peer === null ? ORIGIN : { kind: 'peer' as const, peer: peer.id }
    const { id, offset } = request
    this.actions.push({ type: 'requestChunk', request: id, chunk: chunkIndex(chunk), from, offset })
  }

  /** Gives up an open request. Its chunk is wanted again once the shell has closed it and we know how much is here. */
  cancelRequest(request: Request): void {
    this.requests.cancel(request, this.now)
    this.actions.push({ type: 'cancelRequest', request: request.id })
    this.#leftSource(request)
  }

  /** Gives up an open request for what another holds or pulls. Our word stands: until it ends it keeps the rest away. */
  yieldRequest(request: Request): void {
    this.leases.forgetLease(request.chunk)
    this.cancelRequest(request)
  }

  /** Takes out a request that the shell has closed. Its chunk is wanted again unless held or asked for elsewhere. */
  closeRequest(request: Request): void {
    const { chunk } = request
    this.requests.close(request, this.now)
    if (!request.cancelled) this.#leftSource(request)
    this.#wantAgain(chunk)
    this.dirty = true
  }

  /** Waits no longer for the shell to close what was cancelled before `time`: a read may hang for ever. */
  giveUpUnclosed(time: number): void {
    for (const chunk of this.requests.unclosed(time)) this.#wantAgain(chunk)
  }

  /** Keeps what arrived of a closed request for the next, as the shell did, or has the shell drop it. */
  keepBeginning(request: Request): void {
    const { chunk, senders } = request
    const bytes = request.offset + request.received
    if (bytes <= this.beginnings.bytesOf(chunk)) return
    if (this.held.has(chunk) || this.stopping || !this.beginnings.accepts(chunk, senders)) {
      this.beginnings.remove(chunk)
      this.#orderDrop(chunk)
      return
    }
    if (request.peer === null) this.originBytes += request.received
    this.beginnings.keep(chunk, { bytes, memoryBytes: this.bytesOf(chunk), senders })
    this.#trimBeginnings()
  }

  dropBeginning(chunk: number): void {
    if (this.beginnings.remove(chunk)) this.#orderDrop(chunk)
  }

  /** Something changed that may allow a request to the peer. */
  touch(peer: Peer): void {
    this.touched.add(peer)
    this.dirty = true
  }

  /** How long one more chunk takes from the origin behind those that are open, in ms; 0 when unknown. */
  expectedOriginMs(): number {
    const rate = this.originRate.rate(this.now)
    if (rate === 0) return 0
    return Math.ceil((this.chunkBytesMean * (this.requests.originCount + 1)) / rate)
  }

  tell(claim: Claim | undefined): void {
    if (claim !== undefined) this.outbox.addOwnClaim(claim)
  }

  /** The origin does not have the chunk, or `corrupt`: sent wrong bytes, which counts as that after some times. */
  originFailed(chunk: number, corrupt: boolean): void {
    const times = (this.#originCorrupt.get(chunk) ?? 0) + 1
    if (corrupt) this.#originCorrupt.set(chunk, times)
    if (!corrupt || times >= this.limits.originCorruptMax) this.leases.absent.add(chunk)
    this.placeOrigin(chunk)
  }

  setOriginReadable(readable: boolean): void {
    this.originReadable = readable
    this.originBackOff.end()
    this.dirty = true
    if (!readable) return
    this.#originCorrupt.clear()
    for (const chunk of this.leases.absent) {
      this.leases.absent.remove(chunk)
      this.placeOrigin(chunk)
    }
  }

  /** Takes the peer out of every table. Its open requests are given up; the shell closes them. */
  removePeer(peer: Peer): void {
    for (const request of [...this.requests.all()]) if (request.peer === peer) this.cancelRequest(request)
    this.setCounted(peer, false)
    this.peers.remove(peer.id)
    this.touched.delete(peer)
    this.uploads.clear(peer.id)
    this.fetchShare.remove(peer.id)
    this.siteShare.remove(peer.id)
    this.originShare.remove(peer.id)
    for (const chunk of this.leases.forgetHolder(peer.id, this.now)) this.placeOrigin(chunk)
    this.countStrangers()
  }

  dropPeer(peer: Peer, reason: DropReason): void {
    this.peers.ban(peer.id, reason)
    this.removePeer(peer)
    this.actions.push({ type: 'dropPeer', peer: peer.id, reason })
  }

  countStrangers(): void {
    this.leases.setStrangers((holder) => this.peers.find(holder) !== undefined)
  }

  #offer(peer: Peer, chunk: number): void {
    if (this.#first?.has(chunk) === true) peer.firstOffers.add(chunk)
    else peer.offers.add(chunk)
    this.touch(peer)
  }

  #changeAvailability(peer: Peer, chunk: number, by: 1 | -1): void {
    this.picker.changeAvailability(chunk, by, peer.isFar)
    // The first holder came, or the last one went: the origin's part in the chunk changes with no other.
    if (this.picker.availability(chunk) === (by === 1 ? 1 : 0)) this.placeOrigin(chunk)
  }

  #leftSource(request: Request): void {
    if (request.peer === null) this.originRate.stop(this.now)
    else {
      this.peersRate.stop(this.now)
      this.touch(request.peer)
    }
    const { chunk } = request
    if (request.peer === null && !this.held.has(chunk)) this.tell(this.leases.end(chunk, 'dropped'))
  }

  #wantAgain(chunk: number): void {
    if (!this.held.has(chunk) && this.requests.of(chunk).length === 0) this.setWanted(chunk, true)
  }

  #trimBeginnings(): void {
    for (const chunk of this.beginnings.trim(this.requests.memoryBytes)) this.#orderDrop(chunk)
  }

  #orderDrop(chunk: number): void {
    this.actions.push({ type: 'dropBeginning', chunk: chunkIndex(chunk) })
  }
}

const ORIGIN = { kind: 'origin' } as const
