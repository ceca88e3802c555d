// Builds ans chunks from hand-written parts, right or wrong on purpose: other probability bits than the encoder's, wrong
// fillers, missing words. Written from protocols/chunk.md. For chunks that are wrong in one field, `patched` is simpler.

import { plainCrc32c } from './second-decoder.ts'

export interface RansParts {
  readonly mode: 'rans'
  /** Probability bits. */
  readonly bits: number
  readonly symbols: Uint8Array
  /** [symbol, frequency] in slot order. */
  readonly table: ReadonlyArray<readonly [number, number]>
  /** What the lanes past the last symbol decode to. Default: the table's first symbol. */
  readonly filler?: number
  /** State that lane 0 ends with. Default 2^15, the only right one. */
  readonly finalState?: number
  /** Words added behind (positive) or taken from the end (negative) of the plane. */
  readonly extraWords?: number
}

/** FIX3E or FIX4E. */
export interface FixedParts {
  readonly mode: 'fixed'
  readonly codeBits: 3 | 4
  readonly symbols: Uint8Array
  readonly table: readonly number[]
}

export type PlaneParts =
  | { readonly mode: 'raw'; readonly bytes: Uint8Array }
  | { readonly mode: 'constant'; readonly symbol: number }
  | RansParts
  | FixedParts

export interface SegmentParts {
  readonly element: number
  readonly head: readonly number[]
  readonly tail: readonly number[]
  readonly planes: readonly PlaneParts[]
  /** The order of the planes' data, by number. Default, and the only right one: RAW planes first, each group ascending. */
  readonly dataOrder?: readonly number[]
}

const LANES = 32
const FORMAT_VERSION = 1
const ENCODER_VERSION = 1

/** The first bytes of a header, codec raw; the rest is zero. */
export function blankHeader(): Buffer {
  const header = Buffer.alloc(32)
  header.write('SWCK', 'latin1')
  header.writeUInt8(FORMAT_VERSION, 4)
  header.writeUInt8(ENCODER_VERSION, 6)
  return header
}

/** A whole chunk. `raw` is what it should decode to; only its size and checksum go into the chunk. `hint`, `level`: as in the header. */
export function buildChunk(raw: Uint8Array, segments: readonly SegmentParts[], hint = 0, level = 0): Uint8Array {
  const directoryBytes = align16(4 * segments.length)
  const encoded = segments.map(buildSegment)
  let end = 32 + directoryBytes
  const directory = Buffer.alloc(directoryBytes)
  encoded.forEach((segment, index) => {
    end += segment.length
    directory.writeUInt32LE(end, 4 * index)
  })
  const header = blankHeader()
  header.writeUInt8(1, 5)
  header.writeUInt8(level, 7)
  header.writeUInt32LE(raw.length, 8)
  header.writeUInt32LE(end, 12)
  header.writeUInt8(20, 16)
  header.writeUInt8(14, 17)
  header.writeUInt8(hint, 18)
  header.writeUInt32LE(plainCrc32c(raw), 24)
  return withHeaderChecksum(Buffer.concat([header, directory, ...encoded]))
}

/** A copy of `chunk` with bytes replaced from `at` on, and the header's checksum put right. */
export function patched(chunk: Uint8Array, at: number, ...bytes: readonly number[]): Uint8Array {
  const copy = Buffer.from(chunk)
  copy.set(bytes, at)
  return withHeaderChecksum(copy)
}

/** Sets the checksum of the header in place and returns the chunk. */
export function withHeaderChecksum(chunk: Buffer): Buffer {
  chunk.writeUInt32LE(plainCrc32c(chunk.subarray(0, 28)), 28)
  return chunk
}

function buildSegment(segment: SegmentParts): Buffer {
  const prefix = Buffer.alloc(80)
  prefix.writeUInt8(segment.element, 0)
  prefix.writeUInt8(segment.head.length, 1)
  prefix.set(segment.head, 4)
  prefix.set(segment.tail, 8)
  const streamSymbols = segment.element === 1 ? 2 ** 15 : 2 ** 14
  const parts: Buffer[] = [prefix]
  let offset = 80
  for (const index of segment.dataOrder ?? dataOrderOf(segment.planes)) {
    const plane = segment.planes[index]
    const at = 16 + 16 * index
    if (plane === undefined) continue
    if (plane.mode === 'constant') {
      prefix.set([2, plane.symbol], at)
      continue
    }
    const built = buildPlane(plane, streamSymbols)
    prefix.writeUInt8(built.mode, at)
    prefix.writeUInt8(plane.mode === 'rans' ? plane.bits : 0, at + 1)
    prefix.writeUInt16LE(plane.mode === 'raw' ? 0 : plane.table.length, at + 2)
    prefix.writeUInt32LE(offset, at + 4)
    prefix.writeUInt32LE(built.data.length, at + 8)
    prefix.writeUInt32LE(built.words, at + 12)
    parts.push(padded(built.data))
    offset += align16(built.data.length)
  }
  return Buffer.concat(parts)
}

