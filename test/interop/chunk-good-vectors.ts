// The good chunk vectors: what each is about, its raw bytes, and how its chunk is made. chunk-make-vectors.ts writes them.

import type { Codec, CodecChoice, ElementType } from '../../src/codec/codec.ts'
import {
  bf16Weights,
  concat,
  fp16Weights,
  fp32Weights,
  noise,
  normalFloats,
  skewed,
  words,
} from '../support/codec-samples.ts'
import { builtVectors } from './chunk-built-vectors.ts'

export interface GoodVector {
  readonly name: string
  readonly about: string
  readonly raw: Uint8Array
  readonly chunk: Uint8Array
  /** Whether the encoder makes exactly these bytes. */
  readonly reencodes: boolean
}

interface Recipe {
  readonly name: string
  readonly about: string
  readonly raw: Uint8Array
  readonly codec?: CodecChoice
  readonly element?: ElementType
}

const SEGMENT_BYTES = 2 ** 20

function storedRecipes(): Recipe[] {
  return [
    { name: 'raw-empty', about: 'no raw bytes', raw: new Uint8Array(0), codec: 'raw' },
    { name: 'raw-one-byte', about: 'one byte', raw: Uint8Array.of(0x5a), codec: 'raw' },
    { name: 'raw-incompressible', about: 'noise, which ans falls back to storing', raw: noise(300, 1) },
    { name: 'raw-31', about: '31 equal bytes: too few to be worth a segment', raw: new Uint8Array(31).fill(7) },
    { name: 'raw-32', about: '32 equal bytes', raw: new Uint8Array(32).fill(7) },
    { name: 'raw-33', about: '33 equal bytes', raw: new Uint8Array(33).fill(7) },
    { name: 'zstd-text', about: 'text as a zstd frame', raw: words(3000, 2), codec: 'zstd' },
  ]
}

function byteRecipes(): Recipe[] {
  const eights = Uint8Array.from({ length: 1024 }, (_, index) => (index % 8 === 7 ? 99 : index % 4 === 3 ? 98 : 97))
  const residues = [2015, 2016, 2017].map((size) => ({
    name: `rans-bytes-${size}`,
    about: `bytes, ${size % 32} symbols past a whole row`,
    raw: skewed(size, size),
  }))
  const streams = [32767, 32768, 32769].map((size) => ({
    name: `rans-bytes-${size}`,
    about: `bytes, around the end of the first stream (${size} symbols)`,
    raw: skewed(size, size),
  }))
  return [
    { name: 'const-bytes', about: 'the worked example: one symbol only', raw: new Uint8Array(200).fill(0x61) },
    { name: 'rans-three-symbols', about: 'the worked example of a RANS plane', raw: eights, element: 'bytes' },
    ...residues,
    ...streams,
    {
      name: 'rans-two-equal-symbols',
      about: 'two symbols of equal frequency',
      raw: Uint8Array.from(noise(4096, 3), (byte) => (byte < 128 ? 200 : 10)),
      element: 'bytes',
    },
    {
      name: 'rans-all-symbols',
      about: '256 symbols, most of them rare: frequencies are raised to 1 and taken from the largest',
      raw: concat(
        skewed(12_000, 4),
        Uint8Array.from({ length: 256 }, (_, index) => index),
      ),
      element: 'bytes',
    },
    {
      name: 'rans-three-equal-symbols',
      about: 'three symbols of equal count: the slots left over go to the lower symbols',
      raw: Uint8Array.from({ length: 3000 }, (_, index) => 90 - (index % 3)),
      element: 'bytes',
    },
    {
      name: 'rans-two-tied-givers',
      about: 'an odd number of slots taken from two frequencies that are equal, while their counts are not',
      raw: concat(
        new Uint8Array(5000).fill(200),
        new Uint8Array(4999).fill(10),
        Uint8Array.from({ length: 151 }, (_, index) => index + 20),
      ),
      element: 'bytes',
    },
    {
      name: 'rans-just-worth-it',
      about: 'an estimate of exactly 98 %, which is coded',
      raw: behindZeros(Uint8Array.from({ length: 1200 }, (_, index) => index % 52)),
      element: 'bytes',
    },
    {
      name: 'rans-11-bits-just-kept',
      about: '511 bytes with twelve bits and 512 with eleven, by estimate: eleven',
      raw: concat(
        Uint8Array.from({ length: 20 }, (_, index) => index),
        new Uint8Array(2333).fill(200),
        new Uint8Array(550).fill(201),
      ),
      element: 'bytes',
    },
    {
      name: 'rans-12-bits-chosen',
      about: 'symbols that are too rare for 2048 slots: twelve bits save more than 1 byte in 512',
      raw: concat(
        skewed(6000, 18),
        Uint8Array.from({ length: 90 }, (_, index) => 100 + index),
      ),
      element: 'bytes',
    },
    {
      name: 'rans-one-rare-symbol',
      about: 'a symbol that occurs once in 5000: nearly no words',
      raw: concat(new Uint8Array(4999), Uint8Array.of(1)),
      element: 'bytes',
    },
  ]
}

