// A seeded generator for decisions that must replay. Not for secrets.
// Algorithm: sfc32 by Chris Doty-Humphrey (PractRand), 32-bit integers only.

export class Prng {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** `seed` is any integer; its low 53 bits count. */
  constructor(seed: number) {
    this.#a = seed >>> 0
    this.#b = Math.floor(Math.abs(seed) / 2 ** 32) >>> 0
    this.#c = 0x9e3779b9
    for (let round = 0; round < 12; round++) this.nextUint32()
  }

  /** Uniform in [0, 2^32). */
  nextUint32(): number {
    const result = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + result
    this.#c |= 0
    return result >>> 0
  }

  /** Integer in [0, limit), limit in 1..2^32. The bias is below limit / 2^32. */
  below(limit: number): number {
    return Math.floor((this.nextUint32() * limit) / 2 ** 32)
  }
}

/**
 * Mixes three 32-bit integers into one: the rank of a node for a chunk in rendezvous hashing.
 * Finaliser of MurmurHash3 (Austin Appleby), applied once per word.
 */
export function mix32(first: number, second: number, third = 0): number {
  return finalize(finalize(finalize(first) ^ second) ^ third)
}

/** 32-bit FNV-1a over the UTF-16 units of a text: the same number for the same id on every machine. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}

function finalize(value: number): number {
  let hash = value >>> 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
