// Raw bytes for codec tests, from a seed: weights, text, noise. Same seed, same bytes, on every machine.

import { Prng } from '../../src/base/prng.ts'

/** Bytes without any structure. */
export function noise(size: number, seed: number): Uint8Array {
  const chance = new Prng(seed)
  return Uint8Array.from({ length: size }, () => chance.below(256))
}

/** Bytes that take few values, each half as often as the one before. */
export function skewed(size: number, seed: number): Uint8Array {
  const chance = new Prng(seed)
  return Uint8Array.from({ length: size }, () => 65 + Math.clz32(chance.nextUint32()))
}

/** Words in a row, as zstd likes them. */
export function words(size: number, seed: number): Uint8Array {
  const chance = new Prng(seed)
  const vocabulary = ['chunk', 'origin', 'peer', 'lease', 'snapshot', 'stream', 'segment', 'return', 'const', 'await']
  let text = ''
  while (text.length < size) text += `${vocabulary[chance.below(vocabulary.length)]} `
  return Buffer.from(text.slice(0, size), 'latin1')
}

/** float32 numbers that are nearly normally distributed: the sum of twelve uniform ones, less their mean. */
export function normalFloats(count: number, sigma: number, seed: number): Float32Array {
  const chance = new Prng(seed)
  return Float32Array.from({ length: count }, () => {
    let sum = -6
    for (let term = 0; term < 12; term++) sum += chance.nextUint32() / 2 ** 32
    return sum * sigma
  })
}

export function fp32Weights(count: number, sigma: number, seed: number): Uint8Array {
  return new Uint8Array(normalFloats(count, sigma, seed).buffer)
}

/** The upper halves of float32 numbers. */
export function bf16Weights(count: number, sigma: number, seed: number): Uint8Array {
  const bits = new Uint32Array(normalFloats(count, sigma, seed).buffer)
  return new Uint8Array(Uint16Array.from(bits, (word) => word >>> 16).buffer)
}

/** Half precision by truncation; numbers too small for it become zero. */
export function fp16Weights(count: number, sigma: number, seed: number): Uint8Array {
  const bits = new Uint32Array(normalFloats(count, sigma, seed).buffer)
  const halves = Uint16Array.from(bits, (word) => {
    const exponent = ((word >>> 23) & 0xff) - 112
    return exponent <= 0 ? 0 : ((word >>> 16) & 0x8000) | (exponent << 10) | ((word >>> 13) & 0x3ff)
  })
  return new Uint8Array(halves.buffer)
}

export function concat(...parts: ReadonlyArray<Uint8Array | readonly number[]>): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part))))
}
