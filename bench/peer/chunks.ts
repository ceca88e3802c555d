// The chunks that both variants move: a few, again and again, so that nothing but moving them is measured.

import { hashBytes } from '../../src/base/hash.ts'

export const CHUNK_BYTES = 8 * 2 ** 20
const CHUNKS = 4

/** The same in every process. */
export function makeChunks(): readonly Buffer[] {
  return Array.from({ length: CHUNKS }, (_, index) => {
    const chunk = Buffer.alloc(CHUNK_BYTES)
    for (let word = 0; word < CHUNK_BYTES; word += 4)
      chunk.writeUInt32LE(Math.imul(word + index, 0x9e3779b1) >>> 0, word)
    return chunk
  })
}

export function chunkNumber(index: number): number {
  return index % CHUNKS
}

/** Throws when a chunk is not what makeChunks() says. */
export class Verifier {
  readonly #hashes = makeChunks().map((chunk) => hashBytes(chunk).toString('hex'))

  check(number: number, bytes: Uint8Array): void {
    if (hashBytes(bytes).toString('hex') !== this.#hashes[number]) throw new Error(`chunk ${number} arrived wrong`)
  }
}
