// One admitted connection: its two streams, the requests and asks that run over it, its heartbeat and its quotas.
// Which of two connections to a peer counts, and what a peer's messages mean, is the exchange's business.

import type { Connection, Stream } from '@libp2p/interface'
import { describeError, invariant, isSwarmError } from '../base/errors.ts'
import type { AskId, PeerId } from '../base/ids.ts'
import type { ControlStream } from './control-stream.ts'
import type { DataConnector } from './data-connector.ts'
import * as limits from './limits.ts'
import { LinkData } from './link-data.ts'
import {
  type ErrorReason,
  encodeMessage,
  type Hello,
  type Message,
  parseMessage,
  type RefuseReason,
  type Request,
} from './messages.ts'
import { OpenRequests, type RequestOutcome } from './open-requests.ts'
import { PayloadStream } from './payload-stream.ts'

/** Why a link ended. */
export type LinkEnd =
  /** In good order, by either side. */
  | 'closed'
  /** The connection failed. */
  | 'broken'
  /** Nothing came for too long. */
  | 'silent'
  /** The peer did not take what it was sent. */
  | 'stalled'
  /** The peer broke the protocol. */
  | 'malformed'
  /** The peer sent or asked for more than is allowed. */
  | 'flooding'

/** What an admitted peer may say that is not settled inside the link. */
export type LinkMessage = Exclude<
  Message,
  { type: 'request' | 'cancel' | 'refuse' | 'dataOffer' | 'keepAlive' | 'hello' | 'proof' | 'error' }
>

export interface LinkHandlers {
  heard(link: PeerLink, message: LinkMessage): void
  asked(link: PeerLink, ask: AskId, request: Request): void
  askCancelled(ask: AskId): void
  /** Once; nothing else comes afterwards. */
  ended(link: PeerLink, reason: LinkEnd): void
}

/** What a link uses of its connection, or tells of it. */
export type LinkConnection = Pick<
  Connection,
  'abort' | 'addEventListener' | 'close' | 'direction' | 'remoteAddr' | 'status'
>

export interface LinkInit {
  readonly peer: PeerId
  readonly hello: Hello
  readonly connection: LinkConnection
  readonly control: ControlStream
  readonly payload: Stream
  readonly handlers: LinkHandlers
  /** Undefined: all payload comes on the payload stream. */
  readonly data?: DataConnector | undefined
  readonly nextAskId: () => AskId
  readonly log: (text: string) => void
}

/** Everything that a request can come to, as seen by the asker. */
export interface RequestOptions {
  readonly signal?: AbortSignal
  /** Told of each piece that arrived, in bytes. */
  readonly onBytes?: (bytes: number) => void
}

/** How long a link that ends for a reason may take to tell the peer. */
const FAREWELL_TIMEOUT_MS = 1_000

export class PeerLink {
  readonly peer: PeerId
  readonly hello: Hello
  readonly connection: LinkConnection
  readonly #init: LinkInit
  readonly #control: ControlStream
  readonly #payload: PayloadStream
  readonly #data: LinkData
  readonly #requests: OpenRequests
  readonly #asks = new Map<AskId, Request>()
  /** Ids of requests whose answers are being sent; those that the peer has given up among them. */
  readonly #answering = new Set<number>()
  #ended = false
  #retired = false
  #peerFinished = false
  #ticker: ReturnType<typeof setInterval> | undefined
  #heardBytes = 0
  #heardMessages = 0
  #silentTicks = 0
  #stalledTicks = 0
  #retiredTicks = 0
  #passedBytes = 0

