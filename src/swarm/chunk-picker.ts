// Which chunk to ask a peer for: the rarest of a few that it offers, our own share first among equally rare ones, chance
// after that. Knows availability and what is wanted; knows neither peers nor requests. The rarest of a sample is nearly the
// rarest of all, keeps nodes from choosing alike, and costs the same however many chunks there are.

import { Bitfield } from '../base/bitfield.ts'
import type { Prng } from '../base/prng.ts'
import { IndexBuckets, NO_BUCKET } from './index-buckets.ts'
import type { PeerOffers } from './peer-offers.ts'

/** How many wanted chunks one pick compares. */
const SAMPLES = 16

/** Of a chunk that no peer holds whose chunks count. */
const RANK_LAST = 2 ** 20

/** Of chunks that one peer alone holds, in our share and others, how many are tried: a source has them all, another peer few. */
const OWN_PROBES = 6
const OTHER_PROBES = 16

/** Of chunks to bring from other sites, how many are tried for a peer there. */
const FAR_PROBES = 16

/** Wanted chunks that come before all others; the rest: one peer alone holds them, in our share or not, or several do. */
const FIRST = 0
const LONE_OWN = 1
const LONE_OTHER = 2
const COMMON = 3
const BUCKETS = [FIRST, LONE_OWN, LONE_OTHER, COMMON]

export class ChunkPicker {
  readonly #random: Prng
  readonly #availability: Uint16Array
  readonly #wanted: Bitfield
  readonly #share: Bitfield
  /** By peers of our site, or of no site. */
  readonly #nearAvailability: Uint16Array
  readonly #bringing: Bitfield
  /** Wanted chunks that only other sites have and that we are to bring. */
  readonly #toBring: IndexBuckets
  readonly #pickable: IndexBuckets
  readonly #first: Bitfield

  /** `first`: chunks that are picked before all others. Read, not kept. */
  constructor(chunkCount: number, random: Prng, first = new Bitfield(chunkCount)) {
    this.#random = random
    this.#availability = new Uint16Array(chunkCount)
    this.#wanted = new Bitfield(chunkCount)
    this.#share = new Bitfield(chunkCount)
    this.#nearAvailability = new Uint16Array(chunkCount)
    this.#bringing = new Bitfield(chunkCount)
    this.#toBring = new IndexBuckets(chunkCount, 1)
    this.#pickable = new IndexBuckets(chunkCount, BUCKETS.length)
    this.#first = first.copy()
  }