function floatRecipes(): Recipe[] {
  const bf16 = bf16Weights(4000, 0.02, 5)
  const bf16InFp32 = new Uint8Array(
    Uint32Array.from(new Uint32Array(normalFloats(3000, 0.02, 6).buffer), (word) => (word & 0xffff0000) >>> 0).buffer,
  )
  return [
    { name: 'bf16-weights', about: 'bf16, phase 0', raw: bf16, element: 'bf16' },
    { name: 'bf16-sampled', about: 'the same without a hint', raw: bf16 },
    {
      name: 'bf16-odd-phase',
      about: 'bf16 behind one other byte, and a byte after it',
      raw: concat([9], bf16, [8, 7]),
    },
    { name: 'bf16-all-nan', about: 'one NaN, over and over: two CONST planes', raw: repeated([0xc0, 0x7f], 800) },
    { name: 'bf16-31', about: '31 elements with a hint: stored', raw: bf16.subarray(0, 62), element: 'bf16' },
    { name: 'bf16-mixed-nan', about: 'NaNs with different mantissas', raw: nanMantissas(2000), element: 'bf16' },
    { name: 'fp16-weights', about: 'fp16', raw: fp16Weights(6000, 0.02, 7), element: 'fp16' },
    {
      name: 'fp16-odd-phase',
      about: 'fp16 with phase 1',
      raw: concat([1], fp16Weights(6000, 0.02, 8)),
      element: 'fp16',
    },
    { name: 'fp32-weights', about: 'fp32', raw: fp32Weights(3000, 0.02, 9), element: 'fp32' },
    {
      name: 'fp32-phase-3',
      about: 'fp32 with phase 3 and tail 2',
      raw: concat([1, 2, 3], fp32Weights(3000, 0.02, 10), [4, 5]),
    },
    {
      name: 'fp32-holding-bf16',
      about: 'fp32 whose two lower planes are nearly constant',
      raw: bf16InFp32,
      element: 'fp32',
    },
    ...[16383, 16384, 16385].map((size) => ({
      name: `bf16-streams-${size}`,
      about: `bf16, around the end of the first stream (${size} elements)`,
      raw: bf16Weights(size, 0.02, size),
      element: 'bf16' as const,
    })),
    {
      name: 'fp32-late-raw',
      about:
        'planes 0 and 3 are RAW by their exact counts, 2 by the sample, and their data is in ascending order; 1 is CONST',
      raw: lateRaw(2000),
      element: 'fp32',
    },
    {
      name: 'bf16-sample-misses',
      about: 'a mantissa plane that is noise where it is sampled and zero elsewhere: stored by the sample',
      raw: sampleMisses(50_000),
      element: 'bf16',
    },
    { name: 'bf16-wrong-hint', about: 'bf16 weights with the hint fp32', raw: bf16, element: 'fp32' },
  ]
}

function segmentRecipes(): Recipe[] {
  return [
    {
      name: 'two-segments',
      about: 'a constant segment, then a short one of bf16',
      raw: concat(new Uint8Array(SEGMENT_BYTES).fill(3), bf16Weights(3000, 0.5, 11)),
    },
    {
      name: 'two-segments-one-byte',
      about: 'a last segment of one byte',
      raw: concat(new Uint8Array(SEGMENT_BYTES), [1]),
    },
    {
      name: 'many-streams',
      about: '32 streams of a whole segment, nearly all symbols equal',
      raw: Uint8Array.from({ length: SEGMENT_BYTES }, (_, index) => (index % 4099 === 0 ? 1 : 0)),
      element: 'bytes',
    },
  ]
}

