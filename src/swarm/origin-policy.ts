// Decides what to read from the origin: how many requests at once, and which chunk next. First what nobody has taken, our
// share before the rest, of which the last is left to its owners for a while; then what its taker will not bring soon; last,
// in `auto`, one more copy of what peers are too slow to bring.

import { CLAIMED, HELD_BY_STRANGER } from './origin-leases.ts'
import type { SwarmState } from './swarm-state.ts'

/** Taken for the origin's rate before it is known, bytes per ms: one connection of R2. */
const RATE_GUESS = 40_000
/** What a node may hope for that has read little of it: what R2 gives to one machine. */
const RATE_HOPED = 160_000
/** Peers that bring this share, in quarters, of the most that ever came in at once may well fill our downlink. */
const DOWNLINK_QUARTERS = 3
/** The last shares are left for at most so many times lastSharesMs, however slow the origin seems. */
const WAIT_MAX = 5
/** About how long it takes until all have heard a word. */
const WORDS_MS = 150
/** For so long a node reads copies to see whether its downlink takes them, and so long after it again, doubled each time. */
const TRIAL_MS = 1_000
const TRIAL_WAIT_MIN_MS = 5_000
const TRIAL_WAIT_MAX_MS = 60_000
/** A rate has risen when it is greater by more than one part in this many. */
const CLEARLY_MORE = 16

export class OriginPolicyDecider {
  readonly #state: SwarmState
  /** Since when the origin had nothing to do and peers fell short; undefined while that is not so. */
  #starvedSince: number | undefined
  /** When the last chunks of others' shares may be read, while there are only those. */
  #takeOverAt: number | undefined
  /** The origin's rate when it last rose clearly. */
  #roseTo = 0
  /** From when on it is tried whether the downlink takes more than peers bring, until when, and how long after that again. */
  #trialAt = 0
  #trialEndsAt: number | undefined
  #trialWaitMs = 0

  constructor(state: SwarmState) {
    this.#state = state
  }

  /** Opens as many origin requests as the rate and the memory allow. */
  fill(): void {
    const state = this.#state
    state.leavesOrigin = !state.readsOrigin || state.now < state.originBackOff.until || this.#isClogged()
    if (state.leavesOrigin) return
    while (this.#mayOpen()) {
      const chunk = this.#next()
      if (chunk === undefined || !state.requests.hasRoom(state.bytesOf(chunk))) return
      state.openRequest(chunk, null)
    }
  }

  /** Called on every tick. */
  watch(): void {
    const state = this.#state
    const { fromOrigin } = state
    const fromPeers = state.requests.openCount > state.requests.originCount ? state.peersRate.rate(state.now) : 0
    if (fromOrigin * CLEARLY_MORE > this.#roseTo * (CLEARLY_MORE + 1)) {
      this.#roseTo = fromOrigin
      state.originRoseAt = state.now
    }
    state.originPeakRate = Math.max(fromOrigin, state.originPeakRate)
    state.peakRate = Math.max(state.peakRate, fromOrigin + fromPeers)
    if (!this.#isStarved()) this.#starvedSince = undefined
    else this.#starvedSince ??= state.now
  }

  /** One more when what is under way lasts less than originQueueMs: a slow origin has one or two, a fast one many. */
  #mayOpen(): boolean {
    const state = this.#state
    const { limits, originRate, requests, now } = state
    if (requests.originCount >= limits.originRequestsMax) return false
    const rate = originRate.rate(now)
    if (rate === 0) return requests.originCount < limits.originRequestsFirst
    return requests.originRestBytes < Math.max(rate, state.originPeakRate) * limits.originQueueMs
  }

