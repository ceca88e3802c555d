// Segments of an ans chunk for the second decoder, and their planes of mode RAW, CONST and FIX; RANS is in second-rans.ts.

import { align16, check, checkZeros, u8, u16, u32 } from './second-fields.ts'
import { decodeRans } from './second-rans.ts'

const WIDTHS = [0, 1, 2, 2, 4]
const BYTES = 1
const RAW = 1
const CONST = 2
const RANS = 3
const FIX4E = 5

/** The fields of a plane's descriptor that are not its mode. */
interface Descriptor {
  readonly symbol: number
  readonly entries: number
  readonly offset: number
  readonly bytes: number
  readonly words: number
}

/** Decodes `segment` into `raw`, whose length is the segment's number of raw bytes. */
export function decodeSegment(segment: Uint8Array, raw: Uint8Array): void {
  check(segment.length >= 80, 'directory')
  const element = u8(segment, 0)
  const width = WIDTHS[element] ?? 0
  const phase = u8(segment, 1)
  check(width > 0 && phase < width && raw.length >= phase + width, 'segmentHeader')
  const count = Math.floor((raw.length - phase) / width)
  const tail = (raw.length - phase) % width
  check(u16(segment, 2) === 0 && u32(segment, 12) === 0, 'segmentHeader')
  checkZeros(segment, 4 + phase, 8, 'segmentHeader')
  checkZeros(segment, 8 + tail, 12, 'segmentHeader')
  const planes = decodePlanes(segment, width, count, element === BYTES ? 2 ** 15 : 2 ** 14)
  raw.set(segment.subarray(4, 4 + phase), 0)
  for (let index = 0; index < count; index++) joinElement(element, planes, index, raw, phase + index * width)
  raw.set(segment.subarray(8, 8 + tail), raw.length - tail)
}

function decodePlanes(segment: Uint8Array, width: number, count: number, streamSymbols: number): Uint8Array[] {
  const modes = Array.from({ length: width }, (_, plane) => u8(segment, 16 + 16 * plane))
  for (const mode of modes) check(mode >= RAW && mode <= FIX4E, 'planeMode')
  checkZeros(segment, 16 + 16 * width, 80, 'planeMode')
  const planes: Uint8Array[] = []
  let position = 80
  for (const first of [true, false])
    modes.forEach((mode, index) => {
      if ((mode === RAW) !== first) return
      const descriptor = readDescriptor(segment, 16 + 16 * index)
      if (mode === CONST) {
        checkZeros(segment, 18 + 16 * index, 32 + 16 * index, 'planeLayout')
        planes[index] = new Uint8Array(count).fill(descriptor.symbol)
        return
      }
      check(descriptor.offset === position && (mode === RANS || descriptor.symbol === 0), 'planeLayout')
      planes[index] = decodeData(mode, descriptor, segment, count, streamSymbols)
      const end = position + descriptor.bytes
      checkZeros(segment, end, align16(end), 'paddingBytes')
      position = align16(end)
    })
  check(position === segment.length, 'directory')
  return planes
}

function readDescriptor(segment: Uint8Array, at: number): Descriptor {
  return {
    symbol: u8(segment, at + 1),
    entries: u16(segment, at + 2),
    offset: u32(segment, at + 4),
    bytes: u32(segment, at + 8),
    words: u32(segment, at + 12),
  }
}

/** The `count` symbols of a plane whose data lies in the segment. */
function decodeData(
  mode: number,
  { symbol, entries, offset, bytes, words }: Descriptor,
  segment: Uint8Array,
  count: number,
  streamSymbols: number,
): Uint8Array {
  const streams = Math.ceil(count / streamSymbols)
  const isInside = offset + bytes <= segment.length
  const data = segment.subarray(offset, offset + bytes)
  if (mode === RAW) {
    check(entries === 0 && words === 0 && bytes === count && isInside, 'planeLayout')
    return data
  }
  if (mode === RANS) {
    check(symbol >= 10 && symbol <= 12 && entries >= 2 && entries <= 256, 'table')
    const before = align16(entries) + align16(2 * entries) + align16(4 * streams) + 128 * streams
    check(words <= streamSymbols * streams && bytes === before + 2 * words && isInside, 'planeLayout')
    return decodeRans(data, { bits: symbol, entries, words, streams, streamSymbols }, count)
  }
  const codeBits = mode === FIX4E ? 4 : 3
  check(entries >= 1 && entries <= 2 ** codeBits - 1, 'table')
  const before = align16(entries) + align16(4 * streams) + codeBits * align16(Math.ceil(count / 8))
  check(words <= count && bytes === before + words && isInside, 'planeLayout')
  return decodeFixed(data, codeBits, entries, words, count, streamSymbols)
}

function decodeFixed(
  data: Uint8Array,
  codeBits: number,
  entries: number,
  escapes: number,
  count: number,
  streamSymbols: number,
): Uint8Array {
  const blocks = Math.ceil(count / streamSymbols)
  const indexAt = align16(entries)
  const bitsAt = indexAt + align16(4 * blocks)
  const bitPlaneBytes = align16(Math.ceil(count / 8))
  checkZeros(data, entries, indexAt, 'paddingBytes')
  checkZeros(data, indexAt + 4 * blocks, bitsAt, 'paddingBytes')
  const bitOf = (plane: number, index: number) =>
    Math.floor(u8(data, bitsAt + plane * bitPlaneBytes + Math.floor(index / 8)) / 2 ** (index % 8)) % 2
  for (let plane = 0; plane < codeBits; plane++)
    for (let index = count; index < 8 * bitPlaneBytes; index++) check(bitOf(plane, index) === 0, 'paddingBytes')
  const table = [...data.subarray(0, entries)]
  check(new Set(table).size === entries, 'table')
  const ends = Array.from({ length: blocks }, (_, block) => u32(data, indexAt + 4 * block))
  ends.forEach((end, block) => {
    const own = end - (ends[block - 1] ?? 0)
    check(own >= 0 && own <= streamSymbols, 'streamIndex')
  })
  check(ends[blocks - 1] === escapes, 'streamIndex')

  const codes = Array.from({ length: count }, (_, index) => {
    let code = 0
    for (let plane = 0; plane < codeBits; plane++) code += bitOf(plane, index) * 2 ** plane
    return code
  })
  const allOnes = 2 ** codeBits - 1
  let nextEscape = bitsAt + codeBits * bitPlaneBytes
  return Uint8Array.from(
    ends.flatMap((end, block) => {
      const own = codes.slice(block * streamSymbols, (block + 1) * streamSymbols)
      check(own.filter((code) => code === allOnes).length === end - (ends[block - 1] ?? 0), 'escapes')
      return own.map((code) => {
        check(code === allOnes || code < entries, 'code')
        return code === allOnes ? u8(data, nextEscape++) : (table[code] ?? 0)
      })
    }),
  )
}

function joinElement(element: number, planes: readonly Uint8Array[], index: number, raw: Uint8Array, at: number): void {
  let value = 0
  for (const plane of planes) value = value * 256 + (plane[index] ?? 0)
  const width = planes.length
  // bf16 and fp32 were rotated left by one bit.
  if (element === 2 || element === 4) value = Math.floor(value / 2) + (value % 2) * 2 ** (8 * width - 1)
  for (let byte = 0; byte < width; byte++) raw[at + byte] = Math.floor(value / 256 ** byte) % 256
}