/** Planes around the size from which on an eighth is counted: some symbols stand only where nobody counts. */
function sampledRecipes(): Recipe[] {
  const about = new Map([
    [65_536, 'the largest plane that is counted whole'],
    [65_537, 'the smallest plane that is counted by sample; its last symbol occurs nowhere else'],
    [74_228, 'counted by sample, with a last piece that ends before its block'],
    [74_760, 'counted by sample, with a last block that is short'],
  ])
  return [...about].map(([size, text]) => ({
    name: `rans-counted-${size}`,
    about: text,
    raw: Uint8Array.from({ length: size }, (_, at) => {
      if (at === size - 1) return 9
      const isCounted = Math.floor(at / 1024) % 8 === Math.floor(at / 8192) % 8
      return at % 61 === 0 ? (isCounted ? 1 : 2) : at % 4096 === 7 ? 3 : 0
    }),
    element: 'bytes' as const,
  }))
}

/** Chunks of the fast profile. */
function fastRecipes(): Recipe[] {
  const bf16 = bf16Weights(4000, 0.02, 5)
  const recipes: Recipe[] = [
    { name: 'bf16-weights', about: 'bf16: FIX3E exponents before which the mantissas lie', raw: bf16, element: 'bf16' },
    { name: 'bf16-odd-phase', about: 'bf16 behind one other byte, without a hint', raw: concat([9], bf16, [8, 7]) },
    { name: 'fp16-weights', about: 'fp16', raw: fp16Weights(6000, 0.02, 7), element: 'fp16' },
    { name: 'fp32-weights', about: 'fp32', raw: fp32Weights(3000, 0.02, 9), element: 'fp32' },
    { name: 'const-bytes', about: 'one symbol only', raw: new Uint8Array(200).fill(0x61) },
    { name: 'noise', about: 'noise, which is stored', raw: noise(300, 1) },
    { name: 'fix3e-worked', about: 'the worked example of a FIX3E plane', raw: workedFixed(), element: 'bytes' },
    {
      name: 'fix3e-two-symbols',
      about: 'a table of two: no escapes',
      raw: Uint8Array.from(noise(4096, 3), (byte) => (byte < 128 ? 200 : 10)),
      element: 'bytes',
    },
    {
      name: 'fix3e-seven-symbols',
      about: 'seven symbols: every code but the escape',
      raw: Uint8Array.from(noise(1003, 19), (byte) => byte % 7),
      element: 'bytes',
    },
    {
      name: 'fix4e-fifteen-symbols',
      about: 'fifteen symbols in FIX4E: no escapes',
      raw: Uint8Array.from(noise(1003, 20), (byte) => byte % 15),
      element: 'bytes',
    },
    {
      name: 'fix4e-escapes',
      about: 'FIX4E with escapes',
      raw: Uint8Array.from(noise(5000, 21), (byte, index) => (index % 40 === 0 ? byte : byte % 13)),
      element: 'bytes',
    },
    {
      name: 'fix4e-just-worth-it',
      about: 'FIX4E of exactly 98 %',
      raw: behindZeros(halfEscapes(1600, 896)),
      element: 'bytes',
    },
    {
      name: 'fix4e-not-worth-it',
      about: 'one escape more: stored',
      raw: behindZeros(halfEscapes(1600, 895)),
      element: 'bytes',
    },
    {
      name: 'fix3e-tie',
      about: 'FIX3E and FIX4E of equal size: FIX3E; symbols of equal count stand in rising order',
      raw: concat(
        Uint8Array.from({ length: 896 }, (_, index) => 90 - (index % 7)),
        Uint8Array.from({ length: 128 }, (_, index) => 80 - (index % 8)),
      ),
      element: 'bytes',
    },
    {
      name: 'two-segments',
      about: 'a constant segment, then a short one of bf16',
      raw: concat(new Uint8Array(SEGMENT_BYTES).fill(3), bf16Weights(3000, 0.5, 11)),
    },
    {
      name: 'many-blocks',
      about: 'five blocks, escapes in one of them only',
      raw: Uint8Array.from({ length: SEGMENT_BYTES / 8 + 5 }, (_, index) =>
        index < 70_000 || index > 70_020 ? index % 2 : index % 251,
      ),
      element: 'bytes',
    },
    ...[32767, 32768, 32769].map((size) => ({
      name: `bytes-${size}`,
      about: `bytes, around the end of the first block (${size} symbols)`,
      raw: skewed(size, size),
      element: 'bytes' as const,
    })),
    ...[16383, 16384, 16385].map((size) => ({
      name: `bf16-${size}`,
      about: `bf16, around the end of the first block (${size} elements)`,
      raw: bf16Weights(size, 0.02, size),
      element: 'bf16' as const,
    })),
  ]
  return recipes.map((recipe) => ({ ...recipe, name: `fast-${recipe.name}`, codec: 'ans-fast' as const }))
}

