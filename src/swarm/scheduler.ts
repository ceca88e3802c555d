// The scheduler: events in, actions out. It knows no clock, no sockets and no chance but its seed, so that the same
// constructor arguments and events give the same actions, byte for byte. It takes events in and calls the policies that
// decide whom to ask; time limits leave only by nextDeadline().

import type { Bitfield } from '../base/bitfield.ts'
import { invariant, unreachable } from '../base/errors.ts'
import { type ChunkIndex, chunkIndex, type Micros, micros } from '../base/ids.ts'
import { ClaimPolicy } from './claim-policy.ts'
import type { Action, Event, PeerProgress, SwarmStatus } from './events.ts'
import { FailurePolicy } from './failure-policy.ts'
import { greet } from './greeting.ts'
import { InjectionPolicy } from './injection-policy.ts'
import { OriginPolicyDecider } from './origin-policy.ts'
import { PeerPolicy } from './peer-policy.ts'
import type { Peer } from './peer-table.ts'
import { type SchedulerInit, SwarmState } from './swarm-state.ts'
import { UploadPolicy } from './upload-policy.ts'

type EventOf<Type extends Event['type']> = Extract<Event, { readonly type: Type }>

export class Scheduler {
  readonly #state: SwarmState
  readonly #originPolicy: OriginPolicyDecider
  readonly #peerPolicy: PeerPolicy
  readonly #failurePolicy: FailurePolicy
  readonly #uploadPolicy: UploadPolicy
  readonly #claimPolicy: ClaimPolicy
  readonly #injection: InjectionPolicy
  /** 0 until the first step: the shell begins with a wake. */
  #deadline: number | null = 0
  #tickAt = 0
  #findPeersAt = 0
  #saidComplete = false

  constructor(init: SchedulerInit) {
    for (const set of [init.held, init.first]) {
      invariant(
        set === undefined || set.size === init.chunkBytes.length,
        'a set of chunks and their sizes differ in length',
      )
    }
    this.#state = new SwarmState(init)
    this.#originPolicy = new OriginPolicyDecider(this.#state)
    this.#peerPolicy = new PeerPolicy(this.#state)
    this.#failurePolicy = new FailurePolicy(this.#state)
    this.#uploadPolicy = new UploadPolicy(this.#state)
    this.#claimPolicy = new ClaimPolicy(this.#state)
    this.#injection = new InjectionPolicy(this.#state)
  }

