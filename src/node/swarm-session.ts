// This node among its peers: the exchange, who is connected, and what they said before the snapshot was known here.
// The driver is attached once there is a manifest; until then only objects of the manifest are asked for and given.

import { setTimeout as delay } from 'node:timers/promises'
import { SwarmError } from '../base/errors.ts'
import { hashToId } from '../base/hash.ts'
import type { ObjectId, PeerId, Root } from '../base/ids.ts'
import { AGENT_VERSION } from '../base/version.ts'
import { openTransportCalls } from '../codec/transport-calls.ts'
import type { DiscoveredPeer, Discovery } from '../discovery/discovery.ts'
import { createExchange, type Exchange, type PeerInfo } from '../exchange/exchange.ts'
import type { PlaceFacts } from '../exchange/libp2p-node.ts'
import type { PeerMessage } from '../exchange/messages.ts'
import { ChunkServing } from './chunk-serving.ts'
import { Dialer } from './dialer.ts'
import type { Driver } from './driver.ts'
import { MEET_PEERS_MS, OBJECT_REQUEST_MS } from './limits.ts'
import type { ManifestObjects } from './manifest-objects.ts'
import { type Participants, PeerStarts } from './peer-starts.ts'

/** Messages of one peer that are kept until the manifest is known; more means that it is not well-behaved. */
const EARLY_MESSAGES_MAX = 10_000
const NEIGHBOURS_MAX = 48

export interface SessionInit {
  readonly swarmKey: Uint8Array
  readonly root: Root
  readonly privateKey?: Uint8Array
  readonly listen: readonly string[]
  readonly listenIsDefault: boolean
  readonly announce: readonly string[]
  readonly place?: PlaceFacts
  /** Whether this node reads chunks from a store. */
  readonly readsOrigin: boolean
  /** Empty: none. */
  readonly site: string
  readonly log: (text: string) => void
}

interface Peer {
  readonly info: PeerInfo
  readsOrigin: boolean
  holdsAll: boolean
  site: string
  progress: 'partial' | 'done' | 'leaving'
  /** When `progress` or the peer's chunks last changed, monotonic ms. */
  changedAtMs: number
  early: PeerMessage[]
}

export class SwarmSession {
  readonly objects: ManifestObjects = new Map()
  readonly #init: SessionInit
  readonly #peers = new Map<PeerId, Peer>()
  readonly #starts = new PeerStarts()
  #exchange: Exchange | undefined
  #serving: ChunkServing | undefined
  #dialer: Dialer | undefined
  #driver: Driver | undefined
  #complete = false
  #peersSeen = 0
  /** Aborted when a peer is admitted. */
  readonly #waits = new Set<AbortController>()
  #closed = false
  #discoveries: readonly Discovery[] = []
  #firstLooks: Promise<unknown> = Promise.resolve()

  private constructor(init: SessionInit) {
    this.#init = init
  }