export async function makeGoodVectors(codec: Codec): Promise<GoodVector[]> {
  const vectors: GoodVector[] = []
  for (const recipe of [
    ...storedRecipes(),
    ...byteRecipes(),
    ...floatRecipes(),
    ...segmentRecipes(),
    ...sampledRecipes(),
    ...fastRecipes(),
  ]) {
    const { name, about, raw } = recipe
    const out = new Uint8Array(codec.maxEncodedBytes(raw.length))
    const options = { codec: recipe.codec ?? 'ans', element: recipe.element ?? 'unknown', zstdLevel: 3 } as const
    const size = await codec.encode(raw, out, options)
    vectors.push({ name, about, raw, chunk: out.slice(0, size), reencodes: options.codec !== 'zstd' })
  }
  return [...vectors, ...builtVectors()]
}

function repeated(pattern: readonly number[], count: number): Uint8Array {
  return Uint8Array.from({ length: pattern.length * count }, (_, index) => pattern[index % pattern.length] ?? 0)
}

/** fp32 whose planes are, from the top: 100 values at random, zero, noise, 100 values at random. */
function lateRaw(count: number): Uint8Array {
  const [top, middle, low] = [noise(count, 22), noise(count, 23), noise(count, 24)]
  const words = Uint32Array.from(top, (byte, index) => {
    const rotated = (((byte % 100) << 24) | ((middle[index] ?? 0) << 8) | ((low[index] ?? 0) % 100)) >>> 0
    return ((rotated >>> 1) | (rotated << 31)) >>> 0
  })
  return new Uint8Array(words.buffer)
}

/** bf16 with the exponent 120, whose mantissas are noise in the 16 windows of the sample and zero outside. */
function sampleMisses(count: number): Uint8Array {
  const bits = new Uint16Array(count).fill(120 << 7)
  const chance = noise(count, 25)
  for (let window = 0; window < 16; window++) {
    const start = Math.floor(((2 * count - 1024) * window) / 15)
    const first = (start - (start % 4)) / 2
    for (let index = first; index < first + 512; index++)
      bits[index] = (120 << 7) | ((chance[index] ?? 0) & 0x7f) | (((chance[index] ?? 0) & 0x80) << 8)
  }
  return new Uint8Array(bits.buffer)
}

/** In a segment of its own; the one before leaves room, so that a plane which is not coded does not make the chunk a raw one. */
function behindZeros(content: Uint8Array): Uint8Array {
  return concat(new Uint8Array(SEGMENT_BYTES), content)
}

/** `inTable` symbols of fifteen kinds, the others of 44 rarer ones. */
function halfEscapes(count: number, inTable: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, index) => (index < inTable ? index % 15 : 100 + (index % 44)))
}

/** 63 times `aaabaaac`, then `defghijk`, of which the last four find no place in a table of seven. */
function workedFixed(): Uint8Array {
  return Buffer.from(`${'aaabaaac'.repeat(63)}defghijk`, 'latin1')
}

function nanMantissas(count: number): Uint8Array {
  const chance = noise(count, 13)
  return new Uint8Array(Uint16Array.from(chance, (byte) => 0x7f80 | (byte & 0x7f) | 1 | ((byte & 0x80) << 8)).buffer)
}
