// The requests that this node has open with one peer: numbers them, puts the frames that answer them straight into the
// askers' buffers, and judges frames that answer nothing. Where there is a data channel, it does that, and this file keeps count.

import type { DataChannel } from './data-plane.ts'
import { REQUESTS_PER_PEER_MAX } from './limits.ts'
import type { RefuseReason } from './messages.ts'
import type { FrameHeader, FrameSink } from './payload-frame.ts'

/** How a request ended. `bytes` came into the buffer; `ok` with fewer than asked means that the object ends there. */
export interface RequestOutcome {
  readonly status: 'ok' | RefuseReason | 'broken' | 'cancelled'
  readonly bytes: number
}

export interface OpenedRequest {
  readonly id: number
  /** Whether the answer is expected on the channel. */
  readonly onData: boolean
  readonly outcome: Promise<RequestOutcome>
}

/** What of a channel takes answers. */
export type AnswerChannel = Pick<DataChannel, 'expect' | 'forget'>

interface OpenRequest {
  readonly id: number
  readonly offset: number
  readonly into: Uint8Array
  readonly onBytes: (bytes: number) => void
  /** Where the answer comes; undefined: in frames of the payload stream. */
  readonly channel: AnswerChannel | undefined
  readonly settle: (outcome: RequestOutcome) => void
  received: number
}

const ID_LIMIT = 2 ** 32

export class OpenRequests implements FrameSink {
  readonly #open = new Map<number, OpenRequest>()
  readonly #offend: (what: string) => void
  #nextId = 0
  #current: OpenRequest | undefined
  /** Bytes that may still come for requests which were cancelled when their answer was perhaps on its way. */
  #allowance = 0
  #wastedBytes = 0

  /** `offend` is told of a frame that an honest peer does not send; it must end the connection and call `fail`. */
  constructor(offend: (what: string) => void) {
    this.#offend = offend
  }

  get size(): number {
    return this.#open.size
  }

  /** Bytes of frames that were thrown away. */
  get wastedBytes(): number {
    return this.#wastedBytes
  }

  /**
   * Opens a request for `into.length` bytes at `offset`, or undefined when too many are open. `into` is written to until
   * the outcome settles and never after. The answer comes on the channel, unless that has ended.
   */
  open(
    offset: number,
    into: Uint8Array,
    onBytes: (bytes: number) => void,
    channel?: AnswerChannel,
  ): OpenedRequest | undefined {
    if (this.#open.size >= REQUESTS_PER_PEER_MAX) return undefined
    while (this.#open.has(this.#nextId)) this.#nextId = (this.#nextId + 1) % ID_LIMIT
    const id = this.#nextId
    this.#nextId = (this.#nextId + 1) % ID_LIMIT
    const { promise: outcome, resolve: settle } = Promise.withResolvers<RequestOutcome>()
    const onData = channel?.expect(id, offset, into) === true
    this.#open.set(id, { id, offset, into, onBytes, channel: onData ? channel : undefined, settle, received: 0 })
    return { id, onData, outcome }
  }

  /** Whether a request was open under this id; it is closed as cancelled. */
  cancel(id: number): boolean {
    const request = this.#open.get(id)
    if (request === undefined) return false
    if (request.channel === undefined) this.#allowance += request.into.length - request.received
    this.#giveUp(request, 'cancelled')
    return true
  }

  /** The peer will not answer. A refusal of a request that is no longer open is normal after a cancel. */
  refuse(id: number, reason: RefuseReason): void {
    const request = this.#open.get(id)
    if (request !== undefined) this.#giveUp(request, reason)
  }

  /** Closes everything: the connection is gone. */
  fail(): void {
    for (const request of [...this.#open.values()]) this.#giveUp(request, 'broken')
  }

  /** Closes what was expected on a channel that has ended. */
  failOnData(): void {
    for (const request of [...this.#open.values()]) if (request.channel !== undefined) this.#giveUp(request, 'broken')
  }

  /** So many bytes have come on the channel so far. */
  progress(id: number, bytes: number): void {
    const request = this.#open.get(id)
    if (request?.channel !== undefined) this.#arrived(request, bytes)
  }

  /** All of an answer has come on the channel. */
  complete(id: number, bytes: number): void {
    const request = this.#open.get(id)
    if (request?.channel === undefined) return
    this.#arrived(request, bytes)
    // Whoever was told of the bytes may have given the request up.
    if (this.#open.has(id)) this.#close(request, 'ok')
  }

  begin(header: FrameHeader): void {
    this.#current = undefined
    const request = this.#open.get(header.id)
    if (request === undefined) {
      this.#discard(header)
      return
    }
    const expected = request.offset + request.received
    if (request.channel !== undefined) {
      this.#offend(`frame on the payload stream for request ${request.id}, which is answered on the data connection`)
      return
    }
    if (header.offset !== expected || request.received + header.length > request.into.length) {
      this.#offend(`frame at ${header.offset}+${header.length} where ${expected} is next`)
      return
    }
    if (header.length === 0) this.#close(request, 'ok')
    else this.#current = request
  }

  body(part: Uint8Array): void {
    const request = this.#current
    if (request === undefined) return
    request.into.set(part, request.received)
    request.received += part.length
    request.onBytes(part.length)
  }

  end(): void {
    const request = this.#current
    this.#current = undefined
    if (request !== undefined && request.received === request.into.length) this.#close(request, 'ok')
  }

  #discard(header: FrameHeader): void {
    this.#wastedBytes += header.length
    this.#allowance -= header.length
    if (this.#allowance < 0) this.#offend(`frame of ${header.length} bytes that nobody asked for`)
  }

  /** Of what comes on a channel, all counts that is in the buffer, which may be all of it. */
  #giveUp(request: OpenRequest, status: RequestOutcome['status']): void {
    this.#arrived(request, request.channel?.forget(request.id) ?? request.received)
    const isWhole = request.received === request.into.length && status !== 'cancelled'
    this.#close(request, isWhole ? 'ok' : status)
  }

  #arrived(request: OpenRequest, bytes: number): void {
    const news = bytes - request.received
    request.received = bytes
    if (news > 0) request.onBytes(news)
  }

  #close(request: OpenRequest, status: RequestOutcome['status']): void {
    this.#open.delete(request.id)
    // The rest of a frame that is being read goes nowhere.
    if (this.#current === request) this.#current = undefined
    request.settle({ status, bytes: request.received })
  }
}
