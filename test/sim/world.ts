// N production schedulers under one virtual clock. Between nodes pass only the messages that the exchange would encode;
// they and the payload use the links. The origin counts every byte that leaves it.

import { Bitfield } from '../../src/base/bitfield.ts'
import { type Micros, type PeerId, peerId } from '../../src/base/ids.ts'
import { mix32, Prng } from '../../src/base/prng.ts'
import type { Action, Event } from '../../src/swarm/events.ts'
import { type Limits, parseLimits } from '../../src/swarm/limits.ts'
import type { SchedulerInit } from '../../src/swarm/swarm-state.ts'
import { Checks } from './checkers.ts'
import { VirtualClock } from './clock.ts'
import { mustFinish } from './faults.ts'
import { ReceivingLink } from './links.ts'
import { SimNode } from './node.ts'
import { type SiteLinkSpec, SiteLinks } from './sites.ts'

export interface NodeSpec {
  /** Bytes per ms. */
  readonly down: number
  readonly up: number
  /** 0: does not read the origin. */
  readonly origin: number
  /** Holds everything at start. */
  readonly source?: boolean
  /** Chunks that the node wants before all others. */
  readonly first?: readonly number[]
  readonly joinAtMs?: number
  readonly crashAtMs?: number
  /** False: nobody can dial it. */
  readonly reachable?: boolean
  readonly site?: string
  /** `slow`: sends at a fiftieth of its uplink. `poison`: sends wrong bytes, and half of what it is asked for. */
  readonly behaviour?: 'honest' | 'liar' | 'silent' | 'corrupt' | 'poison' | 'slow'
}

/** Something that happens to the network, whatever the nodes do. */
export type WorldEvent =
  /** Each node reads the origin at this rate at most from now on, bytes per ms; 0: the origin is gone. */
  | { readonly atMs: number; readonly type: 'originRate'; readonly rate: number }
  /** Nothing passes between the two sites. */
  | { readonly atMs: number; readonly type: 'partition'; readonly sites: readonly [string, string] }
  /** Ends every partition. */
  | { readonly atMs: number; readonly type: 'heal' }

export interface Recorder {
  begin(index: number, init: SchedulerInit): void
  step(index: number, now: Micros, event: Event, actions: readonly Action[]): void
}

export interface WorldSpec {
  readonly seed: number
  readonly chunkBytes: readonly number[]
  readonly nodes: readonly NodeSpec[]
  readonly mode?: 'auto' | 'once' | 'never'
  readonly copiesMax?: number | 'unlimited'
  /** Bytes per ms for all nodes together. */
  readonly originTotal?: number
  /** Origin requests of a node are served first come, first served, as a limiter on the node does. */
  readonly originInOrder?: boolean
  readonly links?: readonly SiteLinkSpec[]
  readonly events?: readonly WorldEvent[]
  readonly delayUs?: number
  readonly blockBytes?: number
  readonly limits?: Readonly<Record<string, number>>
  readonly untilMs?: number
  /** Hears everything that the schedulers are made with and every step of them. */
  readonly recorder?: Recorder
}

export interface WorldResult {
  readonly seed: number
  /** When the last surviving honest node had everything stored, in ms; the time at which it gave up when stalled. */
  readonly ms: number
  readonly stalled: boolean
  readonly unfinished: readonly number[]
  /** Bytes that left the origin, in units of the snapshot. */
  readonly originCopies: number
  /** Encoded bytes received twice or thrown away, as a part of all payload. */
  readonly wastedShare: number
  readonly controlShare: number
  readonly steps: number
  readonly traceHash: number
  /** When each node had everything stored, in ms; undefined for those that never had. */
  readonly completeAtMs: readonly (number | undefined)[]
  /** Peers that were dropped, by the index of the node, with how many others dropped it. */
  readonly dropped: ReadonlyMap<number, number>
}

/** First byte from the origin, and the rate of one of its connections (bytes per ms), as R2 shows them. */
export const ORIGIN_FIRST_BYTE_US = 44_000
export const ORIGIN_CONNECTION_RATE = 40_000
/** A run that takes longer has stalled, in virtual ms. */
const UNTIL_MS = 3_600_000
/** From a crash or a cut to the moment when neighbours notice. */
const LOSS_NOTICED_US = 200_000
/** Nodes that join in the same moment see each other after this. */
const MEET_US = 1000

export class World {
  readonly spec: WorldSpec
  readonly clock = new VirtualClock()
  readonly checks: Checks
  readonly limits: Limits
  readonly nodes: readonly SimNode[]
  readonly blockBytes: number
  readonly totalBytes: number
  readonly originTotalLink: ReceivingLink | undefined
  readonly sites: SiteLinks
  controlBytes = 0
  payloadBytes = 0
  wastedBytes = 0
  steps = 0
  traceHash = 0
  readonly dropped = new Map<number, number>()
  readonly #byId = new Map<PeerId, SimNode>()
  readonly #random: Prng
  #unfinished: number

  constructor(spec: WorldSpec) {
    this.spec = spec
    this.#random = new Prng(spec.seed)
    this.limits = parseLimits(spec.limits)
    this.blockBytes = spec.blockBytes ?? 262_144
    this.totalBytes = spec.chunkBytes.reduce((sum, bytes) => sum + bytes, 0)
    this.checks = new Checks(spec.seed, this.limits)
    this.originTotalLink = spec.originTotal === undefined ? undefined : new ReceivingLink(this.clock, spec.originTotal)
    this.sites = new SiteLinks(this.clock, spec.delayUs ?? 1000, spec.links ?? [])
    this.nodes = spec.nodes.map((node, index) => new SimNode(this, index, nodeId(index), node))
    for (const node of this.nodes) this.#byId.set(node.id, node)
    this.#unfinished = this.nodes.filter((node) => mustFinish(node.spec)).length
  }

