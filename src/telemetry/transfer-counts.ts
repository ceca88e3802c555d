// Byte counts of one node's transfer, and the rate over the last seconds. Everything that people and programs are shown
// about progress is computed from these.

export class TransferCounts {
  /** Encoded bytes of chunks that were verified, by where they came from. */
  fromStore = 0
  fromPeers = 0
  /** Raw bytes that were on this disk already. */
  fromSelf = 0
  /** Encoded bytes sent to peers. */
  toPeers = 0
  /** Encoded bytes received and thrown away: second copies, wrong bytes, cancelled requests. */
  wasted = 0
  /** Raw bytes that are in their files, those from this disk included. */
  rawStored = 0
  chunksStored = 0
}

const WINDOW_MS = 5_000

/** Mean rate over the last five seconds of samples. */
export class RateWindow {
  readonly #samples: { atMs: number; total: number }[] = []

  /** `total` never decreases, `nowMs` neither. */
  sample(total: number, nowMs: number): void {
    this.#samples.push({ atMs: nowMs, total })
    while ((this.#samples[1]?.atMs ?? nowMs) < nowMs - WINDOW_MS) this.#samples.shift()
  }

  /** Units per second; 0 before there are two samples. */
  perSecond(): number {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0
    return ((last.total - first.total) * 1000) / (last.atMs - first.atMs)
  }
}
