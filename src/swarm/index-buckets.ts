// Chunk indexes sorted into numbered buckets. Moving one and drawing one at random cost the same however many there are.

import { invariant } from '../base/errors.ts'

/** The bucket of an index that is in none. */
export const NO_BUCKET = -1

export class IndexBuckets {
  readonly #bucketOf: Int16Array
  readonly #positionOf: Int32Array
  readonly #buckets: readonly number[][]

  constructor(size: number, bucketCount: number) {
    invariant(bucketCount > 0 && bucketCount < 2 ** 15, `${bucketCount} buckets`)
    this.#bucketOf = new Int16Array(size).fill(NO_BUCKET)
    this.#positionOf = new Int32Array(size)
    this.#buckets = Array.from({ length: bucketCount }, () => [])
  }

  get bucketCount(): number {
    return this.#buckets.length
  }

  bucketOf(index: number): number {
    return this.#bucketOf[index] ?? NO_BUCKET
  }

  /** Puts `index` into `bucket`, out of the one that it was in. NO_BUCKET takes it out of all. */
  move(index: number, bucket: number): void {
    const before = this.bucketOf(index)
    if (before === bucket) return
    if (before !== NO_BUCKET) this.#take(index, before)
    this.#bucketOf[index] = bucket
    const items = this.#buckets[bucket]
    if (items === undefined) return
    this.#positionOf[index] = items.length
    items.push(index)
  }

  count(bucket: number): number {
    return this.#buckets[bucket]?.length ?? 0
  }

  /** The index at `position`, which is in 0 to count - 1. The order within a bucket means nothing. */
  at(bucket: number, position: number): number {
    const index = this.#buckets[bucket]?.[position]
    invariant(index !== undefined, `position ${position} of bucket ${bucket}`)
    return index
  }

  #take(index: number, bucket: number): void {
    const items = this.#buckets[bucket]
    const last = items?.pop()
    invariant(items !== undefined && last !== undefined, `bucket ${bucket} has lost index ${index}`)
    if (last === index) return
    const position = this.#positionOf[index] ?? 0
    items[position] = last
    this.#positionOf[last] = position
  }
}
