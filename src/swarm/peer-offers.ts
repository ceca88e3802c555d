// What one peer has for us: chunks that it holds and that we wanted when they came in. One that is no longer wanted stays
// until a pick comes across it, so that what we get from others costs nothing here.

import { Bitfield } from '../base/bitfield.ts'
import { invariant } from '../base/errors.ts'

export class PeerOffers {
  readonly #chunks: number[] = []
  readonly #listed: Bitfield

  constructor(chunkCount: number) {
    this.#listed = new Bitfield(chunkCount)
  }

  get size(): number {
    return this.#chunks.length
  }

  add(chunk: number): void {
    if (this.#listed.add(chunk)) this.#chunks.push(chunk)
  }

  /** The chunk at `position`, which is below size. The order means nothing. */
  at(position: number): number {
    const chunk = this.#chunks[position]
    invariant(chunk !== undefined, `position ${position} of ${this.#chunks.length} offers`)
    return chunk
  }

  /** Takes out what is at `position`; another chunk comes to its place. */
  removeAt(position: number): void {
    this.#listed.remove(this.at(position))
    const last = this.#chunks.pop()
    if (last !== undefined && position < this.#chunks.length) this.#chunks[position] = last
  }
}
