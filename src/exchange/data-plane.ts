// Data connections of one node: native threads open what arrives into the buffers of those who asked, and seal what is sent.
// JavaScript hears of them a few times a second. Who may open such a connection is decided in data-connector.ts.

import { setTimeout } from 'node:timers/promises'
import { DATA_FLUSH_TIMEOUT_MS } from './limits.ts'
import type { Answer } from './payload-stream.ts'

/** What the addon offers; connections, requests and answers are numbers of 32 bits. */
export interface NativePlane {
  /** A connection over a socket whose descriptor the caller closes: its number, or the negative errno. */
  add(descriptor: number, sealKey: Uint8Array, openKey: Uint8Array, hello: Uint8Array): number
  expect(connection: number, id: number, offset: number, into: Uint8Array): boolean
  forget(connection: number, id: number): number
  send(connection: number, id: number, offset: number, bytes: Uint8Array, isShort: boolean): boolean
  cancel(connection: number, id: number): boolean
  /** Bytes received, wasted, sent and waiting. */
  counters(connection: number): Float64Array
  remove(connection: number): void
  close(): void
}

/** `onEvents` is given four numbers for each event: its kind, the connection, an id, an amount. */
export type OpenPlane = (onEvents: (events: Float64Array) => void) => NativePlane

/** Why a connection ended that this node did not close. */
export type DataEnd = 'closed' | 'broken' | 'tampered' | 'malformed'

/** Who uses a connection. Nothing is told after `ended`, or once this end has closed it. */
export interface DataHandlers {
  /** The other end has taken the connection. */
  up(): void
  /** So many bytes have come for a request so far. */
  progress(id: number, bytes: number): void
  /** An answer has come as a whole, of so many bytes. Its buffer is the asker's again. */
  complete(id: number, bytes: number): void
  /** What is expected or waits is lost. */
  ended(reason: DataEnd): void
}

export interface DataKeys {
  /** 32 bytes each. */
  readonly seal: Uint8Array
  readonly open: Uint8Array
}

/** Kinds of native/addon/data-events.h. */
const UP = 0
const PROGRESS = 1
const COMPLETE = 2
const SENT = 3
const ENDED = 4
const EVENT_FIELDS = 4
/** Bytes received, wasted, sent and waiting. */
const COUNTERS = 4
const FLUSH_CHECK_MS = 5
const ENDS: readonly DataEnd[] = ['closed', 'broken', 'tampered', 'malformed']

export class DataPlane {
  readonly #native: NativePlane
  readonly #channels = new Map<number, DataChannel>()

  constructor(open: OpenPlane) {
    this.#native = open((events) => this.#dispatch(events))
  }

