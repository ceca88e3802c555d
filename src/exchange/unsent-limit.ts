// How much of a connection's bytes may lie in the system's queue before they can be sent. The system takes megabytes; over a slow
// link that is seconds, which no cancel takes back, and behind which all else that is said waits. So the queue is kept at what the
// connection sends in a moment: a fast one never runs dry between two turns of our event loop.

const KIB = 1024
const PERIOD_MS = 250
/** After a longer pause the rate would say nothing. */
const PAUSE_MS = 4 * PERIOD_MS
/** The queue holds what is sent in this time. */
const UNSENT_MS = 40
const UNSENT_BYTES_MIN = 32 * KIB
/** The most that Linux queues by default. */
const UNSENT_BYTES_MAX = 4096 * KIB
/** Changes by less are left alone. */
const CHANGE = 1.25

export class UnsentLimit {
  readonly #set: (bytes: number) => void
  #limit = UNSENT_BYTES_MAX
  #since = Number.NEGATIVE_INFINITY
  #bytes = 0
  #isBlocked = false

  /** `set` is told of every change. */
  constructor(set: (bytes: number) => void) {
    this.#set = set
  }

  /** Bytes were handed to the system, which took no more for now if `isBlocked`. `nowMs` never goes back. */
  sent(bytes: number, isBlocked: boolean, nowMs: number): void {
    if (nowMs - this.#since > PAUSE_MS) this.#begin(nowMs)
    this.#bytes += bytes
    this.#isBlocked ||= isBlocked
    const elapsedMs = nowMs - this.#since
    if (elapsedMs < PERIOD_MS) return
    const wanted = (this.#bytes / elapsedMs) * UNSENT_MS
    // A connection that was never full sends what it is given: that may call for more, never for less.
    if (wanted > this.#limit || this.#isBlocked) this.#change(wanted)
    this.#begin(nowMs)
  }

  #begin(nowMs: number): void {
    this.#since = nowMs
    this.#bytes = 0
    this.#isBlocked = false
  }

  #change(wanted: number): void {
    const limit = Math.round(Math.min(UNSENT_BYTES_MAX, Math.max(UNSENT_BYTES_MIN, wanted)))
    if (limit < this.#limit * CHANGE && limit * CHANGE > this.#limit) return
    this.#limit = limit
    this.#set(limit)
  }
}
