// One HTTP exchange of the S3 client: sockets that are kept and reused, an end to every wait, no redirects.
//
// The SDK's own handler counts the wait for a free socket against the connection timeout and cannot tell a reader that
// pauses on purpose (rate limit) from a server that went silent; hence this one. It serves the SDK's handler interface.
// Objects are read over our own connections, which read bodies to where they are wanted; all else, and what a server answers
// without saying its length, over node:http.

import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { NodeHttpHandler } from '@smithy/node-http-handler'
import { type BodySink, HttpBody, UnframedError } from './http-connection.ts'
import { formatGet } from './http-head.ts'
import { HttpOrigin } from './http-origin.ts'

/** What the SDK hands on, before or after it is signed. */
export type S3Request = Parameters<NodeHttpHandler['handle']>[0]
type HandlerOptions = NonNullable<Parameters<NodeHttpHandler['handle']>[1]>
type HandlerOutput = Awaited<ReturnType<NodeHttpHandler['handle']>>

/** So much of a body is given to TLS at a time; less costs more (bench/README.md). */
const SEALED_AT_ONCE_BYTES = 2 ** 20

export interface S3TransportOptions {
  readonly connectionsMax: number
  readonly connectTimeoutMs: number
  /** The longest silence on a connected socket. A reader that pauses on purpose switches it off, see `pauseBody`. */
  readonly idleTimeoutMs: number
}

export class S3Transport {
  readonly metadata = { handlerProtocol: 'http/1.1' }
  readonly #options: S3TransportOptions
  readonly #httpAgent: HttpAgent
  readonly #httpsAgent: HttpsAgent
  readonly #origins = new Map<string, HttpOrigin>()
  /** Servers that answered a GET without the length of its body. */
  readonly #unframed = new Set<string>()
  #clockSkewMs: number | undefined

  constructor(options: S3TransportOptions) {
    this.#options = options
    // The socket used last is the one whose congestion window is still open.
    const agentOptions = { keepAlive: true, maxSockets: options.connectionsMax, scheduling: 'lifo' } as const
    this.#httpAgent = new HttpAgent(agentOptions)
    this.#httpsAgent = new HttpsAgent(agentOptions)
  }

  /** The server's clock minus ours, from the last Date header: good to about a second. */
  get clockSkewMs(): number | undefined {
    return this.#clockSkewMs
  }

  /** Sends one request. Resolves with the headers; the body must be read to its end or destroyed. */
  async handle(request: S3Request, options: HandlerOptions = {}): Promise<HandlerOutput> {
    const signal = options.abortSignal instanceof AbortSignal ? options.abortSignal : undefined
    const server = `${request.protocol}//${request.hostname}:${request.port ?? ''}`
    // Listings, and only they have a query of that name, come in chunks from many servers.
    const isObject = request.method === 'GET' && request.query?.['list-type'] === undefined
    if (!isObject || this.#unframed.has(server)) return this.#exchange(request, signal)
    try {
      return await this.#get(server, request, signal)
    } catch (error) {
      if (!(error instanceof UnframedError)) throw error
      if (error.status < 300) this.#unframed.add(server)
      return this.#exchange(request, signal)
    }
  }

  async #get(server: string, request: S3Request, signal: AbortSignal | undefined): Promise<HandlerOutput> {
    const origin = this.#origins.get(server) ?? this.#originOf(request)
    this.#origins.set(server, origin)
    const headers = { ...request.headers, 'accept-encoding': 'identity' }
    const { head, body } = await origin.get(formatGet(request.path + queryString(request.query), headers), signal)
    this.#noteServerDate(head.headers['date'])
    return { response: { statusCode: head.status, headers: { ...head.headers }, body } }
  }

  #originOf({ protocol, hostname, port }: S3Request): HttpOrigin {
    const secure = protocol === 'https:'
    return new HttpOrigin({ secure, host: bareHost(hostname), port: port ?? (secure ? 443 : 80) }, this.#options)
  }

  #exchange(request: S3Request, signal: AbortSignal | undefined): Promise<HandlerOutput> {
    const { promise, resolve, reject } = Promise.withResolvers<HandlerOutput>()
    const secure = request.protocol === 'https:'
    const outgoing = (secure ? requestHttps : requestHttp)({
      agent: secure ? this.#httpsAgent : this.#httpAgent,
      host: bareHost(request.hostname),
      ...(request.port === undefined ? {} : { port: request.port }),
      method: request.method,
      path: request.path + queryString(request.query),
      // Set after signing: proxies rewrite this header, and a rewritten signed header is a refused request.
      headers: { ...request.headers, 'accept-encoding': 'identity' },
      ...(signal === undefined ? {} : { signal }),
    })
    outgoing.on('error', reject)
    outgoing.on('response', (response) => {
      this.#noteServerDate(response.headers.date)
      resolve({ response: { statusCode: response.statusCode ?? 0, headers: joinHeaders(response), body: response } })
    })
    outgoing.on('socket', (socket) => this.#watch(outgoing, socket, secure))
    if (secure && request.body instanceof Uint8Array) endInPieces(outgoing, request.body)
    else outgoing.end(request.body)
    return promise
  }

