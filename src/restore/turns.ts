// Lets a few pieces of work run at the same time. The rest wait, in the order in which they came, and hold nothing meanwhile.

export class Turns {
  readonly #most: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  /** At most `most` at a time, 1 or more. */
  constructor(most: number) {
    this.#most = most
  }

  /** Settles as `work` does. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.#most) this.#running++
    // Whoever ends hands its place on: it is never free in between.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
