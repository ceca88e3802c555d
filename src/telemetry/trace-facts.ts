// What a trace tells about its join, gathered step by step from what was recorded: bytes by source, what failed and why,
// who was met. Says nothing about whether the recorded actions are right.

import { type Micros, type RequestId, requestId } from '../base/ids.ts'
import type { DropReason, FailReason } from '../swarm/events.ts'
import type { TraceHeader } from './trace.ts'
import { MalformedLine } from './trace-fields.ts'
import type { RecordedAction, TraceStep } from './trace-reader.ts'

/** Open requests of one recorded scheduler: more than any limit of it allows. */
const REQUESTS_OPEN_MAX = 65_536
/** Distinct peers that are counted; further ones are not. */
const PEERS_COUNTED_MAX = 65_536

export interface TraceSummary {
  /** Program and version that recorded. */
  readonly program: string
  readonly self: string
  readonly chunks: number
  /** Encoded bytes of all chunks. */
  readonly bytes: number
  readonly chunksHeldAtStart: number
  readonly steps: number
  /** From the first step to the last. */
  readonly seconds: number
  /** From the first step to the action `complete`; null where it is missing. */
  readonly secondsToComplete: number | null
  /** Encoded bytes of verified chunks, by where they came from. */
  readonly fromStore: number
  readonly fromPeers: number
  readonly chunksVerified: number
  /** Requests that ended without their chunk, by reason; cancelled ones are no failures but listed. */
  readonly failed: Readonly<Partial<Record<FailReason, number>>>
  /** Distinct peers, 65,536 at most. */
  readonly peers: number
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>
}

/** Bytes from a chunk's start that lie in memory. */
interface Beginning {
  readonly bytes: number
  readonly fromStore: number
}

interface OpenRequest {
  readonly chunk: number
  readonly isOrigin: boolean
  /** What earlier requests brought. */
  readonly before: Beginning
  received: number
}

export class TraceFacts {
  readonly #header: TraceHeader
  readonly #open = new Map<RequestId, OpenRequest>()
  /** Kept of given-up requests, by chunk. */
  readonly #kept = new Map<number, Beginning>()
  readonly #peers = new Set<string>()
  readonly #failed: Partial<Record<FailReason, number>> = {}
  readonly #dropped: Partial<Record<DropReason, number>> = {}
  #steps = 0
  #firstAt: Micros | undefined
  #lastAt = 0
  #completeAt: number | undefined
  #fromStore = 0
  #fromPeers = 0
  #chunksVerified = 0

  constructor(header: TraceHeader) {
    this.#header = header
  }

  /** Throws MalformedLine when the recorded actions cannot be counted. */
  step({ now, event, actions }: TraceStep): void {
    this.#steps++
    this.#firstAt ??= now
    this.#lastAt = now
    if (event.type === 'peerUp' && this.#peers.size < PEERS_COUNTED_MAX) this.#peers.add(event.peer)
    if (event.type === 'chunkVerified') this.#verified(event.request)
    if (event.type === 'requestFailed') this.#gaveUp(event.request, event.reason)
    if (event.type === 'requestProgress') {
      const request = this.#open.get(event.request)
      if (request !== undefined) request.received += event.bytes
    }
    for (const action of actions) this.#act(action, now)
  }

  read(): TraceSummary {
    const { program, self, chunkBytes, held } = this.#header
    const start = this.#firstAt ?? 0
    return {
      program,
      self,
      chunks: chunkBytes.length,
      bytes: Array.from(chunkBytes).reduce((sum, bytes) => sum + bytes, 0),
      chunksHeldAtStart: held.count,
      steps: this.#steps,
      seconds: (this.#lastAt - start) / 1e6,
      secondsToComplete: this.#completeAt === undefined ? null : (this.#completeAt - start) / 1e6,
      fromStore: this.#fromStore,
      fromPeers: this.#fromPeers,
      chunksVerified: this.#chunksVerified,
      failed: this.#failed,
      peers: this.#peers.size,
      dropped: this.#dropped,
    }
  }

  #verified(id: RequestId): void {
    const request = this.#open.get(id)
    if (request === undefined) return
    this.#open.delete(id)
    this.#chunksVerified++
    const bytes = this.#header.chunkBytes[request.chunk] ?? 0
    const fromStore = this.#fromStoreOf(request, bytes)
    this.#fromStore += fromStore
    this.#fromPeers += bytes - fromStore
  }

  #fromStoreOf({ before, isOrigin }: OpenRequest, bytes: number): number {
    return Math.min(bytes, before.fromStore + (isOrigin ? bytes - before.bytes : 0))
  }

  #gaveUp(id: RequestId, reason: FailReason): void {
    const request = this.#open.get(id)
    if (request === undefined) return
    this.#open.delete(id)
    count(this.#failed, reason)
    const chunkBytes = this.#header.chunkBytes[request.chunk] ?? 0
    const bytes = Math.min(chunkBytes, request.before.bytes + request.received)
    if (reason === 'corrupt' || bytes <= (this.#kept.get(request.chunk)?.bytes ?? 0)) return
    this.#kept.set(request.chunk, { bytes, fromStore: this.#fromStoreOf(request, bytes) })
  }

  /** What a request goes on with. Nothing is believed of an offset but that so much was kept. */
  #take(chunk: number, offset: unknown): Beginning {
    const kept = this.#kept.get(chunk)
    if (kept === undefined || typeof offset !== 'number' || offset <= 0) return NOTHING
    this.#kept.delete(chunk)
    const bytes = Math.min(offset, kept.bytes)
    return { bytes, fromStore: Math.min(bytes, kept.fromStore) }
  }

  #act(action: RecordedAction, now: Micros): void {
    if (action.type === 'complete') this.#completeAt ??= now
    if (action.type === 'dropPeer') this.#drop(action['reason'])
    if (action.type === 'dropBeginning' && typeof action['chunk'] === 'number') this.#kept.delete(action['chunk'])
    if (action.type !== 'requestChunk') return
    if (this.#open.size >= REQUESTS_OPEN_MAX)
      throw new MalformedLine(`more than ${REQUESTS_OPEN_MAX} requests are open`)
    const { request, chunk, from, offset } = action
    if (typeof request !== 'number' || typeof chunk !== 'number')
      throw new MalformedLine('a requestChunk without numbers')
    const isOrigin = typeof from === 'object' && from !== null && 'kind' in from && from.kind === 'origin'
    this.#open.set(requestId(request), { chunk, isOrigin, before: this.#take(chunk, offset), received: 0 })
  }

  #drop(reason: unknown): void {
    for (const known of DROP_REASONS) if (reason === known) count(this.#dropped, known)
  }
}

const NOTHING: Beginning = { bytes: 0, fromStore: 0 }

const DROP_REASONS: readonly DropReason[] = ['corrupt', 'lying', 'flooding', 'crowded']

function count<Key extends string>(counts: Partial<Record<Key, number>>, key: Key): void {
  counts[key] = (counts[key] ?? 0) + 1
}
