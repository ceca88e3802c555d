// Runs the scheduler: a queue of events, one step at a time, the actions performed, one timer at its next deadline.
// Nothing calls the scheduler from inside an action, so there is no re-entrance. Chunk bytes pass through here by
// reference only: store or peer -> check -> files.

import { Bitfield } from '../base/bitfield.ts'
import { invariant, isSwarmError, type SwarmError, unreachable } from '../base/errors.ts'
import { askId, type ChunkIndex, chunkIndex, micros, type PeerId, type RequestId } from '../base/ids.ts'
import type { Slab, SlabPool } from '../base/slab-pool.ts'
import type { Ask } from '../exchange/exchange.ts'
import type { PeerMessage, Status } from '../exchange/messages.ts'
import type { ChunkKeeper } from '../restore/chunk-keeper.ts'
import type { Throttle } from '../store/throttle.ts'
import type { Action, Event } from '../swarm/events.ts'
import { Scheduler } from '../swarm/scheduler.ts'
import type { SchedulerInit } from '../swarm/swarm-state.ts'
import type { Trace } from '../telemetry/trace.ts'
import type { TransferCounts } from '../telemetry/transfer-counts.ts'
import { type ChunkBuffer, ChunkBuffers } from './chunk-buffers.ts'
import { ChunkFetcher, type ChunkFetcherInit } from './chunk-fetcher.ts'
import type { ChunkServing } from './chunk-serving.ts'

/** Progress of a request is reported to the scheduler in pieces of this size, and at least this often. */
const PROGRESS_BYTES = 512 * 1024
const PROGRESS_MS = 200

export interface DriverInit extends ChunkFetcherInit {
  readonly scheduler: SchedulerInit
  readonly serving: ChunkServing
  readonly keeper: ChunkKeeper
  readonly slabs: SlabPool
  readonly counts: TransferCounts
  /** Puts a verified chunk into its files; the scheduler's memory budget counts it until this settles. */
  readonly storeChunk: (chunk: ChunkIndex, encoded: Slab) => Promise<void>
  readonly findPeers: () => void
  readonly completed: () => void
  /** The first failure that the node cannot live with. */
  readonly failed: (error: SwarmError) => void
  /** Limit on chunk bytes to peers; undefined: none. */
  readonly upThrottle: Throttle | undefined
  readonly trace: Trace | undefined
}

/** What a peer said of itself when it came. */
export type PeerStanding = Pick<Status, 'readsOrigin' | 'holdsAll' | 'site'>

interface OpenRequest {
  readonly abort: AbortController
  unreported: number
}

export class Driver {
  readonly #init: DriverInit
  readonly #scheduler: Scheduler
  readonly #held: Bitfield
  readonly #fetcher: ChunkFetcher
  readonly #buffers: ChunkBuffers
  readonly #queue: Event[] = []
  readonly #open = new Map<RequestId, OpenRequest>()
  readonly #known = new Set<PeerId>()
  readonly #progressTimer: NodeJS.Timeout
  #running = false
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #firstRequestAtMs: number | undefined
  #lastUsefulAtMs = performance.now()

  constructor(init: DriverInit) {
    this.#init = init
    this.#scheduler = new Scheduler(init.scheduler)
    this.#held = init.scheduler.held.copy()
    this.#fetcher = new ChunkFetcher(init)
    this.#buffers = new ChunkBuffers(init.slabs, init.counts)
    this.#progressTimer = setInterval(() => this.#flushProgress(), PROGRESS_MS)
    this.#progressTimer.unref()
  }

  start(): void {
    this.#post({ type: 'wake' })
  }

  status() {
    return this.#scheduler.status()
  }

  /** Wall clock ms of the first request for a chunk; undefined before it. */
  get firstRequestAtMs(): number | undefined {
    return this.#firstRequestAtMs
  }

  /** Monotonic ms at which the last chunk was verified or the driver started. */
  get lastUsefulAtMs(): number {
    return this.#lastUsefulAtMs
  }

  /** Why the origin cannot be used, when that is final. */
  get originFailure(): SwarmError | undefined {
    return this.#fetcher.originFailure
  }

  /** The last chunk whose stored bytes were wrong. */
  get wrongChunk(): SwarmError | undefined {
    return this.#fetcher.wrongChunk
  }