  constructor(init: LinkInit) {
    this.#init = init
    this.peer = init.peer
    this.hello = init.hello
    this.connection = init.connection
    this.#control = init.control
    this.#requests = new OpenRequests((what) => this.#offend('malformed', what))
    const requests = this.#requests
    this.#data = new LinkData({
      connector: init.data,
      hello: init.hello,
      connection: init.connection,
      requests,
      offend: (what) => this.#offend('malformed', what),
      log: init.log,
    })
    this.#payload = new PayloadStream(init.payload, {
      begin: (header) => requests.begin(header),
      body: (part) => requests.body(part),
      end: () => {
        requests.end()
        this.#finishIfIdle()
      },
      alive: (bytes) => {
        this.#heardBytes += bytes
      },
      ended: (reason) => {
        if (reason === 'malformed') this.#offend('malformed', 'payload frame longer than allowed')
        else this.#lost()
      },
    })
  }

  get wastedBytes(): number {
    return this.#requests.wastedBytes + this.#data.wastedBytes
  }

  /** Bytes that wait for this peer in our memory, besides the answers' own buffers. */
  get queuedBytes(): number {
    return this.#payload.queuedBytes + this.#control.queuedBytes
  }

  /** Starts to listen and to keep time. Called once. */
  start(): void {
    this.#ticker = setInterval(() => this.tick(), limits.TICK_MS)
    this.#ticker.unref()
    this.connection.addEventListener('close', () => this.#lost())
    void this.#listen()
    this.#offerData()
  }

  /** Sends a message; a peer that lets too much pile up is dropped instead. */
  send(message: Message): void {
    if (this.#ended) return
    if (!this.#control.send(encodeMessage(message))) this.end('stalled')
  }

  /** Asks for `into.length` bytes. Never rejects; `into` is not written to once the promise settles. */
  async request(
    target: Request['target'],
    offset: number,
    into: Uint8Array,
    options: RequestOptions,
  ): Promise<RequestOutcome> {
    const { signal, onBytes } = options
    invariant(into.length > 0 && into.length <= limits.REQUEST_BYTES_MAX, `request for ${into.length} bytes`)
    if (this.#ended) return { status: 'broken', bytes: 0 }
    if (signal?.aborted === true) return { status: 'cancelled', bytes: 0 }
    const opened = this.#requests.open(offset, into, onBytes ?? (() => {}), this.#data.expecting)
    if (opened === undefined) return { status: 'busy', bytes: 0 }
    const onAbort = () => {
      if (this.#requests.cancel(opened.id)) this.send({ type: 'cancel', id: opened.id })
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    const { id, onData } = opened
    this.send({ type: 'request', id, target, offset, length: into.length, onData })
    const outcome = await opened.outcome
    signal?.removeEventListener('abort', onAbort)
    this.#finishIfIdle()
    return outcome
  }

  /** Answers an ask; see PayloadStream.send for the bytes. `failed` when the ask is gone. */
  async serve(ask: AskId, bytes: Uint8Array, signal?: AbortSignal): Promise<'sent' | 'failed'> {
    const request = this.#asks.get(ask)
    if (request === undefined || signal?.aborted === true) return 'failed'
    const { id, offset, length: asked, onData } = request
    invariant(bytes.length <= asked, `answer of ${bytes.length} bytes where ${asked} asked`)
    const way = onData ? this.#data.answering : this.#payload
    const onAbort = () => way?.cancel(id)
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#answering.add(id)
    const outcome = (await way?.send({ id, offset, asked, bytes })) ?? 'failed'
    this.#answering.delete(id)
    signal?.removeEventListener('abort', onAbort)
    // Given up by us, not by the peer, which therefore has to hear of it.
    if (outcome === 'failed' && this.#asks.has(ask)) this.send({ type: 'refuse', id, reason: 'busy' })
    this.#asks.delete(ask)
    this.#finishIfIdle()
    return outcome
  }

  refuse(ask: AskId, reason: RefuseReason): void {
    const request = this.#asks.get(ask)
    if (request === undefined) return
    this.#asks.delete(ask)
    this.send({ type: 'refuse', id: request.id, reason })
    this.#finishIfIdle()
  }

  /** Ends the link in good order and tells the peer why. */
  close(reason: ErrorReason): void {
    this.send({ type: 'error', reason })
    this.end('closed')
  }

  /** Another connection took over: finish what is open here, then close. */
  retire(): void {
    if (this.#retired) return
    this.#retired = true
    this.#finishIfIdle()
  }

  /** Ends the link now. What is open fails; `reason` is told to the peer where there is a word for it. */
  end(reason: LinkEnd): void {
    if (this.#ended) return
    if (reason === 'malformed' || reason === 'flooding') this.#control.send(encodeMessage({ type: 'error', reason }))
    this.#ended = true
    clearInterval(this.#ticker)
    this.#control.finish()
    this.#requests.fail()
    this.#data.close()
    for (const ask of this.#asks.keys()) this.#init.handlers.askCancelled(ask)
    this.#asks.clear()
    void this.#close()
    this.#init.handlers.ended(this, reason)
  }

  /** One heartbeat. Counts ticks instead of reading a clock, so that a blocked process does not take itself for a dead peer. */
  tick(): void {
    this.#heardBytes += this.#data.takeHeardBytes()
    this.#silentTicks = this.#heardBytes === 0 ? this.#silentTicks + 1 : 0
    const queuedBytes = this.#payload.queuedBytes + this.#data.queuedBytes
    const passedBytes = this.#payload.passedBytes + this.#data.passedBytes
    const stalled = queuedBytes > 0 && passedBytes === this.#passedBytes
    this.#stalledTicks = stalled ? this.#stalledTicks + 1 : 0
    this.#passedBytes = passedBytes
    this.#heardBytes = 0
    this.#heardMessages = 0
    if (this.#retired) this.#retiredTicks++
    if (this.#silentTicks >= limits.SILENT_TICKS_MAX) this.end('silent')
    else if (this.#stalledTicks >= limits.STALLED_TICKS_MAX) this.end('stalled')
    else if (this.#retiredTicks * limits.TICK_MS >= limits.RETIRE_TIMEOUT_MS) this.end('closed')
    else if (!this.#retired) {
      this.send({ type: 'keepAlive' })
      this.#offerData()
    }
  }

  #offerData(): void {
    const offer = this.#retired ? undefined : this.#data.offer()
    if (offer !== undefined) this.send(offer)
  }

  /** The connection is gone. What the peer said before is still read: it may have taken its leave. */
  #lost(): void {
    setImmediate(() => this.end(this.#retired ? 'closed' : 'broken'))
  }

  async #listen(): Promise<void> {
    try {
      for (let bytes = await this.#control.next(); bytes !== undefined; bytes = await this.#control.next()) {
        if (this.#ended) return
        this.#heardBytes += bytes.length
        this.#heardMessages++
        if (this.#heardMessages > limits.CONTROL_MESSAGES_PER_TICK_MAX) this.#offend('flooding', 'control messages')
        else this.#handle(parseMessage(bytes))
      }
      this.#peerFinished = true
      if (this.#retired) this.#finishIfIdle()
      else this.end(this.connection.status === 'open' ? 'closed' : 'broken')
    } catch (error) {
      if (isSwarmError(error) || isLengthError(error)) this.#offend('malformed', describeError(error))
      else this.end('broken')
    }
  }

  #handle(message: ReturnType<typeof parseMessage>): void {
    switch (message.type) {
      case 'unknown':
      case 'keepAlive':
        return
      case 'request':
        this.#accept(message)
        return
      case 'cancel':
        this.#cancelled(message.id)
        return
      case 'refuse':
        this.#requests.refuse(message.id, message.reason)
        return
      case 'dataOffer':
        if (!this.#retired) this.#data.offered(message)
        return
      case 'error':
        this.#init.log(`peer ${this.peer} closes: ${message.reason}`)
        this.end('closed')
        return
      case 'hello':
      case 'proof':
        this.#offend('malformed', `${message.type} after admission`)
        return
      default:
        this.#init.handlers.heard(this, message)
    }
  }

  #accept(request: Request): void {
    const isUsed = this.#answering.has(request.id) || [...this.#asks.values()].some(({ id }) => id === request.id)
    if (isUsed) {
      this.#offend('malformed', `request id ${request.id} used twice`)
      return
    }
    if (this.#asks.size >= limits.REQUESTS_PER_PEER_MAX) {
      this.#offend('flooding', `more than ${limits.REQUESTS_PER_PEER_MAX} requests`)
      return
    }
    const ask = this.#init.nextAskId()
    this.#asks.set(ask, request)
    this.#init.handlers.asked(this, ask, request)
  }

  #cancelled(id: number): void {
    for (const [ask, request] of this.#asks) {
      if (request.id !== id) continue
      this.#asks.delete(ask)
      this.#payload.cancel(id)
      this.#data.cancel(id)
      this.#init.handlers.askCancelled(ask)
    }
    this.#finishIfIdle()
  }

  #offend(reason: 'malformed' | 'flooding', what: string): void {
    this.#init.log(`peer ${this.peer} is dropped: ${what}`)
    this.end(reason)
  }

  #finishIfIdle(): void {
    if (!this.#retired || this.#ended || this.#requests.size > 0 || this.#asks.size > 0) return
    this.#control.finish()
    if (this.#peerFinished) this.end('closed')
  }

  async #close(): Promise<void> {
    const farewell = AbortSignal.timeout(FAREWELL_TIMEOUT_MS)
    try {
      await Promise.race([this.#control.finished, aborted(farewell)])
      this.#payload.abort(new Error('link ended'))
      await this.connection.close({ signal: farewell })
    } catch {
      this.connection.abort(new Error('link ended'))
    }
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** Errors by which the length prefix is found to be impossible. */
function isLengthError(error: unknown): boolean {
  return error instanceof Error && /^Invalid(Data|Message)Length/.test(error.name)
}
