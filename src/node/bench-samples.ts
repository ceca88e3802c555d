// Bytes that the codec is measured on: made-up weights of every element type, each MiB with its own spread as tensors have, and
// this program's own text. Same bytes on every machine, except for the text.

import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Prng } from '../base/prng.ts'
import type { ElementType } from '../codec/codec.ts'

export interface BenchSample {
  /** Name in the rows. */
  readonly element: string
  readonly hint: ElementType
  /** Bytes of one element and whether its bits are rotated left by one before they are cut into planes (protocols/chunk.md). */
  readonly width: number
  readonly rotated: boolean
  readonly raw: Uint8Array
}

/** A sample has this many tensors of equal size. */
const TENSORS = 8
/** Spread of the first tensor, and the factor from one tensor to the next. */
const SIGMA_MIN = 0.005
const SIGMA_FACTOR = 1.5

type Convert = (value: number, bits: number) => number

/** `bytes`, a multiple of 32, is the size of each sample, and the most of the text. */
export async function makeBenchSamples(bytes: number): Promise<BenchSample[]> {
  const upper: Convert = (_, bits) => (bits >>> 16) & 0xffff
  const weights = (width: 1 | 2 | 4, convert: Convert) => makeWeights(bytes, width, convert)
  const float = { hint: 'fp32', width: 4, rotated: true } as const
  return [
    { element: 'bf16', hint: 'bf16', width: 2, rotated: true, raw: weights(2, upper) },
    { element: 'fp16', hint: 'fp16', width: 2, rotated: false, raw: weights(2, halfBits) },
    {
      element: 'fp16-from-bf16',
      hint: 'fp16',
      width: 2,
      rotated: false,
      raw: weights(2, (value) => halfBits(cut(value))),
    },
    { element: 'fp32', ...float, raw: weights(4, (_, bits) => bits) },
    { element: 'fp32-from-bf16', ...float, raw: weights(4, (_, bits) => (bits & 0xffff0000) >>> 0) },
    { element: 'fp8', hint: 'bytes', width: 1, rotated: false, raw: weights(1, fp8Bits) },
    { element: 'int8', hint: 'bytes', width: 1, rotated: false, raw: weights(1, int8Bits) },
    { element: 'text', hint: 'unknown', width: 1, rotated: false, raw: await ownText(bytes) },
  ]
}

/** Normally distributed numbers, tensor by tensor (G. Box and M. Muller, 1958), each stored in `width` bytes by `convert`. */
function makeWeights(bytes: number, width: 1 | 2 | 4, convert: Convert): Uint8Array {
  const raw = new Uint8Array(bytes)
  const view = new DataView(raw.buffer)
  const chance = new Prng(width)
  const exact = new Float32Array(1)
  const bits = new Uint32Array(exact.buffer)
  for (let position = 0; position < bytes; position += width) {
    const sigma = SIGMA_MIN * SIGMA_FACTOR ** Math.floor((position * TENSORS) / bytes)
    const radius = Math.sqrt(-2 * Math.log((chance.nextUint32() + 1) / 2 ** 32))
    exact[0] = sigma * radius * Math.cos((2 * Math.PI * chance.nextUint32()) / 2 ** 32)
    const stored = convert(exact[0], bits[0] ?? 0)
    if (width === 1) view.setUint8(position, stored)
    else if (width === 2) view.setUint16(position, stored, true)
    else view.setUint32(position, stored, true)
  }
  return raw
}

/** The value as bf16 holds it. */
function cut(value: number): number {
  const exact = new Float32Array([value])
  const bits = new Uint32Array(exact.buffer)
  bits[0] = (bits[0] ?? 0) & 0xffff0000
  return exact[0] ?? 0
}

/** Sign, five bits of exponent, ten of mantissa, rounded; values below 2^-14 keep fewer bits, as half precision does. */
function halfBits(value: number): number {
  const sign = value < 0 ? 0x8000 : 0
  const size = Math.abs(value)
  if (size < 2 ** -14) return sign | Math.round(size * 2 ** 24)
  const exponent = Math.floor(Math.log2(size))
  return sign | (((exponent + 15) << 10) + Math.round((size / 2 ** exponent - 1) * 1024))
}

/** e4m3, scaled as weights are quantised: the largest of a tensor comes near 448. */
function fp8Bits(value: number): number {
  const sign = value < 0 ? 0x80 : 0
  const size = Math.min(448, Math.abs(value) * 1000)
  if (size < 2 ** -6) return sign | Math.round(size * 2 ** 9)
  const exponent = Math.floor(Math.log2(size))
  return sign | Math.min(0x7e, ((exponent + 7) << 3) + Math.round((size / 2 ** exponent - 1) * 8))
}

function int8Bits(value: number): number {
  return Math.max(-127, Math.min(127, Math.round(value * 1000))) & 0xff
}

/** The modules of this program, one after the other, up to `bytes` bytes. */
async function ownText(bytes: number): Promise<Uint8Array> {
  const folder = fileURLToPath(new URL('..', import.meta.url))
  const names = (await readdir(folder, { recursive: true })).filter((name) => /\.(js|ts)$/.test(name)).sort()
  const files = await Promise.all(names.map((name) => readFile(`${folder}/${name}`)))
  return new Uint8Array(Buffer.concat(files).subarray(0, bytes))
}