  /** A peer told which chunks it has. The first such message introduces it to the scheduler. */
  peerHaves(peer: PeerId, bitfield: Uint8Array, standing: PeerStanding): void {
    const have = Bitfield.parse(bitfield, this.#init.manifest.chunks.count)
    if (have === undefined) {
      this.#init.exchange.drop(peer, 'its bitfield does not fit the snapshot')
      return
    }
    if (this.#known.has(peer)) {
      this.#post({ type: 'peerHas', peer, chunks: [...have].map(chunkIndex) })
      return
    }
    this.#known.add(peer)
    const { readsOrigin, holdsAll, site } = standing
    this.#post({ type: 'peerUp', peer, have, readsOrigin, holdsAll, site })
  }

  message(peer: PeerId, message: Exclude<PeerMessage, { type: 'haveAll' }>): void {
    if (!this.#known.has(peer)) return
    if (namesForeignChunk(message, this.#init.manifest.chunks.count)) {
      this.#init.exchange.drop(peer, 'it speaks of chunks that the snapshot does not have')
      return
    }
    switch (message.type) {
      case 'haveMore':
        this.#post({ type: 'peerHas', peer, chunks: message.chunks })
        return
      case 'claims':
        this.#post({ type: 'claimsHeard', from: peer, claims: message.claims })
        return
      case 'status':
        this.#post({ type: 'peerStatus', peer, progress: message.progress })
        return
      default:
        unreachable(message)
    }
  }

  peerDown(peer: PeerId): void {
    if (this.#known.delete(peer)) this.#post({ type: 'peerDown', peer })
  }

  asked(peer: PeerId, ask: Ask): void {
    const { target } = ask
    invariant('chunk' in target, 'asks for objects are not the scheduler’s')
    if (!this.#known.has(peer) || target.chunk >= this.#init.manifest.chunks.count) {
      this.#init.serving.refuse(ask.ask, 'missing')
      return
    }
    this.#init.serving.hold(ask)
    this.#post({ type: 'chunkAsked', peer, ask: ask.ask, chunk: target.chunk })
  }

  askCancelled(ask: number): void {
    this.#init.serving.forget(askId(ask))
    this.#post({ type: 'askCancelled', ask: askId(ask) })
  }

  /** Wire form of what peers may be told that this node can serve. */
  bitfield(): Uint8Array {
    return this.#scheduler.advertised().encode()
  }

  /** Whether peers may be told that this node can serve everything. */
  get showsAll(): boolean {
    return this.#scheduler.advertised().complete
  }

  /** Tells the peers, refuses new asks, gives up open requests. Resolves when none is left. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#post({ type: 'stop' })
    this.#stopped = true
    clearTimeout(this.#timer)
    clearInterval(this.#progressTimer)
    this.#buffers.close()
    for (const request of this.#open.values()) request.abort.abort()
  }

  #post(event: Event): void {
    if (this.#stopped) return
    this.#queue.push(event)
    if (this.#running) return
    this.#running = true
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#step(next)
    } finally {
      this.#running = false
    }
    this.#arm()
  }

  #step(event: Event): void {
    const now = micros(Math.floor(performance.now() * 1000))
    const actions = this.#scheduler.step(event, now)
    this.#init.trace?.step(now, event, actions)
    for (const action of actions) this.#perform(action)
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const deadline = this.#scheduler.nextDeadline()
    if (deadline === null || this.#stopped) return
    const waitMs = Math.max(0, Math.ceil(deadline / 1000 - performance.now()))
    this.#timer = setTimeout(() => this.#post({ type: 'wake' }), Math.min(waitMs, 2 ** 31 - 1))
  }

  #perform(action: Action): void {
    const { exchange, serving } = this.#init
    switch (action.type) {
      case 'requestChunk':
        void this.#request(action)
        return
      case 'dropBeginning':
        this.#buffers.drop(action.chunk)
        return
      case 'cancelRequest':
        this.#open.get(action.request)?.abort.abort()
        return
      case 'tellHave':
        for (const peer of action.to) exchange.send(peer, { type: 'haveMore', chunks: action.chunks })
        return
      case 'tellClaims':
        for (const peer of action.to) exchange.send(peer, { type: 'claims', claims: action.claims })
        return
      case 'tellStatus':
        for (const peer of action.to) {
          exchange.send(peer, {
            type: 'status',
            progress: action.progress,
            readsOrigin: this.#init.origin !== undefined,
            holdsAll: this.#held.complete,
            site: this.#init.scheduler.site ?? '',
          })
        }
        return
      case 'serveChunk':
        void this.#serve(action.ask, action.chunk)
        return
      case 'refuseAsk':
        serving.refuse(action.ask, action.reason)
        return
      case 'dropPeer':
        exchange.drop(action.peer, action.reason)
        return
      case 'findPeers':
        this.#init.findPeers()
        return
      case 'complete':
        this.#init.completed()
        return
      default:
        unreachable(action)
    }
  }

  async #request({ request, chunk, from, offset }: Extract<Action, { type: 'requestChunk' }>): Promise<void> {
    const open: OpenRequest = { abort: new AbortController(), unreported: 0 }
    this.#open.set(request, open)
    this.#firstRequestAtMs ??= Date.now()
    const buffer = this.#buffers.open(chunk, this.#init.manifest.chunks.encodedBytes(chunk), offset)
    const failure = await this.#fetcher.fetch(chunk, from, buffer, open.abort.signal, (bytes) => {
      open.unreported += bytes
      if (open.unreported >= PROGRESS_BYTES) this.#report(request, open)
    })
    this.#report(request, open)
    this.#open.delete(request)
    if (failure === undefined) {
      await this.#verified(request, chunk, buffer)
      return
    }
    if (failure === 'corrupt') this.#buffers.discard(buffer)
    else this.#buffers.keep(chunk, buffer)
    if (failure === 'unavailable' && this.originFailure?.retry === false) {
      this.#post({ type: 'originChanged', readable: false })
    }
    this.#post({ type: 'requestFailed', request, reason: failure })
  }

  async #verified(request: RequestId, chunk: ChunkIndex, buffer: ChunkBuffer): Promise<void> {
    if (!this.#held.add(chunk)) {
      // Another source was as fast: its copy is in the files, or on the way there.
      this.#buffers.discard(buffer)
      this.#post({ type: 'chunkVerified', request })
      return
    }
    const { slab } = buffer
    const { keeper } = this.#init
    try {
      keeper.remember(chunk, slab)
      await keeper.whileWriting(chunk, slab, async () => {
        this.#lastUsefulAtMs = performance.now()
        buffer.count(this.#init.counts)
        this.#post({ type: 'chunkVerified', request })
        await this.#store(chunk, slab)
      })
    } finally {
      slab.release()
    }
  }

  async #store(chunk: ChunkIndex, slab: Slab): Promise<void> {
    try {
      await this.#init.keeper.keep(chunk, slab.bytes)
      await this.#init.storeChunk(chunk, slab)
    } catch (error) {
      if (!isSwarmError(error)) throw error
      this.#init.failed(error)
      return
    }
    this.#init.counts.chunksStored++
    this.#init.counts.rawStored += this.#init.manifest.places.bytes(chunk)
    this.#post({ type: 'chunkStored', chunk })
  }

  async #serve(ask: Ask['ask'], chunk: ChunkIndex): Promise<void> {
    const bytes = this.#init.serving.bytesAsked(ask, this.#init.manifest.chunks.encodedBytes(chunk))
    await this.#init.upThrottle?.pass(bytes)
    const outcome = await this.#init.serving.serve(ask, chunk, this.#init.keeper)
    this.#post({ type: 'chunkServed', ask, outcome: outcome === 'sent' ? 'sent' : 'failed', bytes })
    if (outcome !== 'lost') return
    this.#init.log(`chunk ${chunk} can no longer be read from this disk`)
    this.#held.remove(chunk)
    this.#post({ type: 'chunkLost', chunk })
  }

  #report(request: RequestId, open: OpenRequest): void {
    if (open.unreported === 0) return
    const bytes = open.unreported
    open.unreported = 0
    this.#post({ type: 'requestProgress', request, bytes })
  }

  #flushProgress(): void {
    for (const [request, open] of this.#open) this.#report(request, open)
  }
}

function namesForeignChunk(message: Exclude<PeerMessage, { type: 'haveAll' }>, chunkCount: number): boolean {
  if (message.type === 'haveMore') return message.chunks.some((chunk) => chunk >= chunkCount)
  return message.type === 'claims' && message.claims.some((claim) => claim.chunk >= chunkCount)
}
