// How long a join waits for what is not there yet (`--wait`), and how often it looks meanwhile. What can only be wrong,
// such as credentials, is never waited for.

import { isSwarmError, type SwarmError } from '../base/errors.ts'
import { jitteredWaitMs } from '../store/backoff.ts'
import { type StoreClock, systemClock } from '../store/clock.ts'
import type { Awaited, NodeEvent } from './join-events.ts'
import { WAIT_POLL_MS_MAX, WAIT_POLL_MS_MIN } from './limits.ts'

/** What `--wait` asks for, since `startedAtMs` of the monotonic clock; undefined where it asks for nothing. */
export function patienceFor(
  waitMs: number,
  startedAtMs: number,
  emit: (event: NodeEvent) => void,
): Patience | undefined {
  if (waitMs === 0) return undefined
  const tell = (what: Awaited): void => emit({ type: 'waiting', for: what, seconds: waitMs / 1000 })
  return new Patience(startedAtMs + waitMs, systemClock, tell)
}

export class Patience {
  readonly #clock: StoreClock
  readonly #untilMs: number
  readonly #tell: (what: Awaited) => void
  #told = false
  #looks = 0

  /** Ends at `untilMs` of the clock. `tell` is called once, when something is waited for. */
  constructor(untilMs: number, clock: StoreClock, tell: (what: Awaited) => void) {
    this.#untilMs = untilMs
    this.#clock = clock
    this.#tell = tell
  }

  get isOver(): boolean {
    return this.#clock.nowMs() >= this.#untilMs
  }

  /** Says what is waited for, the first time. */
  waitsFor(what: Awaited): void {
    if (this.#told) return
    this.#told = true
    this.#tell(what)
  }

  /** Until the next look at the store: WAIT_POLL_MS_MIN to WAIT_POLL_MS_MAX, so that waiting machines spread. */
  nextLookMs(): number {
    return Math.min(WAIT_POLL_MS_MAX, WAIT_POLL_MS_MIN + jitteredWaitMs(this.#looks++, this.#clock))
  }

  /**
   * Looks until something is found; undefined when the time is over. The first look's failures are thrown; later ones
   * that may pass only when the last look failed as well. Aborting rejects with the signal's reason.
   */
  async find<Found>(
    what: Awaited,
    look: () => Promise<Found | undefined>,
    signal: AbortSignal,
  ): Promise<Found | undefined> {
    let found = await look()
    let failure: SwarmError | undefined
    while (found === undefined) {
      const leftMs = this.#untilMs - this.#clock.nowMs()
      if (leftMs <= 0) {
        if (failure !== undefined) throw failure
        return undefined
      }
      this.waitsFor(what)
      await this.#clock.sleep(Math.min(leftMs, this.nextLookMs()), signal)
      failure = undefined
      try {
        found = await look()
      } catch (error) {
        signal.throwIfAborted()
        if (!isSwarmError(error) || !error.retry) throw error
        failure = error
      }
    }
    return found
  }
}