  /**
   * A connection over the socket with this descriptor, which the caller closes right after. `hello` is said first, in clear, by the end
   * that dialled; empty: this end took the connection. Undefined when the system has no descriptor left.
   */
  add(descriptor: number, keys: DataKeys, hello: Uint8Array): DataChannel | undefined {
    const number = this.#native.add(descriptor, keys.seal, keys.open, hello)
    if (number < 0) return undefined
    const channel = new DataChannel(this.#native, number, () => this.#channels.delete(number))
    this.#channels.set(number, channel)
    return channel
  }

  /** Stops all answers. Resolves when the peers have acknowledged what was sent of them, or after DATA_FLUSH_TIMEOUT_MS. */
  async flush(): Promise<void> {
    const limit = AbortSignal.timeout(DATA_FLUSH_TIMEOUT_MS)
    const channels = [...this.#channels.values()]
    for (const channel of channels) channel.cancelAll()
    while (!limit.aborted && channels.some((channel) => channel.queuedBytes > 0)) await setTimeout(FLUSH_CHECK_MS)
  }

  /** Closes every connection and ends the threads. */
  close(): void {
    for (const channel of [...this.#channels.values()]) channel.close()
    this.#native.close()
  }

  #dispatch(events: Float64Array): void {
    for (let at = 0; at + EVENT_FIELDS <= events.length; at += EVENT_FIELDS) {
      const [kind = 0, connection = 0, id = 0, amount = 0] = events.subarray(at, at + EVENT_FIELDS)
      this.#channels.get(connection)?.happened(kind, id, amount)
    }
  }
}

/** One connection. Made by DataPlane. */
export class DataChannel {
  readonly #native: NativePlane
  readonly #number: number
  readonly #closed: () => void
  readonly #sending = new Map<number, (outcome: 'sent' | 'failed') => void>()
  #handlers: DataHandlers | undefined
  #isUp = false
  #isOpen = true
  #counters: Float64Array = new Float64Array(COUNTERS)

  constructor(native: NativePlane, number: number, closed: () => void) {
    this.#native = native
    this.#number = number
    this.#closed = closed
  }

  /** Whether the other end is known to have the connection, and it has not ended. */
  get isUp(): boolean {
    return this.#isUp && this.#isOpen
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Bytes of bodies that came, wanted or not. */
  get receivedBytes(): number {
    return this.#count()[0] ?? 0
  }

  /** Bytes of bodies that came for requests which had been given up. */
  get wastedBytes(): number {
    return this.#count()[1] ?? 0
  }

  /** Bytes that the system took; stands still when the peer does not read. */
  get passedBytes(): number {
    return this.#count()[2] ?? 0
  }

  /** Bytes of answers that the peer has not acknowledged yet. */
  get queuedBytes(): number {
    return this.#isOpen ? (this.#count()[3] ?? 0) : 0
  }

  /** Who hears of it from now on. */
  attach(handlers: DataHandlers): void {
    this.#handlers = handlers
  }

  /** An answer may come into `into`, which is written to until `complete`, `ended`, `forget` or `close`. False when it has ended. */
  expect(id: number, offset: number, into: Uint8Array): boolean {
    return this.#isOpen && this.#native.expect(this.#number, id, offset, into)
  }

  /** Gives up an answer; the bytes that came of it. Undefined when `complete` was told, or the connection has ended. */
  forget(id: number): number | undefined {
    const bytes = this.#isOpen ? this.#native.forget(this.#number, id) : -1
    return bytes < 0 ? undefined : bytes
  }

  /** Sends one answer after those that wait already, none of which has its id. The bytes are read until the promise settles. */
  send({ id, offset, asked, bytes }: Answer): Promise<'sent' | 'failed'> {
    const isShort = bytes.length < asked
    if (!this.#isOpen || this.#sending.has(id) || !this.#native.send(this.#number, id, offset, bytes, isShort))
      return Promise.resolve('failed')
    const done = Promise.withResolvers<'sent' | 'failed'>()
    this.#sending.set(id, done.resolve)
    return done.promise
  }

  /** Stops the answer with this id, at the latest after the record that is on its way. */
  cancel(id: number): void {
    if (this.#sending.has(id) && this.#isOpen && this.#native.cancel(this.#number, id)) this.#settle(id, 'failed')
  }

  /** Stops every answer that waits or is on its way. */
  cancelAll(): void {
    for (const id of [...this.#sending.keys()]) this.cancel(id)
  }

  /** Closes the connection. What waits fails. */
  close(): void {
    if (!this.#isOpen) return
    this.#count()
    this.#isOpen = false
    this.#native.remove(this.#number)
    this.#closed()
    for (const id of [...this.#sending.keys()]) this.#settle(id, 'failed')
  }

  /** Part of DataPlane. */
  happened(kind: number, id: number, amount: number): void {
    switch (kind) {
      case UP:
        this.#isUp = true
        this.#handlers?.up()
        return
      case PROGRESS:
        this.#handlers?.progress(id, amount)
        return
      case COMPLETE:
        this.#handlers?.complete(id, amount)
        return
      case SENT:
        this.#settle(id, 'sent')
        return
      case ENDED:
        this.close()
        this.#handlers?.ended(ENDS[id] ?? 'broken')
        return
    }
  }

  #settle(id: number, outcome: 'sent' | 'failed'): void {
    const settle = this.#sending.get(id)
    this.#sending.delete(id)
    settle?.(outcome)
  }

  #count(): Float64Array {
    if (this.#isOpen) this.#counters = this.#native.counters(this.#number)
    return this.#counters
  }
}
