// A second decoder, written from the text of protocols/chunk.md and from nothing else: slow and plain on purpose.
// It decides whether a golden vector means what the text says. Refusals are `ChunkRefused` with the rule's name.

import { constants, zstdDecompressSync } from 'node:zlib'

export class ChunkRefused extends Error {
  readonly rule: string
  constructor(rule: string) {
    super(`chunk refused: ${rule}`)
    this.rule = rule
  }
}

export interface PlainHeader {
  readonly codec: number
  readonly hint: number
  readonly level: number
  readonly rawBytes: number
  readonly encodedBytes: number
  readonly rawChecksum: number
}

const HEADER_BYTES = 32
const RAW_BYTES_MAX = 2 ** 24
const SEGMENT_BYTES = 2 ** 20
const STREAM_SYMBOLS = 2 ** 14
const LANES = 32
const WIDTHS = [0, 1, 2, 2, 4]

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc >>> 0
})

export function plainCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0)
  return ~crc >>> 0
}

/** Raw bytes of a chunk, newly allocated. */
export function decodePlainly(chunk: Uint8Array): Uint8Array {
  const header = readPlainHeader(chunk)
  const raw = decodePayload(chunk, header)
  check(plainCrc32c(raw) === header.rawChecksum, 'checksum')
  return raw
}

export function readPlainHeader(chunk: Uint8Array): PlainHeader {
  check(chunk.length >= HEADER_BYTES, 'truncated')
  check(u32(chunk, 0) === 0x4b435753, 'magic')
  check(u8(chunk, 4) === 0, 'version')
  check(plainCrc32c(chunk.subarray(0, 28)) === u32(chunk, 28), 'headerChecksum')
  const codec = u8(chunk, 5)
  check(codec <= 2, 'codec')
  const level = u8(chunk, 7)
  const hint = u8(chunk, 18)
  check(u8(chunk, 6) === 0, 'headerField')
  check(codec === 2 ? level >= 1 && level <= 19 : level === 0, 'headerField')
  check(u8(chunk, 16) === (codec === 1 ? 20 : 0) && u8(chunk, 17) === (codec === 1 ? 14 : 0), 'headerField')
  check(hint <= (codec === 1 ? 4 : 0), 'headerField')
  check(u8(chunk, 19) === 0 && u32(chunk, 20) === 0, 'headerField')
  const rawBytes = u32(chunk, 8)
  const encodedBytes = u32(chunk, 12)
  check(rawBytes <= RAW_BYTES_MAX && (rawBytes > 0 || codec === 0), 'rawBytes')
  check(encodedBytes === chunk.length, 'encodedBytes')
  check(codec === 0 ? encodedBytes === rawBytes + 32 : encodedBytes < rawBytes + 32, 'encodedBytes')
  return { codec, hint, level, rawBytes, encodedBytes, rawChecksum: u32(chunk, 24) }
}

function decodePayload(chunk: Uint8Array, header: PlainHeader): Uint8Array {
  if (header.codec === 0) return chunk.slice(HEADER_BYTES)
  if (header.codec === 2) return unpackZstd(chunk.subarray(HEADER_BYTES), header.rawBytes)
  const raw = new Uint8Array(header.rawBytes)
  const segments = Math.ceil(header.rawBytes / SEGMENT_BYTES)
  let start = align16(HEADER_BYTES + 4 * segments)
  check(start <= chunk.length, 'directory')
  checkZeros(chunk, HEADER_BYTES + 4 * segments, start, 'paddingBytes')
  for (let index = 0; index < segments; index++) {
    const end = u32(chunk, HEADER_BYTES + 4 * index)
    check(end % 16 === 0 && end > start && end <= chunk.length, 'directory')
    const target = raw.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES)
    decodeSegment(chunk.subarray(start, end), target)
    start = end
  }
  check(start === chunk.length, 'directory')
  return raw
}

/** The frame has to end with the payload. Walks its headers as RFC 8878 lays them out. */
function checkSingleFrame(frame: Uint8Array): void {
  try {
    check(u32(frame, 0) === 0xfd2fb528, 'zstdPayload')
    const flags = u8(frame, 4)
    const single = flags & 0x20 ? 1 : 0
    let at = 6 - single
    at += [0, 1, 2, 4][flags % 4] ?? 0
    at += [single, 2, 4, 8][flags >> 6] ?? 0
    let header = 0
    do {
      header = u16(frame, at) + u8(frame, at + 2) * 65536
      const isRunLength = (header & 6) === 2
      at += 3 + (isRunLength ? 1 : header >> 3)
    } while (header % 2 === 0)
    check(at + (flags & 4 ? 4 : 0) === frame.length, 'zstdPayload')
  } catch {
    throw new ChunkRefused('zstdPayload')
  }
}

