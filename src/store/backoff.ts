// One view of the store's health for all callers of one store: at the first sign of overload everybody slows down
// together, and speeds up together when it passes. Decides when a call may start; retry-store.ts decides whether to.

import type { StoreClock } from './clock.ts'
import { BACKOFF_BASE_MS, BACKOFF_CAP_MS, CALLS_AT_ONCE_MAX, RETRY_AFTER_CAP_MS } from './limits.ts'

/** Permission for one attempt. Exactly one of the three closes it. */
export interface Admission {
  succeeded(): void
  /** The store said that it is overloaded, and perhaps for how long. */
  overloaded(retryAfterMs: number | undefined): void
  /** Neither: the call failed for another reason or was aborted. */
  released(): void
}

/** Full jitter: uniform between nothing and an exponentially growing, capped wait. `step` counts from 0. */
export function jitteredWaitMs(step: number, clock: StoreClock): number {
  return clock.random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.min(step, 30))
}

export class SharedBackoff {
  readonly #clock: StoreClock
  readonly #waiting: (() => void)[] = []
  #callsAtOnce = CALLS_AT_ONCE_MAX
  #running = 0
  /** Consecutive signs of overload; several calls refused at the same time are one sign. */
  #level = 0
  #epoch = 0
  #closedUntilMs = Number.NEGATIVE_INFINITY

  constructor(clock: StoreClock) {
    this.#clock = clock
  }

  /** Waits for the pause to pass and for a place. Aborting rejects with the signal's reason. */
  async admit(signal?: AbortSignal): Promise<Admission> {
    signal?.throwIfAborted()
    for (;;) {
      const waitMs = this.#closedUntilMs - this.#clock.nowMs()
      if (waitMs > 0) await this.#clock.sleep(waitMs, signal)
      else if (this.#running >= this.#callsAtOnce) await this.#waitForPlace(signal)
      else break
    }
    this.#running++
    const epoch = this.#epoch
    return {
      succeeded: () => {
        if (epoch === this.#epoch) this.#level = Math.max(0, this.#level - 1)
        this.#callsAtOnce = Math.min(CALLS_AT_ONCE_MAX, this.#callsAtOnce + 1)
        this.#leave()
      },
      overloaded: (retryAfterMs) => {
        if (epoch === this.#epoch) this.#slowDown()
        const askedMs = Math.min(RETRY_AFTER_CAP_MS, retryAfterMs ?? 0)
        this.#closedUntilMs = Math.max(this.#closedUntilMs, this.#clock.nowMs() + askedMs)
        this.#leave()
      },
      released: () => this.#leave(),
    }
  }

  #slowDown(): void {
    this.#epoch++
    this.#closedUntilMs = this.#clock.nowMs() + jitteredWaitMs(this.#level, this.#clock)
    this.#level++
    this.#callsAtOnce = Math.max(1, this.#callsAtOnce >>> 1)
  }

  #leave(): void {
    this.#running--
    // As many as there is room for now: success may have made room for one more than it leaves.
    for (let free = this.#callsAtOnce - this.#running; free > 0; free--) this.#waiting.shift()?.()
  }

  /** Resolves when it is worth looking again. The line is as long as there are callers. */
  #waitForPlace(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const wake = () => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }
    const abort = () => {
      const index = this.#waiting.indexOf(wake)
      if (index !== -1) this.#waiting.splice(index, 1)
      reject(signal?.reason)
    }
    this.#waiting.push(wake)
    signal?.addEventListener('abort', abort, { once: true })
    return promise
  }
}
