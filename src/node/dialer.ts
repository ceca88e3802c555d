// Keeps this node connected: takes addresses from every kind of discovery, dials a few at a time, waits longer after each
// failure, of which a connection that does not last is one, and stops looking while there are neighbours enough.

import type { DialOutcome, Exchange } from '../exchange/exchange.ts'

const DIALS_AT_ONCE = 8
const CANDIDATES_MAX = 4096
const RETRY_MIN_MS = 500
const RETRY_MAX_MS = 15_000
/** A connection for less than this is one more failure; more than the longest wait, or that would end with it. */
const LASTING_MS = 2 * RETRY_MAX_MS
const POLL_MS = 250

interface Candidate {
  readonly addresses: readonly string[]
  failures: number
  nextAtMs: number
  /** When a dial last succeeded. */
  connectedAtMs: number
  lastOutcome: DialOutcome['status'] | undefined
}

export class Dialer {
  readonly #exchange: Pick<Exchange, 'peerId' | 'peers' | 'dial'>
  readonly #neighboursMax: number
  readonly #log: (text: string) => void
  readonly #nowMs: () => number
  readonly #candidates = new Map<string, Candidate>()
  readonly #abort = new AbortController()
  readonly #timer: NodeJS.Timeout
  #dialling = 0
  #idleWaiters: (() => void)[] = []

  /** `nowMs`: milliseconds on a monotonic clock. */
  constructor(
    exchange: Pick<Exchange, 'peerId' | 'peers' | 'dial'>,
    neighboursMax: number,
    log: (text: string) => void,
    nowMs = () => performance.now(),
  ) {
    this.#exchange = exchange
    this.#neighboursMax = neighboursMax
    this.#log = log
    this.#nowMs = nowMs
    this.#timer = setInterval(() => this.#pump(), POLL_MS)
    this.#timer.unref()
  }

  /** All addresses of one node; told again, they replace what was known of it. */
  add(addresses: readonly string[]): void {
    const key = peerOf(addresses[0] ?? '') ?? addresses.join(',')
    if (key === '' || key === this.#exchange.peerId) return
    const known = this.#candidates.get(key)
    if (known === undefined && this.#candidates.size >= CANDIDATES_MAX) return
    const fresh = { failures: 0, nextAtMs: 0, connectedAtMs: Number.NEGATIVE_INFINITY, lastOutcome: undefined }
    this.#candidates.set(key, { ...(known ?? fresh), addresses: [...addresses] })
    this.#pump()
  }

  /** True when somebody answered at every known address, and each said that it is of another swarm or has another key. */
  get everyoneRefused(): boolean {
    const candidates = [...this.#candidates.values()]
    return candidates.length > 0 && candidates.every(({ lastOutcome }) => isRefusal(lastOutcome))
  }

  get candidateCount(): number {
    return this.#candidates.size
  }

  /** Resolves as soon as no dial is under way. Each has a time limit, so this does not wait for ever. */
  async idle(): Promise<void> {
    if (this.#dialling > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve))
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#abort.abort()
  }

  #pump(): void {
    const connected = new Set<string>(this.#exchange.peers())
    const now = this.#nowMs()
    for (const [key, candidate] of this.#candidates) {
      if (this.#dialling >= DIALS_AT_ONCE || connected.size >= this.#neighboursMax || this.#abort.signal.aborted) return
      if (candidate.nextAtMs > now || connected.has(key)) continue
      void this.#dial(key, candidate)
    }
  }

  async #dial(key: string, candidate: Candidate): Promise<void> {
    this.#dialling++
    candidate.nextAtMs = Number.POSITIVE_INFINITY
    try {
      const outcome = await this.#exchange.dial(candidate.addresses, this.#abort.signal)
      candidate.lastOutcome = outcome.status
      if (outcome.status === 'connected') {
        const now = this.#nowMs()
        candidate.failures = now - candidate.connectedAtMs < LASTING_MS ? candidate.failures + 1 : 0
        candidate.connectedAtMs = now
      } else {
        candidate.failures++
        if (candidate.failures === 1) this.#log(`cannot join a peer: ${outcome.message}`)
      }
    } catch {
      // The only rejection is our own abort; the candidate list ends with it.
      return
    } finally {
      this.#dialling--
      if (this.#dialling === 0) for (const resolve of this.#idleWaiters.splice(0)) resolve()
    }
    const waitMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(candidate.failures, 10))
    const current = this.#candidates.get(key)
    if (current !== undefined)
      Object.assign(current, { ...candidate, addresses: current.addresses, nextAtMs: this.#nowMs() + waitMs })
  }
}

function peerOf(address: string): string | undefined {
  return /\/p2p\/([^/]+)$/.exec(address)?.[1]
}

function isRefusal(outcome: DialOutcome['status'] | undefined): boolean {
  return outcome === 'wrongSwarm' || outcome === 'wrongKey'
}
