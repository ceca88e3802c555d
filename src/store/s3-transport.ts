// One HTTP exchange of the S3 client: sockets that are kept and reused, an end to every wait, no redirects.
//
// The SDK's own handler counts the wait for a free socket against the connection timeout and cannot tell a reader that
// pauses on purpose (rate limit) from a server that went silent; hence this one. It serves the SDK's handler interface.

import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import type { Socket } from 'node:net'
import type { NodeHttpHandler } from '@smithy/node-http-handler'

type SignedRequest = Parameters<NodeHttpHandler['handle']>[0]
type HandlerOptions = NonNullable<Parameters<NodeHttpHandler['handle']>[1]>
type HandlerOutput = Awaited<ReturnType<NodeHttpHandler['handle']>>

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
  handle(request: SignedRequest, options: HandlerOptions = {}): Promise<HandlerOutput> {
    const { promise, resolve, reject } = Promise.withResolvers<HandlerOutput>()
    const secure = request.protocol === 'https:'
    const signal = options.abortSignal instanceof AbortSignal ? options.abortSignal : undefined
    const outgoing = (secure ? requestHttps : requestHttp)({
      agent: secure ? this.#httpsAgent : this.#httpAgent,
      host: request.hostname.replace(/^\[(.*)\]$/, '$1'),
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
    outgoing.end(request.body)
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

/** Stops reading a body on purpose: the silence that follows is ours and must not be taken for a dead server. */
export function pauseBody(body: IncomingMessage): void {
  body.pause()
  body.socket.setTimeout(0)
}

/** Takes a paused body up again, and the watch for silence with it. */
export function resumeBody(body: IncomingMessage, idleTimeoutMs: number): void {
  body.socket.setTimeout(idleTimeoutMs)
  body.resume()
}

function queryString(query: SignedRequest['query']): string {
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
