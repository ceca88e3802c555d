// One simulated node: a production scheduler and the smallest shell around it. It performs the actions over simulated
// links, reports what happens as events, and misbehaves in transit where its spec says so.

import type { Bitfield } from '../../src/base/bitfield.ts'
import { type AskId, askId, type ChunkIndex, micros, type PeerId, type RequestId } from '../../src/base/ids.ts'
import type { Action, Event, FailReason } from '../../src/swarm/events.ts'
import { Scheduler } from '../../src/swarm/scheduler.ts'
import type { SchedulerInit } from '../../src/swarm/swarm-state.ts'
import { Beginnings } from './beginnings.ts'
import { sendsWrongBytes } from './faults.ts'
import { Flow, ReceivingLink, SendingLink } from './links.ts'
import { claimBytes, traceNumbers } from './messages.ts'
import { fieldOf, fieldWith, type NodeSpec, ORIGIN_CONNECTION_RATE, ORIGIN_FIRST_BYTE_US, type World } from './world.ts'

/** One request of this node, from requestChunk to the event that closes it. */
interface Transfer {
  readonly request: RequestId
  readonly chunk: ChunkIndex
  readonly from: SimNode | null
  /** Bytes that were here before. */
  readonly offset: number
  /** Whether they, and what came since, are what the chunk has there. */
  isRight: boolean
  /** From this source. */
  received: number
  /** What the source sends it with, once it does. */
  flow: Flow | undefined
  ask: AskId | undefined
  ended: boolean
}

interface Served {
  readonly client: SimNode
  readonly transfer: Transfer
  flow: Flow | undefined
}

/** What payload passes between two nodes' own links. */
interface Way {
  readonly delayUs: number
  readonly beyond: ReceivingLink | undefined
  readonly rateMax?: number
}

const STORE_US = 2_000
const SLOW_FACTOR = 50
/** Bytes of a message with its frame, as the exchange encodes them. */
const REQUEST_BYTES = 24
const HAVE_BYTES = 8
const HAVE_CHUNK_BYTES = 3

export class SimNode {
  readonly index: number
  readonly id: PeerId
  readonly spec: NodeSpec
  readonly up: SendingLink
  readonly down: ReceivingLink
  readonly originLink: SendingLink
  readonly held: Bitfield
  alive = false
  complete = false
  completeAtUs = 0
  readonly #world: World
  #scheduler: Scheduler | undefined
  readonly #neighbours = new Map<PeerId, SimNode>()
  readonly #transfers = new Map<RequestId, Transfer>()
  readonly #beginnings = new Beginnings()
  readonly #served = new Map<AskId, Served>()
  readonly #dropped = new Set<SimNode>()
  readonly #queue: Event[] = []
  #running = false
  #nextAsk = 1
  #wakeAt = Number.POSITIVE_INFINITY

  constructor(world: World, index: number, id: PeerId, spec: NodeSpec) {
    this.#world = world
    this.index = index
    this.id = id
    this.spec = spec
    const { clock, blockBytes } = world
    this.up = new SendingLink(clock, spec.behaviour === 'slow' ? spec.up / SLOW_FACTOR : spec.up, blockBytes)
    this.down = new ReceivingLink(clock, spec.down)
    this.originLink = new SendingLink(clock, spec.origin, blockBytes, world.spec.originInOrder === true)
    this.held = fieldOf(world.spec.chunkBytes.length, spec.source === true)
  }

  get scheduler(): Scheduler | undefined {
    return this.#scheduler
  }

  get requestsOpen(): number {
    return this.#transfers.size
  }

  /** Chunks of which a beginning is kept. */
  get keptCount(): number {
    return this.#beginnings.chunks.length
  }