  /** Starts listening. Throws `usage` or `networkUnavailable` when that is not possible. */
  static async open(init: SessionInit): Promise<SwarmSession> {
    const session = new SwarmSession(init)
    const { swarmKey, listen, listenIsDefault, announce, log, privateKey } = init
    session.#exchange = await createExchange({
      swarmKey,
      listen,
      listenIsDefault,
      announce,
      place: init.place,
      transport: openTransportCalls(),
      log,
      agentVersion: AGENT_VERSION,
      ...(privateKey === undefined ? {} : { privateKey }),
      handlers: {
        peerUp: (peer, info) => session.#peerUp(peer, info),
        peerDown: (peer) => session.#peerDown(peer),
        message: (peer, message) => session.#message(peer, message),
        asked: (peer, ask) => session.#asked(peer, ask),
        askCancelled: (ask) => session.#driver?.askCancelled(ask),
        peersHeard: (candidates) => {
          for (const { addresses } of candidates) session.dialer.add(addresses)
        },
        reachabilityChanged: () => void session.#announce(),
      },
    })
    session.#serving = new ChunkServing(session.#exchange)
    session.#dialer = new Dialer(session.#exchange, NEIGHBOURS_MAX, log)
    return session
  }

  get exchange(): Exchange {
    return present(this.#exchange)
  }

  get serving(): ChunkServing {
    return present(this.#serving)
  }

  get dialer(): Dialer {
    return present(this.#dialer)
  }

  /** Empty: none. */
  get site(): string {
    return this.#init.site
  }

  /** Peers connected now. */
  get peerCount(): number {
    return this.#peers.size
  }

  /** Distinct admissions so far. */
  get peersSeen(): number {
    return this.#peersSeen
  }

  /** Ids, addresses and progress of the peers connected now. */
  peers(): { peer: PeerId; address: string; progress: Peer['progress']; idleMs: number }[] {
    const now = performance.now()
    return [...this.#peers].map(([peer, { info, progress, holdsAll, changedAtMs }]) => ({
      peer,
      address: info.address,
      progress: progress === 'partial' && holdsAll ? 'done' : progress,
      idleMs: now - changedAtMs,
    }))
  }

  /** With whom this node has been at it so far. Not known where there may be nodes that it was not connected to. */
  participants(): Participants {
    const found = this.#starts.participants(this.#peers.keys())
    return { ...found, isKnown: found.isKnown && found.peers.length < NEIGHBOURS_MAX }
  }

  /** Gives the driver what peers said so far, and tells them what this node has. */
  attach(driver: Driver): void {
    this.#driver = driver
    for (const [peer, state] of this.#peers) {
      this.exchange.send(peer, { type: 'haveAll', bitfield: driver.bitfield() })
      const { early } = state
      state.early = []
      for (const message of early) this.#deliver(peer, state, message)
    }
  }

  /** Starts every discovery and tells them about this node, now and whenever its reachability changes. */
  async discover(discoveries: readonly Discovery[]): Promise<void> {
    this.#discoveries = discoveries
    await this.#announce()
    const take = (candidates: readonly DiscoveredPeer[]): void => {
      for (const { addresses } of candidates) this.dialer.add(addresses)
    }
    this.#firstLooks = Promise.all(discoveries.map((discovery) => discovery.start(take)))
  }

  /**
   * Resolves when the nodes that the first look found are connected or did not answer, at the latest after
   * MEET_PEERS_MS. What they hold or pull need not be read from the store again.
   */
  async meetPeers(signal: AbortSignal): Promise<void> {
    const met = this.#firstLooks.then(() => this.dialer.idle())
    await Promise.race([met, delay(MEET_PEERS_MS, undefined, { signal, ref: false }).catch(() => undefined)])
    signal.throwIfAborted()
  }

  /** Resolves as soon as a peer is connected, at the latest after `ms`. */
  async firstPeer(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#peers.size > 0) return
    const wait = new AbortController()
    this.#waits.add(wait)
    await delay(ms, undefined, { signal: AbortSignal.any([signal, wait.signal]) }).catch(() => undefined)
    this.#waits.delete(wait)
    signal.throwIfAborted()
  }

  lookForPeers(): void {
    for (const discovery of this.#discoveries) discovery.look()
  }

  /** From now on new peers are told that this node has everything. */
  markComplete(): void {
    this.#complete = true
  }

  /**
   * An object of the manifest from any connected peer, checked against its id. Undefined when none of them has it now;
   * peers that send something else are dropped.
   */
  async fetchObject(id: ObjectId, bytesMax: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const peers = [...this.#peers].sort(([, a], [, b]) => rank(a) - rank(b)).map(([peer]) => peer)
    for (const peer of peers) {
      const into = Buffer.allocUnsafeSlow(bytesMax)
      const limit = AbortSignal.any([signal, AbortSignal.timeout(OBJECT_REQUEST_MS)])
      const outcome = await this.exchange.request(peer, { object: id }, 0, into, { signal: limit })
      signal.throwIfAborted()
      if (outcome.status !== 'ok') continue
      const object = into.subarray(0, outcome.bytes)
      if (hashToId(object) === id) return Buffer.from(object)
      this.exchange.drop(peer, `sent wrong bytes for manifest object ${id}`)
    }
    return undefined
  }

  async #announce(): Promise<void> {
    const presence = { record: await this.exchange.record(), reachable: this.exchange.reachable }
    for (const discovery of this.#discoveries) discovery.announce(presence)
  }

  /** Takes leave of everyone. May be called more than once. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const leaving = this.#discoveries.map((discovery) => discovery.stop())
    this.#dialer?.stop()
    await this.#driver?.stop()
    await this.#exchange?.stop()
    await Promise.all(leaving)
  }

  #peerUp(peer: PeerId, info: PeerInfo): void {
    this.#peersSeen++
    this.#peers.set(peer, {
      info,
      readsOrigin: false,
      holdsAll: false,
      site: '',
      progress: 'partial',
      changedAtMs: performance.now(),
      early: [],
    })
    const holdsAll = this.#complete
    const progress = holdsAll && this.#driver?.showsAll !== false ? 'done' : 'partial'
    this.exchange.send(peer, {
      type: 'status',
      progress,
      readsOrigin: this.#init.readsOrigin,
      holdsAll,
      site: this.#init.site,
    })
    if (this.#driver !== undefined) this.exchange.send(peer, { type: 'haveAll', bitfield: this.#driver.bitfield() })
    for (const wait of this.#waits) wait.abort()
  }

  #peerDown(peer: PeerId): void {
    this.#peers.delete(peer)
    this.#driver?.peerDown(peer)
  }

  #message(peer: PeerId, message: PeerMessage): void {
    const state = this.#peers.get(peer)
    if (state === undefined) return
    if (message.type === 'status') {
      state.readsOrigin = message.readsOrigin
      state.holdsAll = message.holdsAll
      state.site = message.site
      state.progress = message.progress
      if (message.progress === 'done') this.#starts.finished(peer)
    }
    if (message.type === 'haveAll') {
      this.#starts.told(peer, message.bitfield, state, performance.now())
    }
    if (message.type !== 'claims') state.changedAtMs = performance.now()
    if (this.#driver !== undefined) this.#deliver(peer, state, message)
    else if (state.early.length < EARLY_MESSAGES_MAX) state.early.push(message)
    else this.exchange.drop(peer, 'it sends too much before the snapshot is known here')
  }

  #deliver(peer: PeerId, state: Peer, message: PeerMessage): void {
    if (message.type === 'haveAll') this.#driver?.peerHaves(peer, message.bitfield, state)
    else this.#driver?.message(peer, message)
  }

  #asked(peer: PeerId, ask: Parameters<ChunkServing['hold']>[0]): void {
    if ('object' in ask.target) this.serving.serveObject(ask, this.objects)
    else if (this.#driver === undefined) this.serving.refuse(ask.ask, 'missing')
    else this.#driver.asked(peer, ask)
  }
}

/** Who probably has the manifest comes first. */
function rank(peer: Peer): number {
  if (peer.progress === 'done' || peer.holdsAll) return 0
  return peer.early.some((message) => message.type === 'haveAll') ? 1 : 2
}

function present<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new SwarmError('internal', 'the session is not open')
  return value
}
