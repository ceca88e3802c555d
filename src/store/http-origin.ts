// The connections to one server: used again, the latest first, whose congestion window is still open; never more than so many.

import {
  type ConnectionTimeouts,
  HttpConnection,
  type HttpResponse,
  type HttpTarget,
  StaleError,
} from './http-connection.ts'

export interface HttpOriginOptions extends ConnectionTimeouts {
  readonly connectionsMax: number
}

export class HttpOrigin {
  readonly #target: HttpTarget
  readonly #options: HttpOriginOptions
  readonly #open = new Set<HttpConnection>()
  readonly #idle: HttpConnection[] = []
  readonly #waiting = new Set<PromiseWithResolvers<HttpConnection>>()
  #session: Buffer | undefined
  #isClosed = false

  constructor(target: HttpTarget, options: HttpOriginOptions) {
    this.#target = target
    this.#options = options
  }

  /**
   * Sends a request on a free connection, or on a new one. Resolves with the head; the body must be read to its end or
   * destroyed. A connection that turns out to have been closed by the server meanwhile is replaced once by a new one.
   */
  async get(request: Buffer, signal: AbortSignal | undefined): Promise<HttpResponse> {
    const connection = await this.#free(signal)
    try {
      return await this.#ask(connection, request, signal)
    } catch (error) {
      if (!(error instanceof StaleError)) throw error
      if (this.#isClosed) throw error.cause
      // All that are idle have been for as long.
      for (const idle of this.#idle.splice(0)) idle.destroy()
      return this.#ask(await this.#free(signal), request, signal).catch((again: unknown) => {
        throw again instanceof StaleError ? again.cause : again
      })
    }
  }

  /** Closes every connection, also those in use, and refuses what waits. */
  destroy(): void {
    this.#isClosed = true
    for (const turn of this.#waiting) turn.reject(closed())
    this.#waiting.clear()
    for (const connection of this.#open) connection.destroy()
  }

  async #ask(connection: HttpConnection, request: Buffer, signal: AbortSignal | undefined): Promise<HttpResponse> {
    const abort = (): void => connection.destroy()
    signal?.addEventListener('abort', abort, { once: true })
    if (signal?.aborted) abort()
    try {
      return await connection.get(request, signal)
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  async #free(signal: AbortSignal | undefined): Promise<HttpConnection> {
    signal?.throwIfAborted()
    if (this.#isClosed) throw closed()
    const idle = this.#idle.pop()
    if (idle !== undefined) return idle
    if (this.#open.size < this.#options.connectionsMax) return this.#connect()
    const turn = Promise.withResolvers<HttpConnection>()
    const abort = (): void => {
      this.#waiting.delete(turn)
      turn.reject(signal?.reason)
    }
    this.#waiting.add(turn)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      return await turn.promise
    } finally {
      this.#waiting.delete(turn)
      signal?.removeEventListener('abort', abort)
    }
  }

  #connect(): HttpConnection {
    const connection = new HttpConnection(this.#target, this.#options, this.#session)
    this.#open.add(connection)
    connection.onSession = (session) => {
      this.#session = session
    }
    connection.onFree = () => {
      if (!this.#giveToNext(() => connection)) this.#idle.push(connection)
    }
    connection.onClosed = () => {
      this.#open.delete(connection)
      const position = this.#idle.indexOf(connection)
      if (position >= 0) this.#idle.splice(position, 1)
      this.#giveToNext(() => this.#connect())
    }
    return connection
  }

  /** Whether somebody waited for a connection. */
  #giveToNext(connection: () => HttpConnection): boolean {
    for (const turn of this.#waiting) {
      this.#waiting.delete(turn)
      turn.resolve(connection())
      return true
    }
    return false
  }
}

function closed(): Error {
  return Object.assign(new Error('the store was closed'), { code: 'ECONNABORTED' })
}