  /** What the chunks under way and the beginnings take. */
  get memoryBytes(): number {
    const { chunkBytes } = this.#world.spec
    const chunks = [...[...this.#transfers.values()].map(({ chunk }) => chunk), ...this.#beginnings.chunks]
    return chunks.reduce((sum, chunk) => sum + (chunkBytes[chunk] ?? 0), 0)
  }

  /** Events that the scheduler has not been told yet. */
  get eventsWaiting(): number {
    return this.#queue.length
  }

  get neighbourCount(): number {
    return this.#neighbours.size
  }

  isConnected(other: SimNode): boolean {
    return this.#neighbours.has(other.id)
  }

  start(): void {
    this.alive = true
    const { spec, limits } = this.#world
    const init: SchedulerInit = {
      self: this.id,
      chunkBytes: spec.chunkBytes,
      held: this.held,
      first: fieldWith(this.held.size, this.spec.first ?? []),
      limits,
      site: this.spec.site ?? '',
      seed: spec.seed * 1_000_003 + this.index,
      origin: { readable: this.spec.origin > 0, mode: spec.mode ?? 'once', copiesMax: spec.copiesMax ?? 2 },
    }
    this.#scheduler = new Scheduler(init)
    spec.recorder?.begin(this.index, init)
    this.event({ type: 'wake' })
  }

  crash(): void {
    this.alive = false
    this.up.clear()
    this.originLink.clear()
    this.#served.clear()
  }

  /** Sends our bitfield; the other side sends its own. */
  connect(other: SimNode): void {
    this.#neighbours.set(other.id, other)
    const lies = this.spec.behaviour === 'liar' || this.spec.behaviour === 'silent'
    const have = lies ? fieldOf(this.held.size, true) : (this.#scheduler?.advertised() ?? this.held).copy()
    const readsOrigin = this.spec.origin > 0
    this.#world.send(this, other, 40 + (this.held.size >>> 3), () =>
      other.event({
        type: 'peerUp',
        peer: this.id,
        have,
        readsOrigin,
        holdsAll: this.held.complete,
        site: this.spec.site ?? '',
      }),
    )
  }

  disconnected(other: SimNode): void {
    if (!this.#neighbours.delete(other.id) || !this.alive) return
    for (const transfer of this.#transfers.values()) if (transfer.from === other) this.#end(transfer, 'broken')
    for (const [ask, served] of this.#served) if (served.client === other) this.#endServing(ask, 'failed')
    this.event({ type: 'peerDown', peer: other.id })
  }

  /** What the network no longer carries; nobody knows of it yet. */
  stopFlowsTo(isLost: (client: SimNode) => boolean): void {
    for (const { client, flow } of this.#served.values()) if (flow !== undefined && isLost(client)) this.up.cancel(flow)
  }

  /** Events wait in line, as in the driver: nothing calls the scheduler from inside an action. */
  event(event: Event): void {
    this.#queue.push(event)
    if (this.#running || !this.alive) return
    this.#running = true
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#step(next)
    this.#running = false
    this.#arm()
  }

  #step(event: Event): void {
    const scheduler = this.#scheduler
    if (scheduler === undefined) return
    this.#world.steps++
    const actions = scheduler.step(event, micros(this.#world.clock.now))
    this.#world.spec.recorder?.step(this.index, micros(this.#world.clock.now), event, actions)
    for (const action of actions) {
      this.#world.trace(this.#world.clock.now)
      for (const value of traceNumbers(action)) this.#world.trace(value)
      this.#world.checks.action(this, action)
      this.#perform(action)
    }
    this.#world.checks.after(this, scheduler.nextDeadline())
  }

  #arm(): void {
    const deadline = this.#scheduler?.nextDeadline() ?? null
    if (deadline === null || deadline >= this.#wakeAt) return
    const at = Math.max(deadline, this.#world.clock.now)
    this.#wakeAt = at
    this.#world.clock.at(at, () => {
      if (this.#wakeAt !== at) return
      this.#wakeAt = Number.POSITIVE_INFINITY
      const due = this.#scheduler?.nextDeadline() ?? null
      if (due !== null && due <= this.#world.clock.now) this.event({ type: 'wake' })
      else this.#arm()
    })
  }

  #perform(action: Action): void {
    switch (action.type) {
      case 'requestChunk':
        this.#request(action)
        break
      case 'cancelRequest':
        this.#cancel(action.request)
        break
      case 'dropBeginning':
        this.#world.wastedBytes += this.#beginnings.take(action.chunk)?.bytes ?? 0
        break
      case 'serveChunk':
        this.#serve(action.ask, action.chunk)
        break
      case 'refuseAsk':
        this.#refuse(action.ask, action.reason === 'missing' ? 'missing' : 'busy')
        break
      case 'tellHave': {
        const { chunks } = action
        const bytes = HAVE_BYTES + chunks.length * HAVE_CHUNK_BYTES
        this.#tell(action.to, bytes, (other) => other.event({ type: 'peerHas', peer: this.id, chunks }))
        break
      }
      case 'tellClaims': {
        const { claims } = action
        this.#tell(action.to, claimBytes(claims), (other) =>
          other.event({ type: 'claimsHeard', from: this.id, claims }),
        )
        break
      }
      case 'tellStatus': {
        const { progress } = action
        this.#tell(action.to, 8, (other) => other.event({ type: 'peerStatus', peer: this.id, progress }))
        break
      }
      case 'dropPeer':
        this.#drop(action.peer)
        break
      case 'findPeers':
        this.#world.findPeers(this)
        break
      case 'complete':
        this.complete = true
        this.completeAtUs = this.#world.clock.now
        this.#world.completed(this)
        break
    }
  }

  #tell(to: readonly PeerId[], bytes: number, deliver: (other: SimNode) => void): void {
    for (const id of to) {
      const other = this.#neighbours.get(id)
      if (other !== undefined) this.#world.send(this, other, bytes, () => deliver(other))
    }
  }

  /** Whether its scheduler dropped the other: it does not dial it again. */
  hasDropped(other: SimNode): boolean {
    return this.#dropped.has(other)
  }

  #drop(peer: PeerId): void {
    const other = this.#world.find(peer)
    if (other === undefined) return
    this.#dropped.add(other)
    this.#world.dropped.set(other.index, (this.#world.dropped.get(other.index) ?? 0) + 1)
    this.disconnected(other)
    this.#world.clock.after(this.#world.sites.delayUs(this.spec, other.spec), () => other.disconnected(this))
  }

  #request(action: Extract<Action, { type: 'requestChunk' }>): void {
    const from = action.from.kind === 'origin' ? null : (this.#world.find(action.from.peer) ?? null)
    const { request, chunk, offset } = action
    const kept = offset === 0 ? undefined : this.#beginnings.take(chunk)
    this.#world.checks.begins(this, offset, kept?.bytes ?? 0)
    this.#world.wastedBytes += (kept?.bytes ?? 0) - offset
    const transfer: Transfer = {
      ...{ request, chunk, from, offset },
      isRight: kept?.isRight !== false,
      received: 0,
      flow: undefined,
      ask: undefined,
      ended: false,
    }
    this.#transfers.set(request, transfer)
    if (action.from.kind === 'origin') {
      this.#world.clock.after(ORIGIN_FIRST_BYTE_US, () => {
        if (transfer.ended || !this.alive) return
        transfer.flow = this.#flow(this, transfer, {
          delayUs: 0,
          rateMax: ORIGIN_CONNECTION_RATE,
          beyond: this.#world.originTotalLink,
        })
        this.originLink.add(transfer.flow)
      })
    } else if (from === null || !this.isConnected(from)) {
      this.#end(transfer, 'broken')
    } else {
      this.#world.send(this, from, REQUEST_BYTES, () => from.#asked(this, transfer))
    }
  }

  #asked(client: SimNode, transfer: Transfer): void {
    if (transfer.ended || this.spec.behaviour === 'silent') return
    const ask = askId(this.#nextAsk++)
    transfer.ask = ask
    this.#served.set(ask, { client, transfer, flow: undefined })
    this.event({ type: 'chunkAsked', peer: client.id, ask, chunk: transfer.chunk })
  }

  #serve(ask: AskId, chunk: ChunkIndex): void {
    const served = this.#served.get(ask)
    this.#world.checks.serves(this, chunk)
    if (served === undefined || served.transfer.ended) {
      this.#served.delete(ask)
      this.event({ type: 'chunkServed', ask, outcome: 'failed', bytes: 0 })
      return
    }
    const { sites } = this.#world
    const way = {
      delayUs: sites.delayUs(this.spec, served.client.spec),
      beyond: sites.link(this.spec, served.client.spec),
    }
    served.flow = this.#flow(served.client, served.transfer, way, ask)
    served.transfer.flow = served.flow
    this.up.add(served.flow)
  }

