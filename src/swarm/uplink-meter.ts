// What our uplink carries at most, from uploads that were sent to their end alone. Two estimates, each too high in its own
// way: uploads that end together make a window seem fast, and buffers make a single upload seem short. The smaller one
// counts.

/** How many uploads the mean of single ones is over, and a window has at least: one too many in it changes little. */
const UPLOADS = 8
/** A window is at least so long. */
const WINDOW_US = 1_500_000

export class UplinkMeter {
  #mean = 0
  #uploads = 0
  #meanPeak = 0
  #windowAt: number | undefined
  #windowBytes = 0
  #windowUploads = 0
  #windowPeak = 0

  /** Bytes per ms, the most that was seen; 0: not known yet. */
  get rate(): number {
    return Math.min(this.#meanPeak, this.#windowPeak)
  }

  /** An upload has ended, one of `together` that shared the uplink. Times in microseconds. */
  sent(bytes: number, startedAt: number, now: number, together: number): void {
    const ms = Math.max(1, Math.floor((now - startedAt) / 1000))
    this.#mean += Math.floor((Math.floor((bytes * together) / ms) - this.#mean) / UPLOADS)
    if (++this.#uploads >= UPLOADS) this.#meanPeak = Math.max(this.#meanPeak, this.#mean)
    this.#windowAt ??= startedAt
    this.#windowBytes += bytes
    this.#windowUploads++
    const windowUs = now - this.#windowAt
    if (windowUs < WINDOW_US || this.#windowUploads < UPLOADS) return
    this.#windowPeak = Math.max(this.#windowPeak, Math.floor((this.#windowBytes * 1000) / windowUs))
    this.#windowAt = now
    this.#windowBytes = 0
    this.#windowUploads = 0
  }
}
