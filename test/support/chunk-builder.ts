// Builds ans chunks from hand-written parts, right or wrong on purpose: other probability bits than the encoder's, wrong
// fillers, missing words. Written from protocols/chunk.md. For chunks that are wrong in one field, `patched` is simpler.

import { plainCrc32c } from './second-decoder.ts'

export interface RansParts {
  readonly mode: 'rans'
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

export type PlaneParts =
  | { readonly mode: 'raw'; readonly bytes: Uint8Array }
  | { readonly mode: 'constant'; readonly symbol: number }
  | RansParts

export interface SegmentParts {
  readonly element: number
  readonly bits: number
  readonly head: readonly number[]
  readonly tail: readonly number[]
  readonly planes: readonly PlaneParts[]
}

const LANES = 32
const STREAM_SYMBOLS = 16384

/** A whole chunk. `raw` is what it should decode to; only its size and checksum go into the chunk. `hint`: as in the header. */
export function buildChunk(raw: Uint8Array, segments: readonly SegmentParts[], hint = 0): Uint8Array {
  const directoryBytes = align16(4 * segments.length)
  const encoded = segments.map(buildSegment)
  let end = 32 + directoryBytes
  const directory = Buffer.alloc(directoryBytes)
  encoded.forEach((segment, index) => {
    end += segment.length
    directory.writeUInt32LE(end, 4 * index)
  })
  const header = Buffer.alloc(32)
  header.write('SWCK', 'latin1')
  header.writeUInt8(1, 5)
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
  prefix.writeUInt8(segment.bits, 2)
  prefix.set(segment.head, 4)
  prefix.set(segment.tail, 8)
  const parts: Buffer[] = [prefix]
  let offset = 80
  segment.planes.forEach((plane, index) => {
    const at = 16 + 16 * index
    if (plane.mode === 'constant') {
      prefix.set([2, plane.symbol], at)
      return
    }
    const built = plane.mode === 'raw' ? { data: Buffer.from(plane.bytes), words: 0 } : buildRans(plane, segment.bits)
    prefix.writeUInt8(plane.mode === 'raw' ? 1 : 3, at)
    prefix.writeUInt16LE(plane.mode === 'raw' ? 0 : plane.table.length, at + 2)
    prefix.writeUInt32LE(offset, at + 4)
    prefix.writeUInt32LE(built.data.length, at + 8)
    prefix.writeUInt32LE(built.words, at + 12)
    parts.push(padded(built.data))
    offset += align16(built.data.length)
  })
  return Buffer.concat(parts)
}

function buildRans(plane: RansParts, bits: number): { data: Buffer; words: number } {
  const streams = Math.ceil(plane.symbols.length / STREAM_SYMBOLS)
  const words: number[] = []
  const index = Buffer.alloc(4 * streams)
  const states = Buffer.alloc(128 * streams)
  for (let stream = 0; stream < streams; stream++) {
    const own = plane.symbols.subarray(stream * STREAM_SYMBOLS, (stream + 1) * STREAM_SYMBOLS)
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
  return { data, words: words.length }
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