function dataOrderOf(planes: readonly PlaneParts[]): number[] {
  const isRaw = (index: number) => planes[index]?.mode === 'raw'
  return [...[...planes.keys()].filter(isRaw), ...[...planes.keys()].filter((index) => !isRaw(index))]
}

interface BuiltPlane {
  readonly mode: number
  readonly data: Buffer
  /** Words of a RANS plane, escapes of a FIX plane. */
  readonly words: number
}

function buildPlane(plane: Exclude<PlaneParts, { mode: 'constant' }>, streamSymbols: number): BuiltPlane {
  if (plane.mode === 'raw') return { mode: 1, data: Buffer.from(plane.bytes), words: 0 }
  return plane.mode === 'rans' ? buildRans(plane, streamSymbols) : buildFixed(plane, streamSymbols)
}

function buildFixed({ codeBits, symbols, table }: FixedParts, streamSymbols: number): BuiltPlane {
  const index = Buffer.alloc(4 * Math.ceil(symbols.length / streamSymbols))
  const bitPlanes = Array.from({ length: codeBits }, () => Buffer.alloc(align16(Math.ceil(symbols.length / 8))))
  const escapes: number[] = []
  symbols.forEach((symbol, at) => {
    const entry = table.indexOf(symbol)
    if (entry < 0) escapes.push(symbol)
    index.writeUInt32LE(escapes.length, 4 * Math.floor(at / streamSymbols))
    const code = entry < 0 ? 2 ** codeBits - 1 : entry
    bitPlanes.forEach((bits, plane) => {
      const byte = Math.floor(at / 8)
      bits[byte] = (bits[byte] ?? 0) + (Math.floor(code / 2 ** plane) % 2) * 2 ** (at % 8)
    })
  })
  const data = Buffer.concat([padded(Buffer.from(table)), padded(index), ...bitPlanes, Buffer.from(escapes)])
  return { mode: codeBits + 1, data, words: escapes.length }
}

function buildRans(plane: RansParts, streamSymbols: number): BuiltPlane {
  const { bits } = plane
  const streams = Math.ceil(plane.symbols.length / streamSymbols)
  const words: number[] = []
  const index = Buffer.alloc(4 * streams)
  const states = Buffer.alloc(128 * streams)
  for (let stream = 0; stream < streams; stream++) {
    const own = plane.symbols.subarray(stream * streamSymbols, (stream + 1) * streamSymbols)
    words.push(...encodeStream(plane, own, bits, states.subarray(128 * stream)))
    index.writeUInt32LE(words.length, 4 * stream)
  }
  const extraWords = plane.extraWords ?? 0
  if (extraWords < 0) words.splice(extraWords)
  for (let count = 0; count < extraWords; count++) words.push(0)
  index.writeUInt32LE(words.length, 4 * streams - 4)
  const frequencies = Uint16Array.from(plane.table, ([, frequency]) => frequency)
  const data = Buffer.concat([
    padded(Buffer.from(plane.table.map(([symbol]) => symbol))),
    padded(Buffer.from(frequencies.buffer)),
    padded(index),
    states,
    Buffer.from(Uint16Array.from(words).buffer),
  ])
  return { mode: 3, data, words: words.length }
}

function encodeStream(plane: RansParts, symbols: Uint8Array, bits: number, statesOut: Buffer): number[] {
  const words: number[] = []
  const states = new Array<number>(LANES).fill(2 ** 15)
  states[0] = plane.finalState ?? 2 ** 15
  const filler = plane.filler ?? plane.table[0]?.[0]
  for (let position = Math.ceil(symbols.length / LANES) * LANES - 1; position >= 0; position--) {
    const [first, frequency] = slotsOf(plane.table, symbols[position] ?? filler)
    let state = states[position % LANES] ?? 0
    if (state >= frequency * 2 ** (31 - bits)) {
      words.unshift(state % 65536)
      state = Math.floor(state / 65536)
    }
    states[position % LANES] = Math.floor(state / frequency) * 2 ** bits + (state % frequency) + first
  }
  states.forEach((state, lane) => {
    statesOut.writeUInt32LE(state, 4 * lane)
  })
  return words
}

function slotsOf(table: RansParts['table'], wanted: number | undefined): [first: number, frequency: number] {
  let first = 0
  for (const [symbol, frequency] of table) {
    if (symbol === wanted) return [first, frequency]
    first += frequency
  }
  throw new Error(`symbol ${wanted} is not in the table`)
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(align16(bytes.length) - bytes.length)])
}

function align16(size: number): number {
  return Math.ceil(size / 16) * 16
}
