// A clock for discoveries that a test moves by hand.

import type { DiscoveryClock } from '../../src/discovery/discovery.ts'

interface Timer {
  readonly atMs: number
  readonly callback: () => void
}

export class ManualClock implements DiscoveryClock {
  #nowMs: number
  readonly #timers = new Set<Timer>()

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Milliseconds until each timer that waits, ascending. */
  get delaysMs(): number[] {
    return [...this.#timers].map((timer) => timer.atMs - this.#nowMs).sort((left, right) => left - right)
  }

  /** Moves on, calling what falls due in order, and lets what that started run until nothing is left to do at once. */
  async advance(deltaMs: number): Promise<void> {
    const endMs = this.#nowMs + deltaMs
    for (;;) {
      await settle()
      const [next] = [...this.#timers].filter((timer) => timer.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)
      if (next === undefined) break
      this.#timers.delete(next)
      this.#nowMs = next.atMs
      next.callback()
    }
    this.#nowMs = endMs
    await settle()
  }
}

/** Lets every promise chain that waits for nothing outside come to its end. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}
