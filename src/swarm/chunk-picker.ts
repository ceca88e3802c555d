// Which chunk to ask a peer for: the rarest of a few that it offers, our own share first among equally rare ones, chance
// after that. Knows availability and what is wanted; knows neither peers nor requests. The rarest of a sample is nearly the
// rarest of all, keeps nodes from choosing alike, and costs the same however many chunks there are.

import { Bitfield } from '../base/bitfield.ts'
import type { Prng } from '../base/prng.ts'
import { IndexBuckets, NO_BUCKET } from './index-buckets.ts'
import type { PeerOffers } from './peer-offers.ts'

/** How many wanted chunks one pick compares. */
const SAMPLES = 16

/** Of chunks in our share that one peer alone holds, how many are tried: a source has them all, another peer few. */
const PROBES = 6

/** Wanted chunks that one peer alone holds, in our share or not, and those that several hold. */
const LONE_OWN = 0
const LONE_OTHER = 1
const COMMON = 2

export class ChunkPicker {
  readonly #random: Prng
  readonly #availability: Uint16Array
  readonly #wanted: Bitfield
  readonly #share: Bitfield
  readonly #pickable: IndexBuckets

  constructor(chunkCount: number, random: Prng) {
    this.#random = random
    this.#availability = new Uint16Array(chunkCount)
    this.#wanted = new Bitfield(chunkCount)
    this.#share = new Bitfield(chunkCount)
    this.#pickable = new IndexBuckets(chunkCount, COMMON + 1)
  }

  /** How many wanted chunks some peer holds. */
  get pickable(): number {
    return this.#pickable.count(LONE_OWN) + this.#pickable.count(LONE_OTHER) + this.#pickable.count(COMMON)
  }

  isWanted(chunk: number): boolean {
    return this.#wanted.has(chunk)
  }

  /** How many peers that we may ask hold the chunk. */
  availability(chunk: number): number {
    return this.#availability[chunk] ?? 0
  }

  /** `by` is 1 or -1: a peer that holds the chunk came or went. */
  changeAvailability(chunk: number, by: 1 | -1): void {
    this.#availability[chunk] = this.availability(chunk) + by
    this.#place(chunk)
  }

  /** Wanted: not held, and no request for it open. False when nothing changed. */
  setWanted(chunk: number, wanted: boolean): boolean {
    const changed = wanted ? this.#wanted.add(chunk) : this.#wanted.remove(chunk)
    if (changed) this.#place(chunk)
    return changed
  }

  /** Whether the chunk is in our share of what every receiver should fetch first. */
  setShare(chunk: number, inShare: boolean): void {
    if (inShare ? this.#share.add(chunk) : this.#share.remove(chunk)) this.#place(chunk)
  }

  /**
   * A wanted chunk that the peer alone holds and that is in our share, or else the rarest of some among its `offers`, out of
   * which what is not wanted is taken. Undefined when nothing is left.
   */
  pick(have: Bitfield, offers: PeerOffers): number | undefined {
    const count = this.#pickable.count(LONE_OWN)
    for (let probe = 0; probe < Math.min(PROBES, count); probe++) {
      const chunk = this.#pickable.at(LONE_OWN, this.#random.below(count))
      if (have.has(chunk)) return chunk
    }
    return this.#best(offers, (chunk) => this.#rank(chunk))
  }

  /** The same for a peer whose chunks do not count as available: better one that others hold as well. */
  pickUncounted(offers: PeerOffers): number | undefined {
    return this.#best(offers, (chunk) => (this.availability(chunk) > 0 ? this.#rank(chunk) : Number.MAX_SAFE_INTEGER))
  }

  /** A wanted chunk that some peer holds, the rarest of a few. */
  pickAny(): number | undefined {
    for (const bucket of [LONE_OWN, LONE_OTHER, COMMON]) {
      const count = this.#pickable.count(bucket)
      let best: number | undefined
      for (let sample = 0; sample < Math.min(SAMPLES, count); sample++) {
        const chunk = this.#pickable.at(bucket, this.#random.below(count))
        if (best === undefined || this.#rank(chunk) < this.#rank(best)) best = chunk
      }
      if (best !== undefined) return best
    }
    return undefined
  }

  #best(offers: PeerOffers, rankOf: (chunk: number) => number): number | undefined {
    let best: number | undefined
    let bestRank = 0
    let samples = 0
    let position = offers.size === 0 ? 0 : this.#random.below(offers.size)
    while (offers.size > 0 && samples < SAMPLES) {
      position %= offers.size
      const chunk = offers.at(position)
      if (!this.#wanted.has(chunk)) {
        offers.removeAt(position)
        continue
      }
      const rank = rankOf(chunk)
      if (best === undefined || rank < bestRank) {
        best = chunk
        bestRank = rank
      }
      samples++
      // A short list is looked through once.
      if (samples >= offers.size) break
      position = offers.size > SAMPLES ? this.#random.below(offers.size) : position + 1
    }
    return best
  }

  #rank(chunk: number): number {
    return this.availability(chunk) * 2 + (this.#share.has(chunk) ? 0 : 1)
  }

  #place(chunk: number): void {
    this.#pickable.move(chunk, this.#bucketOf(chunk))
  }

  #bucketOf(chunk: number): number {
    const availability = this.availability(chunk)
    if (availability === 0 || !this.#wanted.has(chunk)) return NO_BUCKET
    if (availability > 1) return COMMON
    return this.#share.has(chunk) ? LONE_OWN : LONE_OTHER
  }
}
