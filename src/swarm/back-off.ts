// How long a source that failed is left alone: twice as long each time in a row, within limits.

export class BackOff {
  readonly #minMs: number
  readonly #maxMs: number
  #ms = 0
  #until = 0

  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs
    this.#maxMs = maxMs
  }

  /** Microseconds; not in the future when it may be asked. */
  get until(): number {
    return this.#until
  }

  /** It failed. What fails while it is left alone was asked before. */
  failed(now: number): void {
    if (now < this.#until) return
    this.#ms = Math.min(this.#maxMs, Math.max(this.#minMs, this.#ms * 2))
    this.#until = now + this.#ms * 1000
  }

  /** It delivered: the next failure counts as the first. */
  delivered(): void {
    this.#ms = 0
  }

  /** It may be asked at once. */
  end(): void {
    this.#until = 0
  }
}
