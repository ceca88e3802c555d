// One HTTP/1.1 connection that carries one GET after the other. The socket reads a body straight into where its reader wants
// it; node:http hands out a new buffer with a copy for every piece, which costs five times the processor time.

import { connect as connectPlain, isIP, type OnReadOpts, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { connect as connectSecure } from 'node:tls'
import { headEnd, parseHead, protocolError, type ResponseHead } from './http-head.ts'

/** Takes a body in, piece after piece. */
export interface BodySink {
  /** Where the next bytes go; never empty while bytes are missing. */
  room(): Uint8Array
  /** `bytes` lie at the beginning of that room. False: no more until HttpBody.goOn(). */
  wrote(bytes: number): boolean
  /** Once: the whole body was there, or why it was not. */
  ended(error?: Error): void
}

export interface HttpTarget {
  readonly secure: boolean
  readonly host: string
  readonly port: number
}

export interface ConnectionTimeouts {
  readonly connectTimeoutMs: number
  /** The longest silence while an answer is awaited; a sink that takes no more stops the clock. */
  readonly idleTimeoutMs: number
}

export interface HttpResponse {
  readonly head: ResponseHead
  readonly body: HttpBody
}

/** The answer is not framed by a length: such bodies are left to node:http. */
export class UnframedError extends Error {
  readonly status: number

  constructor(status: number) {
    super('the length of the body is not known')
    this.status = status
  }
}

/** A connection that was kept ended before a byte of the answer came: the server had closed it. */
export class StaleError extends Error {}

const CLOSED_BY_SERVER = new Set(['ECONNRESET', 'EPIPE'])
/** Longest head; also what one read takes where no sink is there. */
const SCRATCH_BYTES = 65_536
/** One read into a sink takes at most so much, so that others have their turn. */
const READ_BYTES_MAX = 1_048_576

/** The body of one answer. As a stream for whoever wants one, or poured into a sink; not both. */
export class HttpBody extends Readable {
  readonly #connection: HttpConnection
  /** Bytes that the connection has still to read, and that the sink has still to get. */
  #unread: number
  #left: number
  /** What was read before there was a sink, or while it took no more. */
  readonly #early: Buffer[] = []
  #sink: BodySink | undefined
  #isHeldUp = false
  #error: Error | undefined
  #ended = false
  /** Has the stream end when it is aborted; a sink's owner sees to that itself. */
  readonly #signal: AbortSignal | undefined
  readonly #abort = (): void => {
    this.destroy(this.#signal?.reason)
  }

  constructor(connection: HttpConnection, bytes: number, signal: AbortSignal | undefined) {
    super({ highWaterMark: SCRATCH_BYTES })
    this.#signal = signal
    this.#connection = connection
    this.#unread = bytes
    this.#left = bytes
  }

  get unread(): number {
    return this.#unread
  }

  /** Has everything go into `sink`. At most once. */
  pour(sink: BodySink): void {
    this.#sink = sink
    this.goOn()
  }

  /** The sink takes more again. */
  goOn(): void {
    this.#isHeldUp = false
    for (let piece = this.#early.shift(); piece !== undefined; piece = this.#early.shift()) {
      this.#give(piece)
      if (this.#isHeldUp) return
    }
    if (this.#left === 0) this.#end()
    else if (this.#error !== undefined) this.#end(this.#error)
    else this.#connection.read()
  }

  /** Where the connection may read to; undefined: nobody takes it now. */
  room(): Uint8Array | undefined {
    if (this.#isHeldUp || this.#early.length > 0 || this.#unread === 0) return undefined
    return this.#sink?.room().subarray(0, Math.min(this.#unread, READ_BYTES_MAX))
  }

  /** `bytes` were read into room(). False: no more for now. */
  wrote(bytes: number): boolean {
    this.#unread -= bytes
    this.#count(bytes)
    return !this.#isHeldUp
  }

  /** `piece` was read to elsewhere; it is copied. False: no more for now. */
  took(piece: Uint8Array): boolean {
    this.#unread -= piece.length
    if (this.#sink === undefined || this.#isHeldUp) this.#early.push(Buffer.from(piece))
    else this.#give(piece)
    return this.#sink !== undefined && !this.#isHeldUp
  }

  /** The connection ended before the body. */
  fail(error: Error): void {
    this.#error = error
    if (this.#sink !== undefined && this.#early.length === 0) this.#end(error)
  }

  #give(piece: Uint8Array): void {
    for (let done = 0; done < piece.length; ) {
      if (this.#isHeldUp) {
        this.#early.unshift(Buffer.from(piece.subarray(done)))
        return
      }
      const room = this.#sink?.room() ?? piece
      const part = piece.subarray(done, done + room.length)
      room.set(part)
      done += part.length
      this.#count(part.length)
    }
  }

  #count(bytes: number): void {
    this.#left -= bytes
    this.#isHeldUp = this.#sink?.wrote(bytes) === false && this.#left > 0
    if (this.#left === 0) this.#end()
  }

  #end(error?: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#sink?.ended(error)
  }

  /** Of streams: whoever reads it as one has it poured into the stream's own buffer. */
  override _read(): void {
    if (this.#sink === undefined) this.#pourIntoStream()
    else this.goOn()
  }

  #pourIntoStream(): void {
    this.#signal?.addEventListener('abort', this.#abort, { once: true })
    if (this.#signal?.aborted) this.#abort()
    let room = Buffer.alloc(0)
    this.pour({
      room: () => {
        room = Buffer.allocUnsafe(SCRATCH_BYTES)
        return room
      },
      wrote: (bytes) => this.push(room.subarray(0, bytes)),
      ended: (error) => {
        if (error === undefined) this.push(null)
        else this.destroy(error)
      },
    })
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#ended = true
    this.#signal?.removeEventListener('abort', this.#abort)
    this.#connection.leave(this)
    done(error)
  }
}

export class HttpConnection {
  readonly #socket: Socket
  readonly #timeouts: ConnectionTimeouts
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  /** Of the head that is being read, in the scratch. */
  #headBytes = 0
  #answer: PromiseWithResolvers<HttpResponse> | undefined
  /** Of the request under way. */
  #signal: AbortSignal | undefined
  #body: HttpBody | undefined
  #keepsAlive = true
  /** Whether the socket reads into the body's room now. */
  #readsIntoRoom = false
  #failure: Error | undefined
  /** Whether an answer came before. */
  #used = false
  /** Called when the connection is free for the next request. */
  onFree: () => void = () => undefined
  /** Called once, when it is of no more use. */
  onClosed: () => void = () => undefined
  /** Called with what resumes a TLS session on another connection. */
  onSession: (session: Buffer) => void = () => undefined

  constructor(target: HttpTarget, timeouts: ConnectionTimeouts, session?: Buffer) {
    this.#timeouts = timeouts
    const { secure, host, port } = target
    const onread: OnReadOpts = {
      buffer: () => this.#nextRoom() as Uint8Array<ArrayBuffer>,
      callback: (bytes) => this.#wasRead(bytes),
    }
    const socket = secure
      ? connectSecure({
          ...{ host, port, onread, ALPNProtocols: ['http/1.1'] },
          ...(isIP(host) === 0 ? { servername: host } : {}),
          ...(session === undefined ? {} : { session }),
        })
      : connectPlain({ host, port, onread })
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('session', (ticket: Buffer) => this.onSession(ticket))
    socket.on('timeout', () => this.#fail(coded(`no byte for ${timeouts.idleTimeoutMs} ms`, 'ETIMEDOUT')))
    socket.on('error', (error) => this.#fail(error))
    socket.on('end', () => this.#fail(coded('the server closed the connection', 'ECONNRESET')))
    socket.on('close', () => {
      this.#fail(coded('the connection was closed', 'ECONNRESET'))
      this.onClosed()
    })
    const timer = setTimeout(
      () => this.#fail(coded(`no connection within ${timeouts.connectTimeoutMs} ms`, 'ECONNTIMEOUT')),
      timeouts.connectTimeoutMs,
    )
    socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(timer))
    socket.once('close', () => clearTimeout(timer))
    // So that the end of the socket is noticed while nothing is read.
    socket.resume()
  }

  /** Sends one request, when the one before has been answered in full. Resolves with the head. */
  get(request: Buffer, signal?: AbortSignal): Promise<HttpResponse> {
    if (this.#failure !== undefined) return Promise.reject(this.#stale(this.#failure))
    this.#answer = Promise.withResolvers()
    this.#headBytes = 0
    this.#signal = signal
    this.#socket.ref()
    this.#socket.setTimeout(this.#timeouts.idleTimeoutMs)
    this.#socket.write(request)
    return this.#answer.promise
  }

  /** Reads on, after the body's sink took no more. */
  read(): void {
    if (this.#failure !== undefined) return
    this.#socket.setTimeout(this.#timeouts.idleTimeoutMs)
    this.#socket.resume()
  }

  /** The reader of a body wants no more of it. A connection with the rest of one is of no use. */
  leave(body: HttpBody): void {
    if (this.#body === body) this.destroy()
  }

  destroy(): void {
    this.#fail(coded('the request was given up', 'ECONNABORTED'))
  }

  #nextRoom(): Uint8Array {
    const room = this.#body?.room()
    this.#readsIntoRoom = room !== undefined
    return room ?? this.#scratch.subarray(this.#headBytes)
  }

  /** False: reads no more until read(). */
  #wasRead(bytes: number): boolean {
    try {
      const goesOn = this.#body === undefined ? this.#headGrew(bytes) : this.#bodyGrew(this.#body, bytes)
      // Whoever reads the body holds it up: the silence that follows is ours.
      if (!goesOn) this.#socket.setTimeout(0)
      return goesOn
    } catch (error) {
      this.#fail(error as Error)
      return false
    }
  }

  #headGrew(bytes: number): boolean {
    if (this.#answer === undefined) throw protocolError('an answer without a request')
    this.#headBytes += bytes
    const all = this.#scratch.subarray(0, this.#headBytes)
    const end = headEnd(all)
    if (end === undefined) {
      if (all.length === this.#scratch.length) throw protocolError('a head without an end')
      return true
    }
    const head = parseHead(all.subarray(0, end))
    const rest = all.subarray(end)
    if (head.status < 200) {
      // An interim answer; the one that counts follows.
      this.#scratch.copyWithin(0, end, all.length)
      this.#headBytes = 0
      return rest.length === 0 || this.#headGrew(rest.length)
    }
    if (head.bodyBytes === undefined) throw new UnframedError(head.status)
    this.#headBytes = 0
    const body = new HttpBody(this, head.bodyBytes, this.#signal)
    this.#body = body
    this.#used = true
    this.#keepsAlive = head.keepsAlive
    this.#answer.resolve({ head, body })
    this.#answer = undefined
    if (rest.length > 0) this.#take(body, rest)
    return this.#freeAfter(body)
  }

  #bodyGrew(body: HttpBody, bytes: number): boolean {
    const goesOn = this.#readsIntoRoom ? body.wrote(bytes) : this.#take(body, this.#scratch.subarray(0, bytes))
    return this.#freeAfter(body) || goesOn
  }

  #take(body: HttpBody, piece: Buffer): boolean {
    if (piece.length > body.unread) throw protocolError('more bytes than its length says')
    return body.took(piece)
  }

  /** Whether the connection was free for another request when all of `body` had been read. */
  #freeAfter(body: HttpBody): boolean {
    if (body.unread > 0 || this.#failure !== undefined) return false
    this.#body = undefined
    if (!this.#keepsAlive) {
      this.destroy()
      return false
    }
    this.#socket.setTimeout(0)
    this.#socket.unref()
    // A TLS record that was being taken apart goes on to come after reading stopped; it may have been the last.
    this.#socket.resume()
    this.onFree()
    return true
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#socket.destroy()
    this.#answer?.reject(this.#headBytes === 0 ? this.#stale(error) : error)
    this.#answer = undefined
    this.#body?.fail(error)
    this.#body = undefined
  }

  #stale(error: Error): Error {
    const isClosed = CLOSED_BY_SERVER.has((error as NodeJS.ErrnoException).code ?? '')
    return this.#used && isClosed ? new StaleError(error.message, { cause: error }) : error
  }
}

function coded(what: string, code: string): Error {
  return Object.assign(new Error(what), { code })
}
