// A second ans encoder, written from "What the encoder decides" in protocols/chunk.md: slow and plain. If it and the native one
// ever differ by a byte, either the text or the code is wrong.

import { buildChunk, type FixedParts, type PlaneParts, type RansParts, type SegmentParts } from './chunk-builder.ts'

interface Candidate {
  readonly element: number
  readonly phase: number
  readonly cost: number
  /** Planes that the sample showed not to be worth coding. */
  readonly stored: ReadonlySet<number>
}

const SEGMENT_BYTES = 2 ** 20
const WIDTHS = [0, 1, 2, 2, 4]

/**
 * The ans chunk of `raw`, or undefined where the text says to store it. `hint`: 0 unknown, 1 bytes, 2 bf16, 3 fp16, 4 fp32.
 * `level`: 0 RANS, 1 FIX.
 */
export function encodePlainly(raw: Uint8Array, hint: number, level: number): Uint8Array | undefined {
  if (raw.length === 0) return undefined
  const segments: SegmentParts[] = []
  for (let start = 0; start < raw.length; start += SEGMENT_BYTES) {
    const segment = raw.subarray(start, start + SEGMENT_BYTES)
    segments.push(makeSegment(segment, chooseElement(segment, hint), level))
  }
  const chunk = buildChunk(raw, segments, hint, level)
  return chunk.length < raw.length + 32 ? chunk : undefined
}

/** lg(v), in 1/256 bits. */
export function plainLog2(value: number): number {
  let exponent = 0
  while (2 ** (exponent + 1) <= value) exponent++
  let mantissa = BigInt(value) << BigInt(31 - exponent)
  let result = exponent
  for (let bit = 0; bit < 8; bit++) {
    mantissa = (mantissa * mantissa) >> 31n
    const carries = mantissa >= 1n << 32n
    if (carries) mantissa >>= 1n
    result = 2 * result + (carries ? 1 : 0)
  }
  return result
}

function chooseElement(segment: Uint8Array, hint: number): Candidate {
  let best: Candidate | undefined
  for (const element of [2, 3, 4]) {
    if (hint !== 0 && hint !== element) continue
    for (let phase = 0; phase < (WIDTHS[element] ?? 0); phase++) {
      const candidate = makeCandidate(segment, element, phase)
      if (candidate !== undefined && (best === undefined || 256 * candidate.cost < 255 * best.cost)) best = candidate
    }
  }
  const bytes = makeCandidate(segment, 1, 0)
  if (bytes === undefined) throw new Error('a segment has at least one byte')
  return best !== undefined && 64 * best.cost < 63 * bytes.cost ? best : bytes
}

/** Undefined when the sample holds no whole element. */
function makeCandidate(segment: Uint8Array, element: number, phase: number): Candidate | undefined {
  const width = WIDTHS[element] ?? 1
  const planes = Array.from({ length: width }, (): number[] => [])
  let edgeBytes = 0
  for (const window of windowsOf(segment)) {
    const count = Math.max(0, Math.floor((window.length - phase) / width))
    edgeBytes += window.length - count * width
    const split = splitElements(window.subarray(phase, phase + count * width), element)
    split.forEach((plane, index) => {
      planes[index]?.push(...plane)
    })
  }
  const elements = planes[0]?.length ?? 0
  if (elements === 0) return undefined
  const costs = planes.map(planeCost)
  const stored = new Set([...costs.keys()].filter((plane) => costs[plane] === 2048 * elements))
  return { element, phase, stored, cost: costs.reduce((sum, cost) => sum + cost, 2048 * edgeBytes) }
}

function windowsOf(segment: Uint8Array): Uint8Array[] {
  if (segment.length <= 16_384) return [segment]
  return Array.from({ length: 16 }, (_, index) => {
    const start = Math.floor(((segment.length - 1024) * index) / 15)
    return segment.subarray(start - (start % 4), start - (start % 4) + 1024)
  })
}

function planeCost(plane: readonly number[]): number {
  const counts = countSymbols(plane)
  if (counts.size === 1) return 0
  let cost = 185 * (counts.size - 1)
  for (const count of counts.values()) cost += count * (plainLog2(plane.length) - plainLog2(count))
  const stored = 2048 * plane.length
  return 50 * cost > 49 * stored ? stored : cost
}

function makeSegment(segment: Uint8Array, { element, phase, stored }: Candidate, level: number): SegmentParts {
  const width = WIDTHS[element] ?? 1
  const count = Math.floor((segment.length - phase) / width)
  const planes = splitElements(segment.subarray(phase, phase + count * width), element)
  const streamSymbols = element === 1 ? 32_768 : 16_384
  return {
    element,
    head: [...segment.subarray(0, phase)],
    tail: [...segment.subarray(phase + count * width)],
    planes: planes.map((plane, index) => {
      const raw = { mode: 'raw', bytes: plane } as const
      return stored.has(index) ? raw : (codePlane(plane, streamSymbols, level) ?? raw)
    }),
  }
}

