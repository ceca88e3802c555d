// Which chunk to ask a peer for: the rarest of a few that it offers, our own share first among equally rare ones, chance
// after that. Knows availability and what is wanted; knows neither peers nor requests. The rarest of a sample is nearly the
// rarest of all, keeps nodes from choosing alike, and costs the same however many chunks there are.

import { Bitfield } from '../base/bitfield.ts'
import type { Prng } from '../base/prng.ts'
import { IndexBuckets, NO_BUCKET } from './index-buckets.ts'
import type { PeerOffers } from './peer-offers.ts'

/** How many wanted chunks one pick compares. */
const SAMPLES = 16

/** Chunks that come before all others, and the rest. */
const FIRST = 0
const REST = 1

export class ChunkPicker {
  readonly #random: Prng
  readonly #availability: Uint16Array
  readonly #wanted: Bitfield
  readonly #share: Bitfield
  readonly #pickable: IndexBuckets
  readonly #first: Bitfield

  /** `first`: chunks that are picked before all others. Read, not kept. */
  constructor(chunkCount: number, random: Prng, first = new Bitfield(chunkCount)) {
    this.#random = random
    this.#availability = new Uint16Array(chunkCount)
    this.#wanted = new Bitfield(chunkCount)
    this.#share = new Bitfield(chunkCount)
    this.#pickable = new IndexBuckets(chunkCount, 2)
    this.#first = first.copy()
  }

  /** How many wanted chunks some peer holds. */
  get pickable(): number {
    return this.#pickable.count(FIRST) + this.#pickable.count(REST)
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
    if (inShare) this.#share.add(chunk)
    else this.#share.remove(chunk)
  }

  /** The rarest of some wanted chunks among `offers`. Takes out of them what is not wanted. Undefined when nothing is left. */
  pick(offers: PeerOffers): number | undefined {
    return this.#best(offers, (chunk) => this.#rank(chunk))
  }

  /** The same for a peer whose chunks do not count as available: better one that others hold as well. */
  pickUncounted(offers: PeerOffers): number | undefined {
    return this.#best(offers, (chunk) => (this.availability(chunk) > 0 ? this.#rank(chunk) : Number.MAX_SAFE_INTEGER))
  }

  /** A wanted chunk that some peer holds, those that come first before the rest, the rarest of a few. */
  pickAny(): number | undefined {
    const bucket = this.#pickable.count(FIRST) > 0 ? FIRST : REST
    const count = this.#pickable.count(bucket)
    let best: number | undefined
    for (let sample = 0; sample < Math.min(SAMPLES, count); sample++) {
      const chunk = this.#pickable.at(bucket, this.#random.below(count))
      if (best === undefined || this.#rank(chunk) < this.#rank(best)) best = chunk
    }
    return best
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
    const isPickable = this.#wanted.has(chunk) && this.availability(chunk) > 0
    const bucket = this.#first.has(chunk) ? FIRST : REST
    this.#pickable.move(chunk, isPickable ? bucket : NO_BUCKET)
  }
}
