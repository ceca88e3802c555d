// The requests that we have open and the memory that they and the chunks not yet stored take. A cancelled request stays
// here, and keeps its memory, until the shell closes it; it no longer counts as open.

import { invariant } from '../base/errors.ts'
import { type RequestId, requestId } from '../base/ids.ts'
import type { Limits } from './limits.ts'
import type { Peer } from './peer-table.ts'

export interface Request {
  readonly id: RequestId
  readonly chunk: number
  /** Null: the origin. */
  readonly peer: Peer | null
  readonly bytes: number
  readonly startedAt: number
  received: number
  lastByteAt: number
  cancelled: boolean
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

  /** Open requests for a chunk. */
  of(chunk: number): readonly Request[] {
    return this.#open.get(chunk) ?? NONE
  }

  open(chunk: number, peer: Peer | null, bytes: number, now: number): Request {
    const request: Request = {
      id: requestId(this.#next++),
      chunk,
      peer,
      bytes,
      startedAt: now,
      received: 0,
      lastByteAt: now,
      cancelled: false,
    }
    this.#byId.set(request.id, request)
    const others = this.#open.get(chunk)
    if (others === undefined) this.#open.set(chunk, [request])
    else others.push(request)
    this.#memoryBytes += bytes
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

  /** More of an open request is here. */
  progress(request: Request, bytes: number, now: number): void {
    const counted = Math.min(bytes, request.bytes - request.received)
    request.received += counted
    request.lastByteAt = now
    if (request.peer === null) this.#originRestBytes -= counted
  }

  /** open -> cancelled. It no longer takes a place with its source. */
  cancel(request: Request, now: number): void {
    invariant(!request.cancelled, `request ${request.id} is cancelled twice`)
    this.#release(request, now)
    request.cancelled = true
  }

  /** Takes a closed request out and frees its memory. */
  close(request: Request, now: number): void {
    if (!request.cancelled) this.#release(request, now)
    this.#byId.delete(request.id)
    this.#memoryBytes -= request.bytes
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
