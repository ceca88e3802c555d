// A clock that jumps: a sleep takes no real time, it only moves the clock on. What was slept is remembered.

import type { StoreClock } from '../../src/store/clock.ts'

export class VirtualClock implements StoreClock {
  /** Every sleep that was asked for, in milliseconds. */
  readonly sleepsMs: number[] = []
  #nowMs = 0
  readonly #sleepers: { readonly untilMs: number; readonly wake: () => void }[] = []
  readonly #random: () => number

  /** `random` defaults to its largest value, so that waits are as long as they can be. */
  constructor(random: () => number = () => 1 - Number.EPSILON) {
    this.#random = random
  }

  nowMs(): number {
    return this.#nowMs
  }

  random(): number {
    return this.#random()
  }

  /** Sleepers wake in order of their time, once everything that can run now has run. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    this.sleepsMs.push(durationMs)
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const sleeper = { untilMs: this.#nowMs + durationMs, wake: resolve }
      signal?.addEventListener('abort', () => {
        const index = this.#sleepers.indexOf(sleeper)
        if (index !== -1) this.#sleepers.splice(index, 1)
        reject(signal.reason)
      })
      this.#sleepers.push(sleeper)
      setImmediate(() => this.#wakeNext())
    })
  }

  #wakeNext(): void {
    const next = this.#sleepers.sort((first, second) => first.untilMs - second.untilMs).shift()
    if (next === undefined) return
    this.#nowMs = Math.max(this.#nowMs, next.untilMs)
    next.wake()
  }
}
