// A limit on the bytes per second that are read from the store, spent oldest read first.
//
// A token bucket. A read joins the line when it starts and takes its bytes in slices *before* it reads them from the
// socket or file. Tokens go to the oldest read that asks at this moment: the first read finishes first instead of all
// of them finishing late, and while it waits for the network its tokens are not lost but serve the next one. Only as
// many reads as the rate needs are under way at once, because each open socket buffers megabytes that nobody paid for.

import { invariant } from '../base/errors.ts'
import type { StoreClock } from './clock.ts'
import { BURST_SECONDS, CONNECTION_BYTES_PER_SEC, SLICE_BYTES_MAX, SLICE_BYTES_MIN } from './limits.ts'

/** One read's place in the line. */
export interface ThrottleTurn {
  /** Resolves once `bytes` may be read. At most one call at a time. Aborting rejects with the signal's reason. */
  take(bytes: number, signal?: AbortSignal): Promise<void>
  /** Ends the read, finished or not; must be called once, after the last `take` has settled. */
  leave(): void
}

interface Waiter {
  readonly turn: number
  readonly bytes: number
  readonly grant: () => void
}

export class Throttle {
  /** The most that a read should take at once. */
  readonly sliceBytes: number
  readonly #bytesPerMs: number
  readonly #burstBytes: number
  readonly #readsAtOnce: number
  readonly #clock: StoreClock
  /** Reads that joined and did not leave, ascending. */
  readonly #turns: number[] = []
  /** Ascending by turn; no longer than the number of reads in progress. */
  readonly #waiters: Waiter[] = []
  #turnCount = 0
  #tokens: number
  #filledAtMs: number
  #pump: AbortController | undefined

  /** `bytesPerSec` is at least 1. */
  constructor(bytesPerSec: number, clock: StoreClock) {
    invariant(Number.isFinite(bytesPerSec) && bytesPerSec >= 1, `a limit of ${bytesPerSec} bytes per second`)
    this.#bytesPerMs = bytesPerSec / 1000
    this.#burstBytes = bytesPerSec * BURST_SECONDS
    this.sliceBytes = Math.floor(Math.min(SLICE_BYTES_MAX, Math.max(SLICE_BYTES_MIN, this.#burstBytes / 4)))
    this.#readsAtOnce = 2 + Math.floor(bytesPerSec / CONNECTION_BYTES_PER_SEC)
    this.#clock = clock
    this.#tokens = this.#burstBytes
    this.#filledAtMs = clock.nowMs()
  }

  /** Takes the last place in the line. */
  join(): ThrottleTurn {
    const turn = this.#turnCount++
    this.#turns.push(turn)
    return { take: (bytes, signal) => this.#take(turn, bytes, signal), leave: () => this.#leave(turn) }
  }

  /** Waits in line for `bytes` at once and leaves it again. Aborting rejects with the signal's reason. */
  async pass(bytes: number, signal?: AbortSignal): Promise<void> {
    const turn = this.join()
    try {
      await turn.take(bytes, signal)
    } finally {
      turn.leave()
    }
  }

  #take(turn: number, bytes: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const abort = () => {
        this.#remove(waiter)
        reject(signal?.reason)
      }
      const grant = () => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }
      const waiter: Waiter = { turn, bytes, grant }
      signal?.addEventListener('abort', abort, { once: true })
      const behind = this.#waiters.findIndex((other) => other.turn > turn)
      this.#waiters.splice(behind === -1 ? this.#waiters.length : behind, 0, waiter)
      this.#start()
    })
  }

  #leave(turn: number): void {
    this.#turns.splice(this.#turns.indexOf(turn), 1)
    this.#start()
  }

  #start(): void {
    if (this.#pump === undefined) void this.#run()
  }

  /** The oldest waiting read, if it is among those that may be under way. */
  #first(): Waiter | undefined {
    const first = this.#waiters[0]
    const youngest = this.#turns[this.#readsAtOnce - 1] ?? Number.POSITIVE_INFINITY
    return first !== undefined && first.turn <= youngest ? first : undefined
  }

  /** Grants from the front of the line until nobody there may go on. */
  async #run(): Promise<void> {
    const pump = new AbortController()
    this.#pump = pump
    for (let first = this.#first(); first !== undefined && !pump.signal.aborted; first = this.#first()) {
      const waitMs = this.#waitMs(first.bytes)
      if (waitMs > 0) {
        // The only way to fail is the abort by #remove, which the loop's condition sees.
        await this.#clock.sleep(waitMs, pump.signal).catch(() => undefined)
        continue
      }
      this.#tokens -= first.bytes
      this.#waiters.shift()
      first.grant()
    }
    if (this.#pump === pump) this.#pump = undefined
  }

  /** A slice above the burst passes with a full bucket and leaves a debt, so that no slice is too large to pass. */
  #waitMs(bytes: number): number {
    const nowMs = this.#clock.nowMs()
    this.#tokens = Math.min(this.#burstBytes, this.#tokens + (nowMs - this.#filledAtMs) * this.#bytesPerMs)
    this.#filledAtMs = nowMs
    const missing = Math.min(bytes, this.#burstBytes) - this.#tokens
    return missing <= 0 ? 0 : Math.ceil(missing / this.#bytesPerMs)
  }

  #remove(waiter: Waiter): void {
    const index = this.#waiters.indexOf(waiter)
    if (index !== -1) this.#waiters.splice(index, 1)
    if (this.#waiters.length > 0) return
    // Nobody waits: without this the sleeping pump would hold the process open.
    this.#pump?.abort()
    this.#pump = undefined
  }
}