  run(): WorldResult {
    for (const node of this.nodes) {
      this.clock.at((node.spec.joinAtMs ?? 0) * 1000, () => this.#join(node))
      const { crashAtMs } = node.spec
      if (crashAtMs !== undefined) this.clock.at(crashAtMs * 1000, () => this.#crash(node))
    }
    for (const event of this.spec.events ?? []) this.clock.at(event.atMs * 1000, () => this.#happen(event))
    const untilUs = (this.spec.untilMs ?? UNTIL_MS) * 1000
    while (this.#unfinished > 0 && this.clock.now < untilUs && this.clock.advance()) {
      // Each turn runs what is next.
    }
    return this.#result()
  }

  find(id: PeerId): SimNode | undefined {
    return this.#byId.get(id)
  }

  /** A node has everything stored. */
  completed(node: SimNode): void {
    if (mustFinish(node.spec)) this.#unfinished--
  }

  /** Folds a number into the hash of everything that the schedulers ordered. */
  trace(value: number): void {
    this.traceHash = mix32(this.traceHash, value >>> 0, Math.floor(value / 2 ** 32))
  }

  /** Sends a message of `bytes` from one node to another over their links. */
  send(from: SimNode, to: SimNode, bytes: number, deliver: () => void): void {
    this.controlBytes += bytes
    const us = from.up.takeSmall(bytes) + this.sites.takeSmall(from.spec, to.spec, bytes) + to.down.takeSmall(bytes)
    this.clock.after(us, () => {
      if (from.alive && to.alive && to.isConnected(from) && this.sites.isOpen(from.spec, to.spec)) deliver()
    })
  }

  /** Connects a node to random others until it has as many neighbours as its scheduler wants. */
  findPeers(node: SimNode): void {
    const others = this.nodes.filter((other) => this.#canConnect(node, other))
    while (node.neighbourCount < this.limits.neighboursWanted && others.length > 0) {
      const [other] = others.splice(this.#random.below(others.length), 1)
      if (other === undefined) continue
      node.connect(other)
      other.connect(node)
    }
  }

  #canConnect(first: SimNode, second: SimNode): boolean {
    if (first === second || !second.alive || !first.alive || first.isConnected(second)) return false
    if (first.hasDropped(second) || second.hasDropped(first)) return false
    const isReachable = first.spec.reachable !== false || second.spec.reachable !== false
    return isReachable && this.sites.isOpen(first.spec, second.spec)
  }

  #join(node: SimNode): void {
    node.start()
    this.clock.after(MEET_US, () => this.findPeers(node))
  }

  #crash(node: SimNode): void {
    node.crash()
    this.clock.after(LOSS_NOTICED_US, () => {
      for (const other of this.nodes) if (other.isConnected(node)) other.disconnected(node)
    })
  }

  #happen(event: WorldEvent): void {
    switch (event.type) {
      case 'originRate':
        for (const node of this.nodes) node.originLink.setRate(Math.min(node.spec.origin, event.rate))
        break
      case 'partition':
        this.#cut(event.sites)
        break
      case 'heal':
        this.sites.heal()
        break
    }
  }

  #cut(sites: readonly [string, string]): void {
    this.sites.cut(sites)
    for (const node of this.nodes) node.payload.stopFlowsTo((other) => !this.sites.isOpen(node.spec, other.spec))
    this.clock.after(LOSS_NOTICED_US, () => {
      for (const node of this.nodes)
        for (const other of this.nodes) if (!this.sites.isOpen(node.spec, other.spec)) node.disconnected(other)
    })
  }

  #result(): WorldResult {
    const unfinished = this.nodes.filter((node) => !node.complete && mustFinish(node.spec)).map((node) => node.index)
    const originBytes = this.nodes.reduce((sum, node) => sum + node.originLink.sentBytes, 0)
    return {
      seed: this.spec.seed,
      ms: this.clock.now / 1000,
      stalled: unfinished.length > 0,
      unfinished,
      originCopies: originBytes / this.totalBytes,
      wastedShare: this.wastedBytes / Math.max(1, this.payloadBytes),
      controlShare: this.controlBytes / Math.max(1, this.payloadBytes),
      steps: this.steps,
      traceHash: this.traceHash,
      completeAtMs: this.nodes.map((node) => (node.complete ? node.completeAtUs / 1000 : undefined)),
      dropped: this.dropped,
    }
  }
}

/** `count` nodes alike. */
export function nodes(count: number, spec: NodeSpec): NodeSpec[] {
  return Array.from({ length: count }, () => spec)
}

/** `count` chunks of `bytes` each. */
export function chunks(count: number, bytes: number): number[] {
  return new Array<number>(count).fill(bytes)
}

function nodeId(index: number): PeerId {
  return peerId(`12D3KooWSimulated${String(index).padStart(6, '0')}`)
}

export function fieldWith(size: number, indexes: readonly number[]): Bitfield {
  const field = new Bitfield(size)
  for (const index of indexes) field.add(index)
  return field
}

export function fieldOf(size: number, full: boolean): Bitfield {
  return full ? Bitfield.full(size) : new Bitfield(size)
}
