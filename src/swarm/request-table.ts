// The requests that we have open and the memory that they and the chunks not yet stored take. A cancelled request stays
// here, and keeps its memory, until the shell closes it; it no longer counts as open.

import { invariant } from '../base/errors.ts'
import { type RequestId, requestId } from '../base/ids.ts'
import type { Beginning, Sender } from './chunk-beginnings.ts'
import type { Limits } from './limits.ts'
import type { Peer } from './peer-table.ts'

export interface Request {
  readonly id: RequestId
  readonly chunk: number
  /** Null: the origin. */
  readonly peer: Peer | null
  /** Bytes that were here before: the source is asked for those from here on. */
  readonly offset: number
  /** What the source is asked for. */
  readonly bytes: number
  /** All whose bytes end in the buffer, this source included; null: the origin. */
  readonly senders: readonly Sender[]
  readonly startedAt: number
  /** From this source. */
  received: number
  lastByteAt: number
  cancelled: boolean
  /** When it was. */
  cancelledAt: number
}

export class RequestTable {
  readonly #limits: Limits
  readonly #byId = new Map<RequestId, Request>()
  readonly #open = new Map<number, Request[]>()
  /** Chunks verified and not yet stored, with their bytes. */
  readonly #storing = new Map<number, number>()
  #next = 1
  #memoryBytes = 0
  #openCount = 0
  #originCount = 0
  #farCount = 0
  #originRestBytes = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get openCount(): number {
    return this.#openCount
  }

  get originCount(): number {
    return this.#originCount
  }

  /** What is still to come of the open origin requests. */
  get originRestBytes(): number {
    return this.#originRestBytes
  }

  /** Open requests to peers of our own site, or of no site. */
  get nearCount(): number {
    return this.#openCount - this.#originCount - this.#farCount
  }

  /** Open requests to peers of other sites. */
  get farCount(): number {
    return this.#farCount
  }

  get memoryBytes(): number {
    return this.#memoryBytes
  }

  hasRoom(bytes: number): boolean {
    if (this.#byId.size >= this.#limits.requestsOpenMax) return false
    return this.#memoryBytes === 0 || this.#memoryBytes + bytes <= this.#limits.memoryBytesMax
  }

  find(id: RequestId): Request | undefined {
    return this.#byId.get(id)
  }

  /** Open requests, not the cancelled ones, in the order in which they were made. */
  *all(): IterableIterator<Request> {
    for (const request of this.#byId.values()) if (!request.cancelled) yield request
  }

  /** Chunks with a request that was cancelled before `time` and that the shell has not closed. */
  *unclosed(time: number): IterableIterator<number> {
    for (const request of this.#byId.values()) if (request.cancelled && request.cancelledAt < time) yield request.chunk
  }

  /** Open requests for a chunk. */
  of(chunk: number): readonly Request[] {
    return this.#open.get(chunk) ?? NONE
  }

  /** Asks for what is missing of a chunk of `chunkBytes`, of which `beginning` is here. */
  open(chunk: number, peer: Peer | null, chunkBytes: number, now: number, beginning?: Beginning): Request {
    // A source is asked for a byte at least: only the end of an answer tells that it was whole.
    const offset = Math.min(beginning?.bytes ?? 0, chunkBytes - 1)
    const bytes = chunkBytes - offset
    const request: Request = {
      id: requestId(this.#next++),
      chunk,
      peer,
      offset,
      bytes,
      senders: [...new Set([...(beginning?.senders ?? []), peer?.id ?? null])],
      startedAt: now,
      received: 0,
      lastByteAt: now,
      cancelled: false,
      cancelledAt: 0,
    }
    this.#byId.set(request.id, request)
    const others = this.#open.get(chunk)
    if (others === undefined) this.#open.set(chunk, [request])
    else others.push(request)
    this.#memoryBytes += chunkBytes
    this.#openCount++
    if (peer === null) {
      this.#originCount++
      this.#originRestBytes += bytes
    } else {
      if (peer.isFar) this.#farCount++
      peer.open++
      peer.openBytes += bytes
      peer.rate.start(now)
    }
    return request
  }

  /** More of a request is here; a cancelled one may still report what had arrived. */
  progress(request: Request, bytes: number, now: number): void {
    const counted = Math.min(bytes, request.bytes - request.received)
    request.received += counted
    request.lastByteAt = now
    if (request.peer === null && !request.cancelled) this.#originRestBytes -= counted
  }

  /** open -> cancelled. It no longer takes a place with its source. */
  cancel(request: Request, now: number): void {
    invariant(!request.cancelled, `request ${request.id} is cancelled twice`)
    this.#release(request, now)
    request.cancelled = true
    request.cancelledAt = now
  }

  /** Takes a closed request out and frees its memory. */
  close(request: Request, now: number): void {
    if (!request.cancelled) this.#release(request, now)
    this.#byId.delete(request.id)
    this.#memoryBytes -= request.offset + request.bytes
  }

  /** The chunk's bytes are held in memory until stored() is called for it. */
  keep(chunk: number, bytes: number): void {
    if (this.#storing.has(chunk)) return
    this.#storing.set(chunk, bytes)
    this.#memoryBytes += bytes
  }

  stored(chunk: number): void {
    this.#memoryBytes -= this.#storing.get(chunk) ?? 0
    this.#storing.delete(chunk)
  }

  #release(request: Request, now: number): void {
    const rest = this.of(request.chunk).filter((other) => other !== request)
    if (rest.length === 0) this.#open.delete(request.chunk)
    else this.#open.set(request.chunk, rest)
    this.#openCount--
    if (request.peer === null) {
      this.#originCount--
      this.#originRestBytes -= request.bytes - request.received
    } else {
      if (request.peer.isFar) this.#farCount--
      request.peer.open--
      request.peer.openBytes -= request.bytes
      request.peer.rate.stop(now)
    }
  }
}

const NONE: readonly Request[] = []
