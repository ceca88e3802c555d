// How fast one source delivers, in whole bytes per millisecond, counting only the time in which something was asked of it.

/** After this much busy time a sample is folded into the rate, in microseconds. */
const WINDOW_US = 500_000
/** Before the first whole window: the shortest busy time that gives a rate at all, in microseconds. */
const FIRST_US = 20_000

export class RateMeter {
  #open = 0
  #since = 0
  #busyUs = 0
  #bytes = 0
  #rate = 0

  /** One more request is under way. */
  start(now: number): void {
    if (this.#open === 0) this.#since = now
    this.#open++
  }

  /** One request less. */
  stop(now: number): void {
    this.#count(now)
    if (this.#open > 0) this.#open--
  }

  add(bytes: number, now: number): void {
    this.#count(now)
    this.#bytes += bytes
    if (this.#busyUs < WINDOW_US) return
    const sample = Math.floor((this.#bytes * 1000) / this.#busyUs)
    this.#rate = this.#rate === 0 ? sample : Math.floor((this.#rate + sample) / 2)
    this.#bytes = 0
    this.#busyUs = 0
  }

  /** Bytes per ms; 0 while nothing is known. A source that is asked and stays silent loses its rate. */
  rate(now: number): number {
    this.#count(now)
    if (this.#busyUs < FIRST_US) return this.#rate
    const sample = Math.floor((this.#bytes * 1000) / this.#busyUs)
    if (this.#rate === 0 || this.#busyUs > 4 * WINDOW_US) return sample
    return this.#rate
  }

  #count(now: number): void {
    if (this.#open === 0) return
    this.#busyUs += now - this.#since
    this.#since = now
  }
}