  /** Part of the handler interface; the options are fixed at construction. */
  updateHttpClientConfig(): void {}

  httpHandlerConfigs(): Record<string, never> {
    return {}
  }

  /** Closes every socket, also those in use. */
  destroy(): void {
    this.#httpAgent.destroy()
    this.#httpsAgent.destroy()
    for (const origin of this.#origins.values()) origin.destroy()
  }

  #watch(outgoing: ClientRequest, socket: Socket, secure: boolean): void {
    const { connectTimeoutMs, idleTimeoutMs } = this.#options
    const fail = (what: string, code: string) => outgoing.destroy(Object.assign(new Error(what), { code }))
    const onIdle = () => fail(`no byte for ${idleTimeoutMs} ms`, 'ETIMEDOUT')
    socket.setTimeout(idleTimeoutMs)
    socket.on('timeout', onIdle)
    outgoing.once('close', () => socket.removeListener('timeout', onIdle))
    if (!socket.connecting) return
    const timer = setTimeout(
      () => fail(`no connection within ${connectTimeoutMs} ms`, 'ECONNTIMEOUT'),
      connectTimeoutMs,
    )
    socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(timer))
    outgoing.once('close', () => clearTimeout(timer))
  }

  #noteServerDate(date: string | undefined): void {
    const serverMs = Date.parse(date ?? '')
    if (!Number.isNaN(serverMs)) this.#clockSkewMs = serverMs - Date.now()
  }
}

/**
 * Ends a request over TLS with this body. Node seals all that it is given at once, into memory of its own; what a piece needs of
 * that is used again for the next, which takes two thirds of the processor time.
 */
function endInPieces(outgoing: ClientRequest, body: Uint8Array): void {
  let at = 0
  const send = (): void => {
    while (body.length - at > SEALED_AT_ONCE_BYTES) {
      const hasRoom = outgoing.write(body.subarray(at, at + SEALED_AT_ONCE_BYTES))
      at += SEALED_AT_ONCE_BYTES
      if (!hasRoom) return void outgoing.once('drain', send)
    }
    outgoing.end(body.subarray(at))
  }
  send()
}

/** Has the whole body go into `sink`. Returns what takes it up again after the sink took no more. */
export function pourBody(body: Readable, sink: BodySink, idleTimeoutMs: number): () => void {
  if (body instanceof HttpBody) {
    body.pour(sink)
    return () => body.goOn()
  }
  return pourStream(body as IncomingMessage, sink, idleTimeoutMs)
}

/** A reader that pauses on purpose makes a silence that must not be taken for a dead server. */
function pourStream(body: IncomingMessage, sink: BodySink, idleTimeoutMs: number): () => void {
  let rest: Uint8Array = new Uint8Array(0)
  const give = (piece: Uint8Array): void => {
    rest = piece
    while (rest.length > 0) {
      const room = sink.room()
      const bytes = Math.min(rest.length, room.length)
      room.set(rest.subarray(0, bytes))
      rest = rest.subarray(bytes)
      if (sink.wrote(bytes)) continue
      body.pause()
      body.socket.setTimeout(0)
      return
    }
  }
  body.on('data', give)
  body.on('end', () => sink.ended())
  body.on('error', (error) => sink.ended(error))
  const cut = Object.assign(new Error('the connection was closed'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
  body.on('close', () => sink.ended(cut))
  return () => {
    body.socket.setTimeout(idleTimeoutMs)
    body.resume()
    give(rest)
  }
}

/** An IPv6 address is in brackets in a URL, and nowhere else. */
function bareHost(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}

function queryString(query: S3Request['query']): string {
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => `${escapeQuery(name)}=${escapeQuery(one ?? '')}`),
  )
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}

/** As the signature has it: RFC 3986, everything but the unreserved characters escaped. */
function escapeQuery(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function joinHeaders(response: IncomingMessage): Record<string, string> {
  const joined: Record<string, string> = {}
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) joined[name] = Array.isArray(value) ? value.join(',') : value
  }
  return joined
}
