// Good chunk vectors that the encoder would not make, but that a decoder must accept.

import { buildChunk, type PlaneParts, type SegmentParts } from '../support/chunk-builder.ts'
import { concat, noise, skewed } from '../support/codec-samples.ts'
import type { GoodVector } from './chunk-good-vectors.ts'

const SEGMENT_BYTES = 2 ** 20

type Build = Omit<GoodVector, 'reencodes'>

/** A table for the symbols 65, 66 and 67. */
function threeSymbols(bits: number): Array<[number, number]> {
  const half = 2 ** (bits - 1)
  return [
    [65, half],
    [66, half / 2],
    [67, half / 2],
  ]
}

function segmentOf(element: number, ...planes: PlaneParts[]): SegmentParts {
  return { element, head: [], tail: [], planes }
}

function otherBits(): Build[] {
  const raw = Uint8Array.from(skewed(1000, 12), (byte) => Math.min(byte, 67))
  return [10, 12].map((bits) => ({
    name: `rans-${bits}-bits`,
    about: `${bits} probability bits`,
    raw,
    chunk: buildChunk(raw, [segmentOf(1, { mode: 'rans', bits, symbols: raw, table: threeSymbols(bits) })]),
  }))
}

/** Two fp32 segments would be needed to see every mode beside every other; one with four planes shows that they may mix. */
function mixedModes(): Build[] {
  const count = 3000
  const top = Uint8Array.from(skewed(count, 13), (byte) => Math.min(byte, 67))
  const low = Uint8Array.from(skewed(count, 14), (byte) => Math.min(byte, 67))
  const fixed = skewed(count, 15)
  const stored = noise(count, 16)
  const planes: PlaneParts[] = [
    { mode: 'rans', bits: 10, symbols: top, table: threeSymbols(10) },
    { mode: 'fixed', codeBits: 4, symbols: fixed, table: [65, 66, 67] },
    { mode: 'raw', bytes: stored },
    { mode: 'rans', bits: 12, symbols: low, table: threeSymbols(12) },
  ]
  // fp16 is not rotated, so its bytes are its planes; fp32 is: rotating right by one puts the planes together.
  const words = Uint32Array.from(top, (symbol, index) => {
    const rotated =
      ((symbol << 24) | ((fixed[index] ?? 0) << 16) | ((stored[index] ?? 0) << 8) | (low[index] ?? 0)) >>> 0
    return ((rotated >>> 1) | (rotated << 31)) >>> 0
  })
  const raw = new Uint8Array(words.buffer)
  return [0, 1].map((level) => ({
    name: `mixed-modes-level-${level}`,
    about: `a RAW plane between two of RANS, 10 and 12 bits, and one of FIX4E, in a chunk of level ${level}`,
    raw,
    chunk: buildChunk(raw, [segmentOf(4, ...planes)], 4, level),
  }))
}

/** Larger than they need be; a constant segment in front keeps the chunk smaller than its raw bytes. */
function wasteful(): Build[] {
  const constant = new Uint8Array(100).fill(4)
  const zeros = segmentOf(1, { mode: 'constant', symbol: 0 })
  const behindZeros = (name: string, about: string, content: Uint8Array, plane: PlaneParts): Build => {
    const raw = concat(new Uint8Array(SEGMENT_BYTES), content)
    return {
      name,
      about: `${about}: larger than it need be, but valid`,
      raw,
      chunk: buildChunk(raw, [zeros, segmentOf(1, plane)]),
    }
  }
  const three = Uint8Array.from(noise(601, 17), (byte) => 30 + (byte % 3))
  return [
    behindZeros('raw-plane-of-one-symbol', 'a RAW plane that holds one symbol', constant, {
      mode: 'raw',
      bytes: constant,
    }),
    behindZeros('fix-all-escapes', 'a FIX3E plane whose codes are all escapes', three, {
      mode: 'fixed',
      codeBits: 3,
      symbols: three,
      table: [99],
    }),
    behindZeros('fix-unused-entries', 'a FIX4E plane with entries that no code uses, out of order', three, {
      mode: 'fixed',
      codeBits: 4,
      symbols: three,
      table: [200, 32, 7, 30, 255, 31],
    }),
  ]
}

export function builtVectors(): GoodVector[] {
  return [...otherBits(), ...mixedModes(), ...wasteful()].map((vector) => ({ ...vector, reencodes: false }))
}