/** Undefined when coding saves less than 2 %. */
function codePlane(plane: Uint8Array, streamSymbols: number, level: number): PlaneParts | undefined {
  const counts = level === 0 ? countBySample(plane) : countSymbols(plane)
  if (counts.size === 1) return { mode: 'constant', symbol: plane[0] ?? 0 }
  const streams = Math.ceil(plane.length / streamSymbols)
  const [size, parts] = level === 0 ? makeRans(plane, counts, streams) : makeFixed(plane, counts, streams)
  return 50 * size <= 49 * plane.length ? parts : undefined
}

type Counts = ReadonlyMap<number, number>

function makeRans(symbols: Uint8Array, counts: Counts, streams: number): [size: number, parts: RansParts] {
  const counted = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const make = (bits: number): [number, RansParts] => {
    const table = makeTable(counts, counted, bits)
    let cost = 0
    for (const [symbol, frequency] of table) cost += (counts.get(symbol) ?? 0) * (256 * bits - plainLog2(frequency))
    const before = align16(table.length) + align16(2 * table.length) + align16(4 * streams) + 128 * streams
    return [before + Math.ceil((symbols.length * cost) / (2048 * counted)), { mode: 'rans', bits, symbols, table }]
  }
  const [eleven, twelve] = [make(11), make(12)]
  return 512 * twelve[0] < 511 * eleven[0] ? twelve : eleven
}

/** Of large planes an eighth is counted; what occurs only elsewhere counts 1. */
function countBySample(plane: Uint8Array): Counts {
  const occurring = countSymbols(plane)
  if (plane.length <= 65_536) return occurring
  const counted = countSymbols(plane.filter((_, at) => Math.floor(at / 1024) % 8 === Math.floor(at / 8192) % 8))
  return new Map([...occurring.keys()].map((symbol) => [symbol, counted.get(symbol) ?? 1]))
}

function makeFixed(symbols: Uint8Array, counts: Counts, blocks: number): [size: number, parts: FixedParts] {
  const order = [...counts].sort(([a, countA], [b, countB]) => countB - countA || a - b)
  const make = (codeBits: 3 | 4): [number, FixedParts] => {
    const inTable = order.slice(0, 2 ** codeBits - 1)
    const escapes = inTable.reduce((rest, [, count]) => rest - count, symbols.length)
    const bitPlaneBytes = align16(Math.ceil(symbols.length / 8))
    const size = align16(inTable.length) + align16(4 * blocks) + codeBits * bitPlaneBytes + escapes
    return [size, { mode: 'fixed', codeBits, symbols, table: inTable.map(([symbol]) => symbol) }]
  }
  const [three, four] = [make(3), make(4)]
  return three[0] <= four[0] ? three : four
}

function makeTable(counts: Counts, total: number, bits: number): RansParts['table'] {
  const slots = 2 ** bits
  const entries = [...counts].map(([symbol, count]) => {
    const scaled = count * slots
    return { symbol, count, frequency: Math.max(1, Math.floor(scaled / total)), remainder: scaled % total }
  })
  entries.sort((a, b) => b.count - a.count || a.symbol - b.symbol)
  let missing = entries.reduce((rest, entry) => rest - entry.frequency, slots)
  // Array sorting is stable, so entries of equal remainder keep their order.
  for (const entry of [...entries].sort((a, b) => b.remainder - a.remainder)) {
    if (missing <= 0) break
    entry.frequency++
    missing--
  }
  for (; missing < 0; missing++) {
    const largest = Math.max(...entries.map((entry) => entry.frequency))
    const giver = entries.find((entry) => entry.frequency === largest)
    if (giver !== undefined) giver.frequency--
  }
  entries.sort((a, b) => b.frequency - a.frequency)
  return entries.map(({ symbol, frequency }) => [symbol, frequency] as const)
}

/** Plane 0 first; bf16 and fp32 are rotated left by one bit before. */
function splitElements(bytes: Uint8Array, element: number): Uint8Array[] {
  const width = WIDTHS[element] ?? 1
  const planes = Array.from({ length: width }, () => new Uint8Array(bytes.length / width))
  for (let at = 0; at < bytes.length; at += width) {
    let value = 0
    for (let byte = width - 1; byte >= 0; byte--) value = value * 256 + (bytes[at + byte] ?? 0)
    const top = 2 ** (8 * width - 1)
    if (element === 2 || element === 4) value = (value % top) * 2 + Math.floor(value / top)
    planes.forEach((plane, index) => {
      plane[at / width] = Math.floor(value / 256 ** (width - 1 - index)) % 256
    })
  }
  return planes
}

function countSymbols(plane: Iterable<number>): Map<number, number> {
  const counts = new Map<number, number>()
  for (const symbol of plane) counts.set(symbol, (counts.get(symbol) ?? 0) + 1)
  return counts
}

function align16(size: number): number {
  return Math.ceil(size / 16) * 16
}