  /** How many wanted chunks some peer holds, without those of other sites that others bring. */
  get pickable(): number {
    return BUCKETS.reduce((sum, bucket) => sum + this.#pickable.count(bucket), 0)
  }

  isWanted(chunk: number): boolean {
    return this.#wanted.has(chunk)
  }

  /** How many peers that we may ask hold the chunk. */
  availability(chunk: number): number {
    return this.#availability[chunk] ?? 0
  }

  /** `by` is 1 or -1: a peer that holds the chunk came or went. */
  changeAvailability(chunk: number, by: 1 | -1, isFar = false): void {
    this.#availability[chunk] = this.availability(chunk) + by
    if (!isFar) this.#nearAvailability[chunk] = this.#near(chunk) + by
    if (this.#wanted.has(chunk)) this.#place(chunk)
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

  /** Whether we are the one to bring the chunk to our site when only other sites have it. */
  setBringing(chunk: number, bringing: boolean): void {
    if (bringing ? this.#bringing.add(chunk) : this.#bringing.remove(chunk)) this.#place(chunk)
  }

  /** Of a peer of another site: a wanted chunk that no other node of our site brings. */
  pickFar(have: Bitfield): number | undefined {
    return this.#probe(this.#toBring, 0, FAR_PROBES, have)
  }

  /** The rarest of some wanted chunks among `offers`, out of which what is not wanted is taken. Undefined when nothing is left. */
  pickOffered(offers: PeerOffers): number | undefined {
    const chunk = this.#best(offers)
    return chunk !== undefined && this.availability(chunk) > 0 ? chunk : undefined
  }

  /**
   * A wanted chunk that the peer alone holds, one in our share first, or else what pickOffered() says. A sample of its offers
   * seldom shows the few that it alone holds; with a slow uplink they would stay with it until nothing else is left to ask.
   */
  pick(have: Bitfield, offers: PeerOffers): number | undefined {
    return (
      this.#probe(this.#pickable, LONE_OWN, OWN_PROBES, have) ??
      this.#probe(this.#pickable, LONE_OTHER, OTHER_PROBES, have) ??
      this.pickOffered(offers)
    )
  }

  /** The same for a peer whose chunks do not count as available: better one that others hold as well. */
  pickUncounted(offers: PeerOffers): number | undefined {
    return this.#best(offers)
  }

  /** A wanted chunk that some peer holds, those that come first before the rest, the rarest of a few. */
  pickAny(): number | undefined {
    for (const bucket of BUCKETS) {
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

  /** One of `probes` random chunks of the bucket that is in `have`. */
  #probe(buckets: IndexBuckets, bucket: number, probes: number, have: Bitfield): number | undefined {
    const count = buckets.count(bucket)
    for (let probe = 0; probe < Math.min(probes, count); probe++) {
      const chunk = buckets.at(bucket, this.#random.below(count))
      if (have.has(chunk)) return chunk
    }
    return undefined
  }

  #best(offers: PeerOffers): number | undefined {
    if (offers.size <= SAMPLES) return this.#bestOfAll(offers)
    let best: number | undefined
    let bestRank = 0
    for (let samples = 0; samples < SAMPLES && offers.size > 0; ) {
      const position = this.#random.below(offers.size)
      const chunk = offers.at(position)
      if (!this.#wanted.has(chunk)) {
        offers.removeAt(position)
        continue
      }
      samples++
      const rank = this.#rank(chunk)
      if (best !== undefined && rank >= bestRank) continue
      best = chunk
      bestRank = rank
    }
    return best
  }

  #bestOfAll(offers: PeerOffers): number | undefined {
    let best: number | undefined
    let bestRank = 0
    let alike = 0
    // From the last on: what comes to the place of a removed one was looked at before.
    for (let position = offers.size - 1; position >= 0; position--) {
      const chunk = offers.at(position)
      if (!this.#wanted.has(chunk)) {
        offers.removeAt(position)
        continue
      }
      const rank = this.#rank(chunk)
      if (best !== undefined && rank > bestRank) continue
      alike = best !== undefined && rank === bestRank ? alike + 1 : 1
      // Each of those alike is taken with the same chance.
      if (alike === 1 || this.#random.below(alike) === 0) best = chunk
      bestRank = rank
    }
    return best
  }

  #rank(chunk: number): number {
    const availability = this.availability(chunk)
    return availability === 0 ? RANK_LAST : availability * 2 + (this.#share.has(chunk) ? 0 : 1)
  }

  #place(chunk: number): void {
    const bucket = this.#bucketOf(chunk)
    this.#pickable.move(chunk, bucket)
    this.#toBring.move(chunk, bucket !== NO_BUCKET && this.#near(chunk) === 0 ? 0 : NO_BUCKET)
  }

  #near(chunk: number): number {
    return this.#nearAvailability[chunk] ?? 0
  }

  #bucketOf(chunk: number): number {
    const availability = this.availability(chunk)
    if (availability === 0 || !this.#wanted.has(chunk)) return NO_BUCKET
    // Another node of our site brings it.
    if (this.#near(chunk) === 0 && !this.#bringing.has(chunk)) return NO_BUCKET
    if (this.#first.has(chunk)) return FIRST
    if (availability > 1) return COMMON
    return this.#share.has(chunk) ? LONE_OWN : LONE_OTHER
  }
}
