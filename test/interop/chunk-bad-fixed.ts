// The bad chunk vectors of FIX planes.

import { buildChunk, type FixedParts, patched } from '../support/chunk-builder.ts'
import { skewed } from '../support/codec-samples.ts'
import type { BadVector } from './chunk-bad-vectors.ts'

/** Offsets in the base chunk: one segment of 1001 symbols in a FIX3E plane behind a 16-byte directory. */
const DESCRIPTOR = 48 + 16
const DATA = 48 + 80
const INDEX = DATA + 16
const BITS = INDEX + 16
const BIT_PLANE_BYTES = 128
const ESCAPES = BITS + 3 * BIT_PLANE_BYTES

/** Five of the seven codes that a table may have; 65 is code 0, and every symbol past 69 an escape. */
const TABLE = [65, 66, 67, 68, 69]
const SYMBOLS = skewed(1001, 31)

function fixedChunk(change: Partial<FixedParts> = {}): Uint8Array {
  const plane: FixedParts = { mode: 'fixed', codeBits: 3, symbols: SYMBOLS, table: TABLE, ...change }
  return buildChunk(SYMBOLS, [{ element: 1, head: [], tail: [], planes: [plane] }], 1, 1)
}

/** fp16 with a FIX3E plane of two blocks above a CONST one. */
function twoBlocks(): Uint8Array {
  const symbols = skewed(16_384 + 77, 32)
  const raw = Uint8Array.from({ length: 2 * symbols.length }, (_, index) =>
    index % 2 === 0 ? 9 : (symbols[index >>> 1] ?? 0),
  )
  const high: FixedParts = { mode: 'fixed', codeBits: 3, symbols, table: TABLE }
  return buildChunk(raw, [{ element: 3, head: [], tail: [], planes: [high, { mode: 'constant', symbol: 9 }] }], 3, 1)
}

function u32(chunk: Uint8Array, at: number): number {
  return new DataView(chunk.buffer, chunk.byteOffset).getUint32(at, true)
}

const le32 = (value: number) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 255)

/** Where the first symbol with this code is, and the bytes of the bit planes there. */
function findCode(chunk: Uint8Array, symbol: number): { readonly at: number; readonly bit: number } {
  const index = SYMBOLS.indexOf(symbol)
  if (index < 0 || chunk.length < ESCAPES) throw new Error(`no symbol ${symbol} in the base chunk`)
  return { at: BITS + (index >>> 3), bit: 1 << (index & 7) }
}

export function fixedVectors(): BadVector[] {
  const good = fixedChunk()
  const blocks = twoBlocks()
  const escapes = u32(good, DESCRIPTOR + 12)
  const bytes = u32(good, DESCRIPTOR + 8)
  const change = (name: string, rule: string, at: number, ...values: number[]): BadVector => ({
    name: `fix-${name}`,
    rule,
    chunk: patched(good, at, ...values),
  })
  const flip = (name: string, rule: string, symbol: number, plane: number): BadVector => {
    const { at, bit } = findCode(good, symbol)
    const place = at + plane * BIT_PLANE_BYTES
    return change(name, rule, place, (good[place] ?? 0) ^ bit)
  }
  const block = (name: string, rule: string, first: number): BadVector => ({
    name: `fix-${name}`,
    rule,
    chunk: patched(blocks, INDEX, ...le32(first)),
  })
  const lastBits = BITS + (SYMBOLS.length >>> 3)
  const inFirst = u32(blocks, INDEX)
  const inAll = u32(blocks, INDEX + 4)
  return [
    change('symbol', 'planeLayout', DESCRIPTOR + 1, 11),
    change('bytes', 'planeLayout', DESCRIPTOR + 8, ...le32(bytes + 1)),
    change('escapes-and-bytes', 'planeLayout', DESCRIPTOR + 8, ...le32(bytes + 1001), ...le32(escapes + 1001)),
    change('no-entries', 'table', DESCRIPTOR + 2, 0),
    change('eight-entries', 'table', DESCRIPTOR + 2, 8),
    { name: 'fix-sixteen-entries', rule: 'table', chunk: patched(fixedChunk({ codeBits: 4 }), DESCRIPTOR + 2, 16) },
    change('same-symbol-twice', 'table', DATA + 1, 65),
    change('padding-table', 'paddingBytes', DATA + 15, 1),
    change('padding-index', 'paddingBytes', INDEX + 4, 1),
    change('padding-last-bits', 'paddingBytes', lastBits, (good[lastBits] ?? 0) | 2),
    change('padding-bit-plane', 'paddingBytes', BITS + 2 * BIT_PLANE_BYTES - 1, 1),
    change('padding-plane', 'paddingBytes', good.length - 1, 1),
    change('index-too-small', 'streamIndex', INDEX, ...le32(escapes - 1)),
    change('index-too-large', 'streamIndex', INDEX, ...le32(escapes + 1)),
    block('index-falling', 'streamIndex', inAll + 1),
    block('escape-in-other-block', 'escapes', inFirst - 1),
    // Code 3 becomes 7, an escape that nothing belongs to; an escape becomes code 3.
    flip('escape-too-many', 'escapes', 68, 2),
    flip('escape-missing', 'escapes', 70, 2),
    // Code 1 becomes 5, code 2 becomes 6.
    flip('code-5', 'code', 66, 2),
    flip('code-6', 'code', 67, 2),
    change('checksum', 'checksum', ESCAPES, 250),
  ]
}