  /** Applies one event. Returns what the shell must do, in this order. `now` never goes back. Never throws for what a peer did. */
  step(event: Event, now: Micros): readonly Action[] {
    const state = this.#state
    invariant(now >= state.now, `time went back from ${state.now} to ${now}`)
    state.now = now
    state.startedAt ??= now
    state.actions = []
    this.#apply(event)
    if (now >= this.#tickAt) this.#tick()
    if (this.#deadline !== null && now >= this.#deadline) this.#touchAll()
    if (state.dirty && !state.stopping) this.#fill()
    this.#findPeers()
    this.#finish()
    state.outbox.flush(now, () => state.peers.ids(), state.random, state.actions)
    this.#deadline = this.#nextDeadline()
    return state.actions
  }

  /** When a `wake` is due, or null: nothing will happen without another event. Changes with every step. */
  nextDeadline(): Micros | null {
    return this.#deadline === null ? null : micros(this.#deadline)
  }

  /** What a new neighbour may be told that we hold; more follows by `tellHave`. Borrowed until the next step. */
  advertised(): Bitfield {
    return this.#injection.advertised()
  }

  /** Figures for people. Nothing in here decides by them. Costs one pass over the chunks that the origin lacks. */
  status(): SwarmStatus {
    const { held, stored, requests, leases, peers, picker, now } = this.#state
    const unobtainable: ChunkIndex[] = []
    for (const chunk of leases.absent) {
      if (!held.has(chunk) && picker.availability(chunk) === 0) unobtainable.push(chunkIndex(chunk))
    }
    return {
      chunksWanted: held.size,
      chunksHeld: held.count,
      chunksStored: stored.count,
      bytesHeld: this.#state.bytesHeld,
      requestsOpen: requests.openCount,
      originRequestsOpen: requests.originCount,
      unobtainable,
      peers: Array.from(peers.all(), (peer) => ({
        peer: peer.id,
        progress: peer.progress,
        chunksHeld: peer.have.count,
        requestsOpen: peer.open,
        rateFromPeer: peer.rate.rate(now),
      })),
    }
  }

  #apply(event: Event): void {
    switch (event.type) {
      case 'peerUp':
        this.#peerUp(event)
        break
      case 'peerHas':
        this.#peerHas(event)
        break
      case 'peerStatus':
        this.#peerStatus(event)
        break
      case 'peerDown':
        this.#peerDown(event)
        break
      case 'claimsHeard':
        this.#claimPolicy.heard(event.from, event.claims)
        break
      case 'requestProgress':
        this.#requestProgress(event)
        break
      case 'chunkVerified':
        this.#chunkVerified(event)
        break
      case 'requestFailed':
        this.#failurePolicy.failed(event.request, event.reason)
        break
      case 'chunkStored':
        this.#chunkStored(event)
        break
      case 'chunkLost':
        this.#chunkLost(event)
        break
      case 'chunkAsked':
        this.#uploadPolicy.asked(event.ask, event.peer, event.chunk)
        break
      case 'askCancelled':
        this.#state.uploads.cancel(event.ask)
        break
      case 'chunkServed':
        this.#chunkServed(event)
        break
      case 'originChanged':
        this.#state.setOriginReadable(event.readable)
        break
      case 'wake':
        break
      case 'stop':
        this.#stop()
        break
      default:
        unreachable(event)
    }
  }

  #peerUp(event: EventOf<'peerUp'>): void {
    const state = this.#state
    if (state.peers.find(event.peer) !== undefined || event.peer === state.self) return
    const reason = state.peers.bannedFor(event.peer) ?? (state.peers.full ? 'crowded' : undefined)
    if (reason !== undefined) {
      state.actions.push({ type: 'dropPeer', peer: event.peer, reason })
      return
    }
    const peer = state.peers.add(event, state.isFar(event.site), state.chunkCount, state.now)
    state.setCounted(peer, true)
    state.offerAll(peer)
    if (event.holdsAll) state.expectFirst(peer)
    if (peer.have.complete) peer.progress = 'done'
    else {
      state.fetchShare.add(peer.id)
      if (state.site !== '' && !peer.isFar) state.siteShare.add(peer.id)
      if (peer.readsOrigin) state.originShare.add(peer.id)
    }
    state.countStrangers()
    greet(state, peer, this.#progress())
    this.#injection.peerUp(peer)
    for (const request of [...state.requests.all()])
      if (peer.have.has(request.chunk)) this.#state.leaveOrigin(request.chunk)
  }

  #chunkServed(event: EventOf<'chunkServed'>): void {
    const ask = this.#uploadPolicy.served(event.ask, event.outcome, event.bytes)
    if (ask !== undefined) this.#injection.served(ask.peer, ask.chunk, event.outcome === 'sent')
  }