function unpackZstd(frame: Uint8Array, rawBytes: number): Uint8Array {
  checkSingleFrame(frame)
  let content: Uint8Array
  try {
    const params = { [constants.ZSTD_d_windowLogMax]: 24 }
    content = zstdDecompressSync(frame, { maxOutputLength: rawBytes, params })
  } catch {
    throw new ChunkRefused('zstdPayload')
  }
  check(content.length === rawBytes, 'zstdPayload')
  return content
}

function decodeSegment(segment: Uint8Array, raw: Uint8Array): void {
  check(segment.length >= 80, 'directory')
  const element = u8(segment, 0)
  const width = WIDTHS[element] ?? 0
  const phase = u8(segment, 1)
  const bits = u8(segment, 2)
  check(width > 0 && phase < width && raw.length >= phase + width, 'segmentHeader')
  check(bits >= 10 && bits <= 12, 'segmentHeader')
  const count = Math.floor((raw.length - phase) / width)
  const tail = (raw.length - phase) % width
  check(u8(segment, 3) === 0 && u32(segment, 12) === 0, 'segmentHeader')
  checkZeros(segment, 4 + phase, 8, 'segmentHeader')
  checkZeros(segment, 8 + tail, 12, 'segmentHeader')
  const planes: Uint8Array[] = []
  let position = 80
  for (let index = 0; index < 4; index++) {
    const descriptor = segment.subarray(16 + 16 * index, 32 + 16 * index)
    if (index >= width) {
      checkZeros(descriptor, 0, 16, 'planeMode')
      continue
    }
    const [plane, dataBytes] = decodePlane(segment, descriptor, position, count, bits)
    planes.push(plane)
    checkZeros(segment, position + dataBytes, align16(position + dataBytes), 'paddingBytes')
    position = align16(position + dataBytes)
  }
  check(position === segment.length, 'directory')
  raw.set(segment.subarray(4, 4 + phase), 0)
  for (let index = 0; index < count; index++) joinElement(element, planes, index, raw, phase + index * width)
  raw.set(segment.subarray(8, 8 + tail), raw.length - tail)
}

/** The plane's symbols, and how many bytes of the segment from `position` on it takes, padding not counted. */
function decodePlane(
  segment: Uint8Array,
  descriptor: Uint8Array,
  position: number,
  count: number,
  bits: number,
): [Uint8Array, number] {
  const mode = u8(descriptor, 0)
  const symbol = u8(descriptor, 1)
  check(mode >= 1 && mode <= 3, 'planeMode')
  if (mode === 2) {
    checkZeros(descriptor, 2, 16, 'planeLayout')
    return [new Uint8Array(count).fill(symbol), 0]
  }
  const entries = u16(descriptor, 2)
  const dataBytes = u32(descriptor, 8)
  const words = u32(descriptor, 12)
  check(symbol === 0 && u32(descriptor, 4) === position, 'planeLayout')
  if (mode === 1) {
    check(entries === 0 && words === 0 && dataBytes === count, 'planeLayout')
    check(position + dataBytes <= segment.length, 'planeLayout')
    return [segment.slice(position, position + count), count]
  }
  check(entries >= 2 && entries <= 256, 'table')
  const streams = Math.ceil(count / STREAM_SYMBOLS)
  const before = align16(entries) + align16(2 * entries) + align16(4 * streams) + 128 * streams
  check(words <= STREAM_SYMBOLS * streams && dataBytes === before + 2 * words, 'planeLayout')
  check(position + dataBytes <= segment.length, 'planeLayout')
  return [decodeRans(segment.subarray(position, position + dataBytes), entries, words, count, bits), dataBytes]
}

