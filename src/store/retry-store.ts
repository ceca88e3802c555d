// Tries a store's calls again while that may help, together with all other callers of the same store (backoff.ts).
// A read that broke off goes on at the byte where it stopped.

import { isSwarmError, SwarmError } from '../base/errors.ts'
import { type Admission, jitteredWaitMs, SharedBackoff } from './backoff.ts'
import type { StoreClock } from './clock.ts'
import { ATTEMPTS_MAX, FIRST_CONTACT_ATTEMPTS_MAX } from './limits.ts'
import type { CallOptions, GetOptions, ListPage, ObjectStore, PutOutcome } from './object-store.ts'

export class RetryStore implements ObjectStore {
  readonly url: string
  readonly hasEgressCost: boolean
  readonly #inner: ObjectStore
  readonly #clock: StoreClock
  readonly #backoff: SharedBackoff
  /** Whether the store ever answered; until then an address that cannot be reached is most likely wrong. */
  #reached = false

  /** Takes ownership of `inner`: closing this closes it. */
  constructor(inner: ObjectStore, clock: StoreClock) {
    this.url = inner.url
    this.hasEgressCost = inner.hasEgressCost
    this.#inner = inner
    this.#clock = clock
    this.#backoff = new SharedBackoff(clock)
  }

  async getInto(key: string, into: Uint8Array, options: GetOptions = {}): Promise<void> {
    const { offset = 0, onBytes } = options
    let held = 0
    await this.#try(`GET ${key}`, options.signal, () =>
      this.#inner.getInto(key, into.subarray(held), {
        ...options,
        offset: offset + held,
        onBytes: (bytes) => {
          held += bytes
          onBytes?.(bytes)
        },
      }),
    )
  }

  get(key: string, maxBytes: number, options: CallOptions = {}): Promise<Buffer> {
    return this.#try(`GET ${key}`, options.signal, () => this.#inner.get(key, maxBytes, options))
  }

  put(key: string, body: Uint8Array, options: CallOptions = {}): Promise<void> {
    return this.#try(`PUT ${key}`, options.signal, () => this.#inner.put(key, body, options))
  }

  /**
   * After a failed attempt the object may be there: another process wrote the same chunk in the same second (429), or
   * our own bytes arrived and only the answer was lost. So every further attempt looks first, which is also cheaper
   * than sending the body again. `created` after a lost answer means that our bytes are what the key holds.
   */
  putIfAbsent(key: string, body: Uint8Array, options: CallOptions = {}): Promise<PutOutcome> {
    let answerLost = false
    return this.#try(`PUT ${key}`, options.signal, async (failure) => {
      if (failure !== undefined) {
        answerLost ||= mayHaveArrived(failure)
        const bytes = await this.#inner.size(key, options)
        if (bytes !== undefined) return answerLost ? this.#compare(key, body, bytes, options) : 'exists'
      }
      const outcome = await this.#inner.putIfAbsent(key, body, options)
      return outcome === 'exists' && answerLost ? this.#compare(key, body, body.length, options) : outcome
    })
  }

  size(key: string, options: CallOptions = {}): Promise<number | undefined> {
    return this.#try(`HEAD ${key}`, options.signal, () => this.#inner.size(key, options))
  }

  list(prefix: string, after?: string, options: CallOptions = {}): Promise<ListPage> {
    return this.#try(`LIST ${prefix}`, options.signal, () => this.#inner.list(prefix, after, options))
  }

  listFolders(prefix: string, options: CallOptions = {}): Promise<readonly string[]> {
    return this.#try(`LIST ${prefix}`, options.signal, () => this.#inner.listFolders(prefix, options))
  }

  delete(key: string, options: CallOptions = {}): Promise<void> {
    return this.#try(`DELETE ${key}`, options.signal, () => this.#inner.delete(key, options))
  }

  clockSkewMs(): number | undefined {
    return this.#inner.clockSkewMs()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  /** `attempt` gets the failure before it, undefined the first time. */
  async #try<Result>(
    doing: string,
    signal: AbortSignal | undefined,
    attempt: (failure: SwarmError | undefined) => Promise<Result>,
  ): Promise<Result> {
    let last: SwarmError | undefined
    for (let count = 1; ; count++) {
      const admission = await this.#backoff.admit(signal)
      try {
        const result = await attempt(last)
        this.#reached = true
        admission.succeeded()
        return result
      } catch (error) {
        const failure = this.#close(admission, error)
        if (failure === undefined) throw error
        last = failure
      }
      signal?.throwIfAborted()
      const unreachable = last.details['unreachable'] === true
      if (count >= (unreachable && !this.#reached ? FIRST_CONTACT_ATTEMPTS_MAX : ATTEMPTS_MAX)) {
        throw gaveUp(doing, count, last)
      }
      if (last.details['overload'] !== true) await this.#clock.sleep(jitteredWaitMs(count - 1, this.#clock), signal)
    }
  }

  /** Ends the attempt; returns the failure when another attempt may help. */
  #close(admission: Admission, error: unknown): SwarmError | undefined {
    if (!isSwarmError(error)) {
      admission.released()
      return undefined
    }
    if (error.details['unreachable'] !== true) this.#reached = true
    if (error.details['overload'] === true) {
      const retryAfterMs = error.details['retryAfterMs']
      admission.overloaded(typeof retryAfterMs === 'number' ? retryAfterMs : undefined)
    } else {
      admission.released()
    }
    return error.retry ? error : undefined
  }

  async #compare(key: string, body: Uint8Array, bytes: number, options: CallOptions): Promise<PutOutcome> {
    if (bytes !== body.length) return 'exists'
    const held = await this.#inner.get(key, body.length, options)
    return held.equals(body) ? 'created' : 'exists'
  }
}

/** A client error was refused before anything was stored; a server error or no answer at all says nothing. */
function mayHaveArrived(failure: SwarmError): boolean {
  const status = failure.details['status']
  return typeof status !== 'number' || status >= 500
}

function gaveUp(doing: string, attempts: number, last: SwarmError): SwarmError {
  return new SwarmError(last.code, `${doing}: gave up after ${attempts} attempts; the last one: ${last.message}`, {
    blame: last.blame,
    retry: true,
    cure: last.cure,
    details: { ...last.details, attempts },
    cause: last,
  })
}