  #peerHas(event: EventOf<'peerHas'>): void {
    const state = this.#state
    const peer = state.peers.find(event.peer)
    if (peer === undefined) return
    peer.lastWordAt = state.now
    for (const chunk of event.chunks) {
      if (state.isChunk(chunk)) state.peerHolds(peer, chunk)
      else if (!state.strikeForLying(peer)) return
    }
  }

  #peerStatus(event: EventOf<'peerStatus'>): void {
    const state = this.#state
    const peer = state.peers.find(event.peer)
    if (peer === undefined) return
    peer.progress = event.progress
    if (event.progress === 'partial') return
    state.fetchShare.remove(peer.id)
    state.siteShare.remove(peer.id)
    state.originShare.remove(peer.id)
    if (event.progress === 'leaving') {
      state.setCounted(peer, false)
      return
    }
    this.#injection.peerDone()
    for (let chunk = 0; chunk < state.chunkCount; chunk++) state.addHave(peer, chunk)
  }

  #peerDown(event: EventOf<'peerDown'>): void {
    const peer = this.#state.peers.find(event.peer)
    if (peer === undefined) return
    this.#state.removePeer(peer)
    this.#injection.peerDown(peer.id)
    this.#findPeersAt = Math.min(this.#findPeersAt, this.#state.now)
  }

  #requestProgress(event: EventOf<'requestProgress'>): void {
    const { requests, originRate, peersRate, now } = this.#state
    const request = requests.find(event.request)
    if (request === undefined) return
    requests.progress(request, event.bytes, now)
    if (request.cancelled) return
    if (request.peer === null) {
      originRate.add(event.bytes, now)
      this.#state.dirty = true
      return
    }
    peersRate.add(event.bytes, now)
    request.peer.rate.add(event.bytes, now)
    request.peer.lastByteAt = now
    request.peer.proven = true
  }

  #chunkVerified(event: EventOf<'chunkVerified'>): void {
    const state = this.#state
    const request = state.requests.find(event.request)
    if (request === undefined) return
    const { chunk, peer } = request
    const isNew = state.held.add(chunk)
    state.closeRequest(request)
    if (peer === null) state.originBackOff.delivered()
    else this.#delivered(peer)
    if (!isNew) return
    state.bytesHeld += state.bytesOf(chunk)
    state.lastNewAt = state.now
    state.requests.keep(chunk, state.bytesOf(chunk))
    state.dropBeginning(chunk)
    state.setWanted(chunk, false)
    if (peer === null) {
      state.originBytes += request.bytes
      if (state.picker.availability(chunk) === 0) state.lone.add(chunk)
    }
    state.tell(state.leases.end(chunk, peer === null ? 'held' : 'dropped'))
    state.leases.forgetChunk(chunk)
    state.outbox.addHave(chunkIndex(chunk), state.now)
    for (const other of state.requests.of(chunk)) state.cancelRequest(other)
  }

  /** A suspended peer counts again once it has delivered. */
  #delivered(peer: Peer): void {
    const { peers } = this.#state
    peers.forgive(peer)
    if (peers.find(peer.id) === peer && peer.progress !== 'leaving') this.#state.setCounted(peer, true)
  }

  #chunkStored(event: EventOf<'chunkStored'>): void {
    const { held, stored, requests } = this.#state
    if (!this.#state.isChunk(event.chunk) || !held.has(event.chunk)) return
    requests.stored(event.chunk)
    stored.add(event.chunk)
    this.#state.dirty = true
  }

  #chunkLost(event: EventOf<'chunkLost'>): void {
    const state = this.#state
    const { chunk } = event
    if (!state.isChunk(chunk) || !state.held.remove(chunk)) return
    state.stored.remove(chunk)
    state.lone.remove(chunk)
    state.requests.stored(chunk)
    state.bytesHeld -= state.bytesOf(chunk)
    state.setWanted(chunk, true)
    this.#uploadPolicy.refuseWaiting((ask) => ask.chunk === chunk, 'missing')
  }

  #stop(): void {
    const state = this.#state
    if (state.stopping) return
    state.stopping = true
    for (const request of [...state.requests.all()]) state.cancelRequest(request)
    this.#uploadPolicy.refuseWaiting(() => true, 'stopping')
    this.#tellStatus('leaving')
  }

  #tick(): void {
    const state = this.#state
    const tickUs = state.limits.tickMs * 1000
    this.#tickAt = state.now + tickUs
    state.giveUpUnclosed(state.now - tickUs)
    for (const chunk of state.leases.expired(state.now)) state.placeOrigin(chunk)
    for (const request of state.requests.all()) {
      const alive = request.peer === null && state.now - request.lastByteAt < state.limits.stallMs * 1000
      if (alive) state.tell(state.leases.refresh(request.chunk, state.originRate.rate(state.now), state.now))
    }
    this.#peerPolicy.watch()
    this.#originPolicy.watch()
    this.#injection.watch()
    this.#uploadPolicy.watch()
    this.#touchAll()
  }

  #touchAll(): void {
    for (const peer of this.#state.peers.all()) this.#state.touch(peer)
    this.#state.dirty = true
  }

  #fill(): void {
    this.#state.dirty = false
    if (this.#state.complete) return
    this.#originPolicy.fill()
    this.#peerPolicy.fill()
  }

  #findPeers(): void {
    const { now, limits, peers, actions } = this.#state
    if (!this.#wantsPeers() || now < this.#findPeersAt) return
    this.#findPeersAt = now + limits.findPeersEveryMs * 1000
    if (peers.count < limits.neighboursWanted) actions.push({ type: 'findPeers' })
  }

  #wantsPeers(): boolean {
    return !this.#state.complete && !this.#state.stopping
  }

  #finish(): void {
    const { stored, actions } = this.#state
    if (this.#saidComplete || !stored.complete) return
    this.#saidComplete = true
    this.#tellStatus('done')
    actions.push({ type: 'complete' })
  }

  #progress(): PeerProgress {
    if (this.#state.stopping) return 'leaving'
    return this.#saidComplete && this.#state.complete && !this.#injection.isActive ? 'done' : 'partial'
  }

  #tellStatus(progress: PeerProgress): void {
    const to = this.#state.peers.ids()
    if (to.length > 0) this.#state.actions.push({ type: 'tellStatus', progress, to })
  }

  #nextDeadline(): number | null {
    const { now, outbox, peers, uploads, originBackOff } = this.#state
    let next = outbox.nextDeadline() ?? Number.POSITIVE_INFINITY
    if (this.#wantsPeers()) {
      next = Math.min(next, this.#findPeersAt, this.#tickAt, peers.nextReturn(now))
      if (originBackOff.until > now) next = Math.min(next, originBackOff.until)
    }
    if ((this.#injection.isActive && peers.count > 0) || uploads.waiting > 0) next = Math.min(next, this.#tickAt)
    return next === Number.POSITIVE_INFINITY ? null : next
  }
}
