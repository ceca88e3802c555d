// Which chunk to ask a peer for: the rarest that it holds, our own share first among equally rare ones, chance after that.
// Knows availability and what is wanted; knows neither peers nor requests.

import { Bitfield } from '../base/bitfield.ts'
import type { Prng } from '../base/prng.ts'
import { IndexBuckets, NO_BUCKET } from './index-buckets.ts'

/** Chunks held by this many peers or more count as equally common. */
const RARITY_LEVELS = 64
/** How many chunks one pick tries by rarity before it takes any chunk that the peer holds. */
const PROBES_MAX = 64

export class ChunkPicker {
  readonly #random: Prng
  readonly #availability: Uint16Array
  readonly #wanted: Bitfield
  readonly #share: Bitfield
  readonly #buckets: IndexBuckets
  #wantedVersion = 0
  #pickable = 0

  constructor(chunkCount: number, random: Prng) {
    this.#random = random
    this.#availability = new Uint16Array(chunkCount)
    this.#wanted = new Bitfield(chunkCount)
    this.#share = new Bitfield(chunkCount)
    this.#buckets = new IndexBuckets(chunkCount, RARITY_LEVELS * 2)
  }

  /** Grows whenever a chunk becomes wanted: a peer that had nothing for us may have something now. */
  get wantedVersion(): number {
    return this.#wantedVersion
  }

  /** How many wanted chunks some peer holds. */
  get pickable(): number {
    return this.#pickable
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

  /** Wanted: not held, and no request for it open. */
  setWanted(chunk: number, wanted: boolean): void {
    const changed = wanted ? this.#wanted.add(chunk) : this.#wanted.remove(chunk)
    if (!changed) return
    if (wanted) this.#wantedVersion++
    this.#place(chunk)
  }

  /** Whether the chunk is in our share of what every receiver should fetch first. */
  setShare(chunk: number, inShare: boolean): void {
    if (inShare ? this.#share.add(chunk) : this.#share.remove(chunk)) this.#place(chunk)
  }

  /** A wanted chunk that is in `have`, the rarest as far as PROBES_MAX tries find it. */
  pick(have: Bitfield): number | undefined {
    let probes = PROBES_MAX
    for (let bucket = 0; bucket < this.#buckets.bucketCount && probes > 0; bucket++) {
      const count = this.#buckets.count(bucket)
      if (count === 0) continue
      const start = this.#random.below(count)
      for (let step = 0; step < count && probes > 0; step++, probes--) {
        const chunk = this.#buckets.at(bucket, (start + step) % count)
        if (have.has(chunk)) return chunk
      }
    }
    return probes > 0 ? undefined : this.#pickCommon(have)
  }

  /** The same for a peer whose chunks do not count as available: better one that others hold as well. */
  pickUncounted(have: Bitfield): number | undefined {
    return this.pick(have) ?? this.#pickCommon(have)
  }

  /** A wanted chunk that some peer holds, among the rarest. */
  pickAny(): number | undefined {
    for (let bucket = 0; bucket < this.#buckets.bucketCount; bucket++) {
      const count = this.#buckets.count(bucket)
      if (count > 0) return this.#buckets.at(bucket, this.#random.below(count))
    }
    return undefined
  }

  #pickCommon(have: Bitfield): number | undefined {
    if (this.#wanted.size === 0) return undefined
    return this.#wanted.findCommon(have, this.#random.below(this.#wanted.size))
  }

  #place(chunk: number): void {
    const availability = this.availability(chunk)
    const before = this.#buckets.bucketOf(chunk)
    let bucket = NO_BUCKET
    if (availability > 0 && this.#wanted.has(chunk)) {
      bucket = Math.min(availability, RARITY_LEVELS - 1) * 2 + (this.#share.has(chunk) ? 0 : 1)
    }
    if (before === NO_BUCKET && bucket !== NO_BUCKET) this.#pickable++
    if (before !== NO_BUCKET && bucket === NO_BUCKET) this.#pickable--
    this.#buckets.move(chunk, bucket)
  }
}
