// The peer-to-peer side of a node as the hub sees it: admitted peers, their messages, requests both ways. Decides
// nothing about chunks; every byte and every message belongs to a peer that proved membership.

import { randomBytes } from 'node:crypto'
import { generateKeyPair, privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import type { Libp2p } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { describeError, SwarmError } from '../base/errors.ts'
import { type AskId, askId, type PeerId, peerId } from '../base/ids.ts'
import { hostOf, parseAddress, peerOf, sortForDial } from './addresses.ts'
import { type AdmissionOutcome, Admissions, type Admitted } from './admission.ts'
import { DATA_CAPABILITY, DataConnector } from './data-connector.ts'
import { Introductions } from './introductions.ts'
import { type PlaceFacts, startNode, type TransportCalls } from './libp2p-node.ts'
import { DIAL_TIMEOUT_MS, STRIKES_MAX } from './limits.ts'
import { deriveSecrets } from './membership.ts'
import { type PeerMessage, type RefuseReason, splitMessage, type Target } from './messages.ts'
import type { RequestOutcome } from './open-requests.ts'
import { type LinkEnd, type LinkMessage, PeerLink, type RequestOptions } from './peer-link.ts'
import { PeerTable } from './peer-table.ts'
import type { Candidate } from './records.ts'

export interface PeerInfo {
  readonly capabilities: readonly string[]
  readonly agentVersion: string
  /** Whether the peer listens for connections; not whether it can be reached. */
  readonly listens: boolean
  /** Whether this node dialled. */
  readonly dialled: boolean
  /** Where the connection leads, as a multiaddr. */
  readonly address: string
}

export interface Ask {
  readonly ask: AskId
  readonly target: Target
  readonly offset: number
  /** At most so many bytes are wanted. */
  readonly length: number
}

/** Why a peer is gone. */
export type PeerDownReason = LinkEnd | 'dropped' | 'stopped'

/** What the exchange reports. Handlers run inside its event handling: they must not throw and should return soon. */
export interface ExchangeHandlers {
  peerUp(peer: PeerId, info: PeerInfo): void
  /** The peer's open requests and asks have been closed before. */
  peerDown(peer: PeerId, reason: PeerDownReason): void
  message(peer: PeerId, message: PeerMessage): void
  /** Wants exactly one `serve` or `refuse`, unless `askCancelled` comes first. */
  asked(peer: PeerId, ask: Ask): void
  /** The ask is closed; serving it does nothing any more. */
  askCancelled(ask: AskId): void
  /** Nodes that others say can be dialled. Filtered and limited in rate, but not dialled and not proved. */
  peersHeard(candidates: readonly Candidate[]): void
  /** `reachable` or `record()` have changed. */
  reachabilityChanged?(): void
}

export interface ExchangeInit {
  /** libp2p's protobuf form of an Ed25519 key; default: a new identity. */
  readonly privateKey?: Uint8Array
  /** 32 bytes. */
  readonly swarmKey: Uint8Array
  /** Multiaddrs; empty: dial only. */
  readonly listen: readonly string[]
  /** Whether nobody asked for `listen`, so that the next free port will do. */
  readonly listenIsDefault: boolean
  /** Multiaddrs at which a person says this node can be reached, besides those listened on. */
  readonly announce: readonly string[]
  /** Default: nothing is known of where this machine is. */
  readonly place?: PlaceFacts | undefined
  /** Default: none; frames then cost twice as much, and the system queues what it likes. */
  readonly transport?: TransportCalls | undefined
  readonly capabilities?: readonly string[]
  readonly agentVersion?: string
  readonly handlers: ExchangeHandlers
  readonly log: (text: string) => void
  /** Monotonic clock in ms; default: the process's own. */
  readonly nowMs?: () => number
  /** Uniform in [0, 1); default Math.random. */
  readonly random?: () => number
}

export type DialOutcome =
  | { readonly status: 'connected'; readonly peer: PeerId }
  | {
      /** `unreachable`: nobody answered. Otherwise somebody did, and is not one of us. */
      readonly status: 'unreachable' | Exclude<AdmissionOutcome['status'], 'admitted'>
      readonly message: string
    }

/**
 * Starts a node and its listeners.
 * @throws SwarmError `usage` for a bad address or key, `networkUnavailable` when it cannot listen.
 */
export async function createExchange(init: ExchangeInit): Promise<Exchange> {
  const privateKey = init.privateKey === undefined ? await generateKeyPair('Ed25519') : parsePrivateKey(init.privateKey)
  const { listen, listenIsDefault, announce, place, transport } = init
  const data = transport?.openDataPlane === undefined ? undefined : new DataConnector(transport.openDataPlane)
  try {
    const node = await startNode({ privateKey, listen, listenIsDefault, announce, place, transport, data })
    const exchange = new Exchange(init, node, privateKey, data)
    await exchange.start()
    return exchange
  } catch (error) {
    data?.close()
    throw error
  }
}

function parsePrivateKey(bytes: Uint8Array) {
  try {
    return privateKeyFromProtobuf(bytes)
  } catch (cause) {
    throw new SwarmError('usage', 'reading the node identity: not a libp2p private key', { blame: 'caller', cause })
  }
}

export class Exchange {
  readonly peerId: PeerId
  readonly #init: ExchangeInit
  readonly #node: Libp2p
  readonly #data: DataConnector | undefined
  readonly #table: PeerTable<PeerLink>
  readonly #admissions: Admissions
  readonly #introductions: Introductions
  readonly #askLinks = new Map<AskId, PeerLink>()
  readonly #dropped = new Set<PeerId>()
  #nextAsk = 1
  #wastedBytes = 0
  #stopping = false

  /** Use `createExchange`. */
  constructor(
    init: ExchangeInit,
    node: Libp2p,
    privateKey: ReturnType<typeof parsePrivateKey>,
    data: DataConnector | undefined,
  ) {
    this.#init = init
    this.#node = node
    this.#data = data
    this.peerId = peerId(node.peerId.toString())
    const secrets = deriveSecrets(init.swarmKey)
    this.#table = new PeerTable(this.peerId, {
      up: (link) => this.#up(link),
      down: (peer, reason) => this.#down(peer, reason),
      isPending: (peer) => this.#admissions.isPending(peer),
    })
    this.#admissions = new Admissions({
      node,
      secrets,
      makeHello: () => ({
        type: 'hello',
        swarmId: secrets.swarmId,
        nonce: randomBytes(32),
        capabilities: [...(init.capabilities ?? []), ...(data === undefined ? [] : [DATA_CAPABILITY])],
        listens: init.listen.length > 0,
        agentVersion: init.agentVersion ?? '',
      }),
      isUnwanted: (peer) => this.#stopping || this.#table.isRefused(peer),
      admitted: (admitted) => this.#admitted(admitted),
      settled: (peer) => this.#table.settled(peer),
      log: init.log,
    })
    this.#introductions = new Introductions({
      self: this.peerId,
      privateKey,
      ownAddresses: () => node.getMultiaddrs(),
      announce: init.announce,
      mappedPort: init.place?.mappedPort,
      links: () => this.#table.links,
      peersHeard: (candidates) => init.handlers.peersHeard(candidates),
      reachabilityChanged: () => init.handlers.reachabilityChanged?.(),
      nowMs: init.nowMs ?? (() => performance.now()),
      random: init.random ?? Math.random,
      later: (ms, run) => void setTimeout(run, ms).unref(),
    })
  }

  /** Part of `createExchange`. */
  start(): Promise<void> {
    return this.#admissions.start()
  }

  /** The multiaddrs, each with this node's id, at which it may be reached: for tickets and for people. */
  addresses(): string[] {
    return this.#introductions.possibleAddresses.map((address) => `${address}/p2p/${this.peerId}`)
  }

  /** Whether some peer, or a person, confirmed an address of this node. */
  get reachable(): boolean {
    return this.#introductions.reachable
  }

  /** This node's addresses under its signature. */
  record(): Promise<Uint8Array> {
    return this.#introductions.record()
  }

  /** Bytes that came and were thrown away: answers to requests that had been cancelled. */
  get wastedBytes(): number {
    return this.#table.allLinks.reduce((sum, link) => sum + link.wastedBytes, this.#wastedBytes)
  }

  /** Bytes that wait in memory for peers to take them, besides the buffers being served. */
  get queuedBytes(): number {
    return this.#table.allLinks.reduce((sum, link) => sum + link.queuedBytes, 0)
  }

  peers(): PeerId[] {
    return this.#table.peers
  }

  /**
   * Connects to one node at any of its addresses and proves membership both ways; `peerUp` has been called when it
   * resolves. At most DIAL_TIMEOUT_MS and ADMISSION_TIMEOUT_MS. Rejects only when the signal aborts.
   */
  async dial(addresses: string | readonly string[], signal?: AbortSignal): Promise<DialOutcome> {
    const texts = typeof addresses === 'string' ? [addresses] : addresses
    const parsed = texts.flatMap((text) => parseAddress(text) ?? [])
    const named = new Set(parsed.flatMap((address) => peerOf(address) ?? []))
    const [name] = named
    if (parsed.length === 0 || named.size > 1) {
      return { status: 'unreachable', message: `no usable address among ${texts.join(', ')}` }
    }
    if (name !== undefined && this.#table.peers.includes(peerId(name))) return connected(peerId(name))
    const limit = AbortSignal.timeout(DIAL_TIMEOUT_MS)
    try {
      const ownHosts = this.#node.getMultiaddrs().flatMap((address) => hostOf(address) ?? [])
      const connection = await this.#node.dial(sortForDial(parsed, ownHosts), {
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
        // A connection in the other direction may be about to lose against this one.
        force: true,
      })
      const peer = peerId(connection.remotePeer.toString())
      if (this.#table.find(peer) !== undefined) {
        connection.abort(new Error('already connected'))
        return connected(peer)
      }
      const outcome = await this.#admissions.admitOutbound(connection)
      if (outcome.status === 'admitted') return connected(peer)
      return { status: outcome.status, message: `${name ?? texts.join(', ')}: ${outcome.status}` }
    } catch (error) {
      signal?.throwIfAborted()
      return { status: 'unreachable', message: `dialling ${texts.join(', ')}: ${describeError(error)}` }
    }
  }

  /**
   * Queues a message, long lists as several. A peer that does not take what it is sent is dropped. Does nothing for a
   * peer that is gone.
   */
  send(peer: PeerId, message: PeerMessage): void {
    for (const part of splitMessage(message)) this.#table.send(peer, part)
  }

  /**
   * Asks a peer for `into.length` bytes (1 to REQUEST_BYTES_MAX) of a chunk or object. Never rejects. `ok` with fewer
   * bytes than asked: the object ends there. `into` is written to until the promise settles, and never after. Aborting
   * tells the peer and settles at once as `cancelled`.
   */
  async request(
    peer: PeerId,
    target: Target,
    offset: number,
    into: Uint8Array,
    options: RequestOptions = {},
  ): Promise<RequestOutcome> {
    const link = this.#table.find(peer)
    return link === undefined ? { status: 'broken', bytes: 0 } : link.request(target, offset, into, options)
  }

  /**
   * Answers an ask with the bytes at its offset: as many as it wants, or fewer where the object ends. `sent`: handed to
   * the connection. The bytes are read until the promise settles.
   */
  async serve(ask: AskId, bytes: Uint8Array, signal?: AbortSignal): Promise<'sent' | 'failed'> {
    const outcome = await this.#askLinks.get(ask)?.serve(ask, bytes, signal)
    this.#askLinks.delete(ask)
    return outcome ?? 'failed'
  }

  refuse(ask: AskId, reason: RefuseReason): void {
    this.#askLinks.get(ask)?.refuse(ask, reason)
    this.#askLinks.delete(ask)
  }

  /** Ends a peer's connections and refuses its identity for as long as this node runs. */
  drop(peer: PeerId, reason: string): void {
    this.#init.log(`peer ${peer} is dropped: ${reason}`)
    this.#table.strike(peer, STRIKES_MAX)
    this.#dropped.add(peer)
    for (const link of this.#table.allLinks) if (link.peer === peer) link.close('unspecified')
    this.#dropped.delete(peer)
  }

  /** Ends a peer's connections without blame. */
  disconnect(peer: PeerId): void {
    for (const link of this.#table.allLinks) if (link.peer === peer) link.close('unspecified')
  }

  /** Takes leave of all peers and closes every connection and listener. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#data?.flush()
    for (const link of this.#table.allLinks) link.close('stopping')
    try {
      await this.#node.stop()
    } finally {
      this.#data?.close()
    }
  }

  #admitted(admitted: Admitted): void {
    const link = new PeerLink({
      ...admitted,
      handlers: {
        heard: (from, message) => this.#heard(from, message),
        asked: (from, ask, { target, offset, length }) => {
          this.#askLinks.set(ask, from)
          this.#init.handlers.asked(from.peer, { ask, target, offset, length })
        },
        askCancelled: (ask) => {
          this.#askLinks.delete(ask)
          this.#init.handlers.askCancelled(ask)
        },
        ended: (ended, reason) => {
          this.#wastedBytes += ended.wastedBytes
          this.#table.ended(ended, reason)
        },
      },
      data: this.#data,
      nextAskId: () => askId(this.#nextAsk++),
      log: this.#init.log,
    })
    this.#table.add(link)
    link.start()
  }

  #heard(link: PeerLink, message: LinkMessage): void {
    switch (message.type) {
      case 'peers':
      case 'dialBack':
      case 'dialBackResult':
        this.#introductions.heard(link, message)
        return
      default:
        this.#init.handlers.message(link.peer, message)
    }
  }

  #up(link: PeerLink): void {
    const { capabilities, agentVersion, listens } = link.hello
    const address = String(link.connection.remoteAddr satisfies Multiaddr)
    const dialled = link.connection.direction === 'outbound'
    this.#init.handlers.peerUp(link.peer, { capabilities, agentVersion, listens, dialled, address })
    this.#introductions.peerUp(link)
  }

  #down(peer: PeerId, reason: LinkEnd): void {
    const why = this.#stopping ? 'stopped' : this.#dropped.has(peer) ? 'dropped' : reason
    this.#introductions.peerDown(peer)
    this.#init.handlers.peerDown(peer, why)
  }
}

function connected(peer: PeerId): DialOutcome {
  return { status: 'connected', peer }
}