  #flow(to: SimNode, transfer: Transfer, way: Way, ask?: AskId): Flow {
    const bytes = (this.#world.spec.chunkBytes[transfer.chunk] ?? 0) - transfer.offset
    return new Flow({
      ...way,
      bytes,
      to: to.down,
      arrived: (count) => {
        to.#arrived(transfer, count, bytes, this)
        if (ask === undefined) return
        const isPoison = this.spec.behaviour === 'poison' && transfer.received * 2 >= bytes
        if (isPoison) this.#refuse(ask, 'busy')
        else if (transfer.received === bytes) this.#endServing(ask, 'sent')
      },
    })
  }

  #arrived(transfer: Transfer, count: number, total: number, from: SimNode): void {
    this.#world.payloadBytes += count
    transfer.received += count
    if (transfer.ended) this.#world.wastedBytes += count
    if (transfer.ended || !this.alive) return
    if (from !== this && sendsWrongBytes(from.spec)) transfer.isRight = false
    this.event({ type: 'requestProgress', request: transfer.request, bytes: count })
    if (transfer.received < total || transfer.ended) return
    if (transfer.isRight) this.#verified(transfer)
    else this.#end(transfer, 'corrupt')
  }

  #verified(transfer: Transfer): void {
    transfer.ended = true
    this.#transfers.delete(transfer.request)
    if (!this.held.add(transfer.chunk)) this.#world.wastedBytes += transfer.offset + transfer.received
    this.event({ type: 'chunkVerified', request: transfer.request })
    this.#world.clock.after(STORE_US, () => this.event({ type: 'chunkStored', chunk: transfer.chunk }))
  }

  #end(transfer: Transfer, reason: FailReason): void {
    if (transfer.ended) return
    transfer.ended = true
    const { request, chunk, offset, received, isRight } = transfer
    this.#transfers.delete(request)
    const bytes = offset + received
    this.#world.wastedBytes += reason === 'corrupt' ? bytes : this.#beginnings.keep(chunk, { bytes, isRight })
    this.event({ type: 'requestFailed', request, reason })
  }

  #cancel(request: RequestId): void {
    const transfer = this.#transfers.get(request)
    if (transfer === undefined) return
    const { from } = transfer
    if (from === null && transfer.flow !== undefined) this.originLink.cancel(transfer.flow)
    if (from !== null) {
      this.#world.send(this, from, REQUEST_BYTES, () => {
        if (transfer.ask === undefined) return
        from.event({ type: 'askCancelled', ask: transfer.ask })
        from.#endServing(transfer.ask, 'failed')
      })
    }
    this.#end(transfer, 'cancelled')
  }

  #refuse(ask: AskId, reason: FailReason): void {
    const served = this.#served.get(ask)
    if (served === undefined) return
    this.#endServing(ask, 'failed')
    const { client, transfer } = served
    this.#world.send(this, client, 16, () => client.#end(transfer, reason))
  }

  /** Closes an ask that is being served; one that still waits was taken out by askCancelled. */
  #endServing(ask: AskId, outcome: 'sent' | 'failed'): void {
    const served = this.#served.get(ask)
    if (served === undefined) return
    this.#served.delete(ask)
    if (served.flow === undefined) return
    this.up.cancel(served.flow)
    const bytes = (this.#world.spec.chunkBytes[served.transfer.chunk] ?? 0) - served.transfer.offset
    this.event({ type: 'chunkServed', ask, outcome, bytes })
  }
}