function decodeRans(data: Uint8Array, entries: number, words: number, count: number, bits: number): Uint8Array {
  const streams = Math.ceil(count / STREAM_SYMBOLS)
  const frequenciesAt = align16(entries)
  const indexAt = frequenciesAt + align16(2 * entries)
  const statesAt = indexAt + align16(4 * streams)
  const wordsAt = statesAt + 128 * streams
  checkZeros(data, entries, frequenciesAt, 'paddingBytes')
  checkZeros(data, frequenciesAt + 2 * entries, indexAt, 'paddingBytes')
  checkZeros(data, indexAt + 4 * streams, statesAt, 'paddingBytes')
  const slots = readTable(data, frequenciesAt, entries, bits)
  const ends = Array.from({ length: streams }, (_, stream) => u32(data, indexAt + 4 * stream))
  ends.forEach((end, stream) => {
    const length = end - (ends[stream - 1] ?? 0)
    check(length >= 0 && length <= STREAM_SYMBOLS, 'streamIndex')
  })
  check(ends[streams - 1] === words, 'streamIndex')
  for (let lane = 0; lane < streams * LANES; lane++) {
    const state = u32(data, statesAt + 4 * lane)
    check(state >= 2 ** 15 && state < 2 ** 31, 'stateRange')
  }
  const symbols = new Uint8Array(count)
  ends.forEach((end, stream) => {
    const states = Array.from({ length: LANES }, (_, lane) => u32(data, statesAt + 128 * stream + 4 * lane))
    const own = data.subarray(wordsAt + 2 * (ends[stream - 1] ?? 0), wordsAt + 2 * end)
    const target = symbols.subarray(stream * STREAM_SYMBOLS, (stream + 1) * STREAM_SYMBOLS)
    decodeStream(slots, bits, states, own, target, u8(data, 0))
  })
  return symbols
}

interface Slot {
  readonly symbol: number
  readonly frequency: number
  readonly first: number
}

function readTable(data: Uint8Array, frequenciesAt: number, entries: number, bits: number): Slot[] {
  const slots: Slot[] = []
  const seen = new Set<number>()
  for (let entry = 0; entry < entries; entry++) {
    const symbol = u8(data, entry)
    const frequency = u16(data, frequenciesAt + 2 * entry)
    const previous = entry === 0 ? 2 ** bits : u16(data, frequenciesAt + 2 * entry - 2)
    check(frequency >= 1 && frequency <= previous && !seen.has(symbol), 'table')
    check(frequency < previous || entry === 0 || symbol > u8(data, entry - 1), 'table')
    seen.add(symbol)
    const first = slots.length
    for (let slot = 0; slot < frequency; slot++) slots.push({ symbol, frequency, first })
  }
  check(slots.length === 2 ** bits, 'table')
  return slots
}

function decodeStream(
  slots: readonly Slot[],
  bits: number,
  states: number[],
  words: Uint8Array,
  target: Uint8Array,
  filler: number,
): void {
  let next = 0
  for (let position = 0; position < Math.ceil(target.length / LANES) * LANES; position++) {
    const lane = position % LANES
    const before = states[lane] ?? 0
    const number = before % 2 ** bits
    const slot = slots[number]
    if (slot === undefined) throw new ChunkRefused('table')
    let state = slot.frequency * Math.floor(before / 2 ** bits) + number - slot.first
    if (state < 2 ** 15) {
      check(next + 2 <= words.length, 'words')
      state = state * 2 ** 16 + u16(words, next)
      next += 2
    }
    states[lane] = state
    if (position < target.length) target[position] = slot.symbol
    else check(slot.symbol === filler, 'paddingSymbol')
  }
  check(next === words.length, 'words')
  check(
    states.every((state) => state === 2 ** 15),
    'finalState',
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

function check(condition: boolean, rule: string): asserts condition {
  if (!condition) throw new ChunkRefused(rule)
}

function checkZeros(bytes: Uint8Array, from: number, to: number, rule: string): void {
  for (let at = from; at < to; at++) check(u8(bytes, at) === 0, rule)
}

function align16(size: number): number {
  return Math.ceil(size / 16) * 16
}

function u8(bytes: Uint8Array, at: number): number {
  const value = bytes[at]
  if (value === undefined) throw new Error(`second decoder read past the end at ${at}`)
  return value
}

function u16(bytes: Uint8Array, at: number): number {
  return u8(bytes, at) + u8(bytes, at + 1) * 2 ** 8
}

function u32(bytes: Uint8Array, at: number): number {
  return u16(bytes, at) + u16(bytes, at + 2) * 2 ** 16
}