  /**
   * Our uplink, far slower than the origin, is full of what we alone hold: others had better read the rest, or they would
   * wait for us in the end.
   */
  #isClogged(): boolean {
    const { lone, limits, uploads, chunkBytesMean, uplinkRate, uplinkClogs } = this.#state
    if (lone.count < limits.loneChunksMin || uploads.waiting === 0) return false
    if (uplinkRate === 0) return lone.count >= limits.loneChunksFirst
    return uplinkClogs && lone.count * chunkBytesMean > uplinkRate * limits.loneMs
  }

  #next(): number | undefined {
    this.#state.leavesLastShares = this.#leavesLast()
    const free = this.#state.leases.pickFree(!this.#state.leavesLastShares)
    if (free !== undefined) return free
    const idle = this.#state.requests.originCount === 0
    return (idle ? (this.#stolen() ?? this.#overdue()) : undefined) ?? this.#redundant()
  }

  /**
   * Whoever is done with its share helps the others. But as many chunks as all of us begin before words have gone round, one
   * each at most, are about to be taken, or were; only after a while does somebody seem to have failed. Then those take over
   * that have nothing else to read, one chunk at a time at first: we all do.
   */
  #leavesLast(): boolean {
    const { leases, originShare, originRate, chunkBytesMean, limits, requests, random, now } = this.#state
    const rate = originRate.rate(now)
    const begunEach = rate === 0 ? 1 : Math.min(1, (rate * WORDS_MS) / chunkBytesMean)
    const count = leases.freeElsewhereCount
    const isLast = count > 0 && count <= originShare.size * begunEach && leases.freeInShareCount === 0
    if (!isLast) {
      this.#takeOverAt = undefined
      return false
    }
    this.#takeOverAt ??= now + (this.#lastWaitMs() + random.below(limits.lastSharesMs + 1)) * 1000
    const isBusy = requests.originCount > 0
    return now < this.#takeOverAt || (isBusy && now < this.#takeOverAt + limits.lastSharesMs * 1000)
  }

  /** A chunk of an owner that reads as we do should be there after this. */
  #lastWaitMs(): number {
    const { lastSharesMs } = this.#state.limits
    return Math.min(WAIT_MAX * lastSharesMs, Math.max(lastSharesMs, this.#state.expectedOriginMs()))
  }

  /** A chunk whose holder reads the origin so slowly that we would be done long before it. */
  #stolen(): number | undefined {
    const { leases, limits, originRate, now } = this.#state
    const rate = originRate.rate(now)
    if (rate === 0) return undefined
    return leases.search(CLAIMED, now, (word, chunk) => {
      if (word.originRate === 0 || rate < word.originRate * limits.stealRateFactor) return false
      const bytes = this.#state.bytesOf(chunk)
      const theirsMs = bytes / word.originRate - (now - word.since) / 1000
      return theirsMs > (bytes / rate) * 2
    })
  }

  /** A chunk that somebody holds but that has not come near us for too long, while peers have nothing else for us. */
  #overdue(): number | undefined {
    const { leases, limits, picker, now } = this.#state
    if (picker.pickable > 0) return undefined
    return leases.search(HELD_BY_STRANGER, now, (word) => now - word.since >= limits.heldWaitMs * 1000)
  }

  #redundant(): number | undefined {
    const { limits, now, picker } = this.#state
    if (this.#starvedSince === undefined || now - this.#starvedSince < limits.starvedMs * 1000) return undefined
    return this.#mayReadCopy() ? picker.pickAny() : undefined
  }

  /** Whether one more read by everyone that reads the origin, beside one under way, would still keep to the copies allowed. */
  #mayReadCopy(): boolean {
    const { origin, originBytes, originShare, totalBytes, chunkBytesMean } = this.#state
    if (origin.mode !== 'auto') return false
    if (origin.copiesMax === 'unlimited') return true
    return originBytes + 2 * originShare.size * chunkBytesMean <= origin.copiesMax * totalBytes
  }

  /** What peers hold for us takes them long, and neither our memory nor our downlink seems to be the reason. */
  #isStarved(): boolean {
    const { limits, originRate, peersRate, peakRate, picker, leases, requests, chunkBytesMean, now } = this.#state
    if (leases.freeCount > 0 || picker.pickable === 0 || !this.#mayReadCopy()) return false
    if (!requests.hasRoom(chunkBytesMean * limits.requestsTotalMin)) return false
    const fromPeers = peersRate.rate(now)
    if (picker.pickable * chunkBytesMean <= fromPeers * limits.starvedMs) return false
    const fromOrigin = originRate.rate(now)
    const isFull = fromOrigin > 0 && fromPeers * 4 >= peakRate * DOWNLINK_QUARTERS
    if (!isFull && this.#wouldGain(fromOrigin === 0 ? RATE_GUESS : fromOrigin, fromPeers)) return true
    return this.#wouldGain(Math.max(fromOrigin, RATE_HOPED), fromPeers) && this.#tries()
  }

  /**
   * The fluid bound gains 20 % from our own origin rate r beside uplinks u when r is above u / 5; a quarter leaves room for
   * what measuring gets wrong. Peers that bring less than uplinks carry serve others first.
   */
  #wouldGain(fromOrigin: number, fromPeers: number): boolean {
    return fromOrigin * 4 >= Math.max(fromPeers, this.#state.uplinkRate)
  }

  /**
   * What we know of our links may come from a chunk or two, read before peers brought anything. Whoever falls behind its
   * neighbours reads for a moment to see, less and less often while it gains nothing.
   */
  #tries(): boolean {
    const { limits, held, peers, now } = this.#state
    if (now < this.#trialAt || !peers.areAhead(held)) return false
    this.#trialEndsAt ??= now + (limits.starvedMs + TRIAL_MS) * 1000
    if (now < this.#trialEndsAt) return true
    this.#trialEndsAt = undefined
    this.#trialWaitMs = Math.min(TRIAL_WAIT_MAX_MS, Math.max(TRIAL_WAIT_MIN_MS, this.#trialWaitMs * 2))
    this.#trialAt = now + this.#trialWaitMs * 1000
    return false
  }
}
