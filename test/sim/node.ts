// One simulated node: a production scheduler and the smallest shell around it. It performs the actions over simulated
// links, reports what happens as events, and misbehaves where its spec says so. Chunks are moved in payload.ts.

import type { Bitfield } from '../../src/base/bitfield.ts'
import { micros, type PeerId } from '../../src/base/ids.ts'
import type { Action, Event } from '../../src/swarm/events.ts'
import { Scheduler } from '../../src/swarm/scheduler.ts'
import type { SchedulerInit } from '../../src/swarm/swarm-state.ts'
import { ReceivingLink, SendingLink } from './links.ts'
import { claimBytes, traceNumbers } from './messages.ts'
import { Payload } from './payload.ts'
import { fieldOf, fieldWith, type NodeSpec, type World } from './world.ts'

const SLOW_FACTOR = 50
/** Bytes of a message with its frame, as the exchange encodes them. */
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
  readonly payload: Payload
  alive = false
  complete = false
  completeAtUs = 0
  readonly #world: World
  #scheduler: Scheduler | undefined
  readonly #neighbours = new Map<PeerId, SimNode>()
  readonly #dropped = new Set<SimNode>()
  readonly #queue: Event[] = []
  #running = false
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
    this.payload = new Payload(world, this)
  }

  get scheduler(): Scheduler | undefined {
    return this.#scheduler
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
    this.payload.crash()
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
    this.payload.disconnected(other)
    this.event({ type: 'peerDown', peer: other.id })
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
        this.payload.request(action)
        break
      case 'cancelRequest':
        this.payload.cancel(action.request)
        break
      case 'dropBeginning':
        this.payload.dropBeginning(action.chunk)
        break
      case 'serveChunk':
        this.payload.serve(action.ask, action.chunk)
        break
      case 'refuseAsk':
        this.payload.refuse(action.ask, action.reason === 'missing' ? 'missing' : 'busy')
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
}
