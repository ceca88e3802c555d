// The bad chunk vectors: each breaks one rule of protocols/chunk.md and is otherwise right. FAULTS rows M13 and G2 are here.

import { zstdCompressSync } from 'node:zlib'
import { blankHeader, buildChunk, patched, type RansParts, withHeaderChecksum } from '../support/chunk-builder.ts'
import { skewed } from '../support/codec-samples.ts'
import { plainCrc32c } from '../support/second-decoder.ts'
import { fixedVectors } from './chunk-bad-fixed.ts'

export interface BadVector {
  readonly name: string
  /** Name of the broken rule. */
  readonly rule: string
  readonly chunk: Uint8Array
}

/** Offsets in the base chunk: one segment of 1000 symbols in a RANS plane behind a 16-byte directory. */
const SEGMENT = 48
const DESCRIPTOR = SEGMENT + 16
const DATA = SEGMENT + 80
const FREQUENCIES = DATA + 16
const INDEX = FREQUENCIES + 16
const STATES = INDEX + 16

const SYMBOLS = Uint8Array.from(skewed(1000, 21), (byte) => Math.min(byte, 68))
const TABLE: RansParts['table'] = [
  [65, 1024],
  [66, 512],
  [67, 256],
  [68, 256],
]

function ransChunk(change: Partial<RansParts> = {}): Uint8Array {
  const plane: RansParts = { mode: 'rans', bits: 11, symbols: SYMBOLS, table: TABLE, ...change }
  return buildChunk(SYMBOLS, [{ element: 1, head: [], tail: [], planes: [plane] }])
}

/** bf16 of 101 bytes behind 2^20 zeros would be large; one segment with a RAW and a CONST plane shows the same. */
const PAIRS = Uint8Array.from({ length: 1201 }, (_, index) => (index % 2 === 0 ? 0 : (index * 7) % 251))

function planesChunk(): Uint8Array {
  const low = Uint8Array.from({ length: 600 }, (_, index) => PAIRS[2 * index + 1] ?? 0)
  const planes = [
    { mode: 'constant', symbol: 0 },
    { mode: 'raw', bytes: low },
  ] as const
  // fp16 with phase 1: plane 0 is the byte after, plane 1 the odd one.
  return buildChunk(PAIRS, [{ element: 3, head: [0], tail: [], planes }])
}

/** fp16 with a RANS and a RAW plane, whose data is in ascending order instead of RAW first. */
function ascendingDataChunk(): Uint8Array {
  const raw = Uint8Array.from({ length: 2000 }, (_, index) => SYMBOLS[index >>> 1] ?? 0)
  const planes = [
    { mode: 'rans', bits: 11, symbols: SYMBOLS, table: TABLE },
    { mode: 'raw', bytes: SYMBOLS },
  ] as const
  return buildChunk(raw, [{ element: 3, head: [], tail: [], planes, dataOrder: [0, 1] }])
}

const le16 = (value: number) => [value & 255, value >>> 8]
const le32 = (value: number) => [...le16(value % 65536), ...le16(Math.floor(value / 65536))]

function storedChunk(raw: Uint8Array): Uint8Array {
  const header = blankHeader()
  header.writeUInt32LE(raw.length, 8)
  header.writeUInt32LE(raw.length + 32, 12)
  header.writeUInt32LE(plainCrc32c(raw), 24)
  return withHeaderChecksum(Buffer.concat([header, raw]))
}

/** A zstd chunk whose header claims `rawBytes`, whatever the frame holds. */
function zstdChunk(frame: Uint8Array, content: Uint8Array, rawBytes: number): Uint8Array {
  const header = Buffer.from(storedChunk(new Uint8Array(0)))
  header.writeUInt8(2, 5)
  header.writeUInt8(3, 7)
  header.writeUInt32LE(rawBytes, 8)
  header.writeUInt32LE(32 + frame.length, 12)
  header.writeUInt32LE(plainCrc32c(content), 24)
  return withHeaderChecksum(Buffer.concat([header, frame]))
}

const SKIPPABLE_FRAME = Buffer.from('502a4d180400000001020304', 'hex')
/** 200 times "z" as one run-length block, with a window of 2^25 bytes. */
const WIDE_WINDOW_FRAME = Buffer.from('28b52ffd00784306007a', 'hex')

function headerVectors(): BadVector[] {
  const good = ransChunk()
  const stored = storedChunk(Buffer.from('stored'))
  const flipped = Buffer.from(good)
  flipped[9] = (flipped[9] ?? 0) ^ 1
  const text = Buffer.from('zstd '.repeat(40))
  const zstd = zstdChunk(zstdCompressSync(text), text, text.length)
  const halves = Buffer.concat([zstdCompressSync(text.subarray(0, 100)), zstdCompressSync(text.subarray(100))])
  const field = (name: string, chunk: Uint8Array) => ({ name: `header-field-${name}`, rule: 'headerField', chunk })
  return [
    { name: 'truncated-header', rule: 'truncated', chunk: good.slice(0, 31) },
    { name: 'truncated-empty', rule: 'truncated', chunk: new Uint8Array(0) },
    { name: 'magic', rule: 'magic', chunk: patched(good, 0, 0x73) },
    { name: 'version-0', rule: 'version', chunk: patched(good, 4, 0) },
    { name: 'version-2', rule: 'version', chunk: patched(good, 4, 2) },
    { name: 'header-checksum', rule: 'headerChecksum', chunk: flipped },
    { name: 'codec-3', rule: 'codec', chunk: patched(good, 5, 3) },
    field('encoder-0', patched(good, 6, 0)),
    field('encoder-2', patched(good, 6, 2)),
    field('level-2-of-ans', patched(good, 7, 2)),
    field('level-of-raw', patched(stored, 7, 1)),
    field('level-0-of-zstd', patched(zstd, 7, 0)),
    field('level-20-of-zstd', patched(zstd, 7, 20)),
    field('segment-size', patched(good, 16, 21)),
    field('stream-size', patched(good, 17, 15)),
    field('segment-size-of-raw', patched(stored, 16, 20)),
    field('hint', patched(good, 18, 5)),
    field('hint-of-raw', patched(stored, 18, 1)),
    field('reserved-byte', patched(good, 19, 1)),
    field('reserved-word', patched(good, 20, 0, 1)),
    { name: 'raw-bytes-over-limit', rule: 'rawBytes', chunk: patched(good, 8, ...le32(2 ** 24 + 1)) },
    { name: 'raw-bytes-bomb', rule: 'rawBytes', chunk: patched(zstd, 8, ...le32(2 ** 32 - 1)) },
    { name: 'raw-bytes-none-in-ans', rule: 'rawBytes', chunk: patched(good, 8, 0, 0, 0, 0) },
    { name: 'encoded-bytes-trailing', rule: 'encodedBytes', chunk: Buffer.concat([good, Buffer.alloc(1)]) },
    { name: 'encoded-bytes-cut', rule: 'encodedBytes', chunk: good.slice(0, -1) },
    { name: 'encoded-bytes-of-raw', rule: 'encodedBytes', chunk: patched(stored, 8, 5) },
    { name: 'encoded-bytes-not-smaller', rule: 'encodedBytes', chunk: patched(good, 8, ...le32(good.length - 32)) },
    { name: 'checksum-of-raw', rule: 'checksum', chunk: Buffer.concat([stored.subarray(0, -1), Buffer.from('!')]) },
    { name: 'zstd-garbage', rule: 'zstdPayload', chunk: zstdChunk(Buffer.from('no frame'), text, text.length) },
    {
      name: 'zstd-cut',
      rule: 'zstdPayload',
      chunk: zstdChunk(zstdCompressSync(text).subarray(0, -3), text, text.length),
    },
    {
      name: 'zstd-trailing',
      rule: 'zstdPayload',
      chunk: zstdChunk(Buffer.concat([zstdCompressSync(text), text.subarray(0, 9)]), text, text.length),
    },
    { name: 'zstd-two-frames', rule: 'zstdPayload', chunk: zstdChunk(halves, text, text.length) },
    {
      name: 'zstd-skippable-first',
      rule: 'zstdPayload',
      chunk: zstdChunk(Buffer.concat([SKIPPABLE_FRAME, zstdCompressSync(text)]), text, text.length),
    },
    { name: 'zstd-window', rule: 'zstdPayload', chunk: zstdChunk(WIDE_WINDOW_FRAME, Buffer.alloc(200, 'z'), 200) },
    { name: 'zstd-too-long', rule: 'zstdPayload', chunk: zstdChunk(zstdCompressSync(text), text, text.length - 1) },
    { name: 'zstd-too-short', rule: 'zstdPayload', chunk: zstdChunk(zstdCompressSync(text), text, text.length + 1) },
    {
      name: 'zstd-checksum',
      rule: 'checksum',
      chunk: zstdChunk(zstdCompressSync(text), Buffer.from('other'), text.length),
    },
  ]
}

function segmentVectors(): BadVector[] {
  const good = ransChunk()
  const planes = planesChunk()
  const vector = (name: string, rule: string, chunk: Uint8Array): BadVector => ({ name, rule, chunk })
  const directory = (name: string, end: number) =>
    vector(`directory-${name}`, 'directory', patched(good, 32, ...le32(end)))
  const segment = (name: string, at: number, value: number) =>
    vector(`segment-${name}`, 'segmentHeader', patched(planes, SEGMENT + at, value))
  const layout = (name: string, at: number, ...bytes: number[]) =>
    vector(`plane-layout-${name}`, 'planeLayout', patched(planes, DESCRIPTOR + at, ...bytes))
  return [
    directory('not-aligned', good.length - 8),
    directory('empty-segment', SEGMENT),
    directory('past-the-end', good.length + 16),
    directory('tiny-segment', SEGMENT + 64),
    vector('directory-missing', 'directory', cutAfterHeader(planes)),
    vector('directory-rest', 'directory', lengthened(good)),
    segment('element-0', 0, 0),
    segment('element-5', 0, 5),
    segment('phase-2', 1, 2),
    segment('reserved-byte-2', 2, 11),
    segment('reserved-byte-3', 3, 1),
    segment('head-rest', 5, 1),
    segment('tail-rest', 8, 1),
    segment('reserved-word', 12, 1),
    vector('segment-without-element', 'segmentHeader', withoutElement()),
    vector('plane-mode-0', 'planeMode', patched(planes, DESCRIPTOR, 0)),
    vector('plane-mode-6', 'planeMode', patched(planes, DESCRIPTOR, 6)),
    vector('plane-mode-unused', 'planeMode', patched(planes, DESCRIPTOR + 32, 2)),
    layout('constant-with-offset', 4, 80),
    layout('constant-with-bytes', 8, 1),
    layout('raw-with-symbol', 17, 1),
    layout('raw-with-entries', 18, 2),
    layout('raw-offset', 20, 96),
    layout('raw-bytes', 24, ...le32(599)),
    layout('raw-bytes-huge', 24, ...le32(2 ** 32 - 1)),
    layout('raw-with-words', 28, 1),
    vector('plane-layout-raw-not-first', 'planeLayout', ascendingDataChunk()),
    vector('plane-layout-rans-bytes', 'planeLayout', patched(good, DESCRIPTOR + 8, 1)),
    vector('plane-layout-rans-words', 'planeLayout', patched(good, DESCRIPTOR + 12, ...le32(2 ** 31))),
    vector('checksum-of-ans', 'checksum', patched(planes, DATA + 300, 255)),
    vector('padding-directory', 'paddingBytes', patched(good, 47, 1)),
    vector('padding-plane', 'paddingBytes', patched(planes, planes.length - 1, 1)),
  ]
}

function ransVectors(): BadVector[] {
  const good = ransChunk()
  const words = (good[DESCRIPTOR + 12] ?? 0) + 256 * (good[DESCRIPTOR + 13] ?? 0)
  const change = (name: string, rule: string, at: number, ...bytes: number[]): BadVector => ({
    name,
    rule,
    chunk: patched(good, at, ...bytes),
  })
  return [
    change('padding-symbols', 'paddingBytes', DATA + 15, 1),
    change('padding-frequencies', 'paddingBytes', FREQUENCIES + 15, 1),
    change('padding-index', 'paddingBytes', INDEX + 15, 1),
    change('table-9-bits', 'table', DESCRIPTOR + 1, 9),
    change('table-13-bits', 'table', DESCRIPTOR + 1, 13),
    change('table-other-bits', 'table', DESCRIPTOR + 1, 12),
    change('table-one-entry', 'table', DESCRIPTOR + 2, 1),
    change('table-257-entries', 'table', DESCRIPTOR + 2, 1, 1),
    change('table-zero-frequency', 'table', FREQUENCIES + 4, ...le16(512), ...le16(0)),
    change('table-rising-frequency', 'table', FREQUENCIES, ...le16(512), ...le16(1024)),
    change('table-sum-too-small', 'table', FREQUENCIES, ...le16(1023)),
    change('table-sum-too-large', 'table', FREQUENCIES, ...le16(1025)),
    change('table-huge-frequency', 'table', FREQUENCIES, ...le16(65535)),
    change('table-same-symbol-twice', 'table', DATA + 1, 65),
    change('stream-index-too-small', 'streamIndex', INDEX, ...le32(words - 1)),
    change('stream-index-huge', 'streamIndex', INDEX, ...le32(2 ** 32 - 1)),
    change('state-too-small', 'stateRange', STATES, ...le32(2 ** 15 - 1)),
    change('state-too-large', 'stateRange', STATES + 124, ...le32(2 ** 31)),
    { name: 'words-missing', rule: 'words', chunk: ransChunk({ extraWords: -1 }) },
    { name: 'words-too-many', rule: 'words', chunk: ransChunk({ extraWords: 1 }) },
    { name: 'final-state', rule: 'finalState', chunk: ransChunk({ finalState: 2 ** 15 + 1 }) },
    { name: 'padding-symbol', rule: 'paddingSymbol', chunk: ransChunk({ filler: 66 }) },
  ]
}

export function makeBadVectors(): BadVector[] {
  return [...headerVectors(), ...segmentVectors(), ...ransVectors(), ...fixedVectors()]
}

/** Only the header of an ans chunk, which then has no room for its directory. */
function cutAfterHeader(chunk: Uint8Array): Uint8Array {
  return patched(chunk.slice(0, 40), 12, ...le32(40))
}

/** Sixteen bytes behind the last segment. */
function lengthened(chunk: Uint8Array): Uint8Array {
  return patched(Buffer.concat([chunk, Buffer.alloc(16)]), 12, ...le32(chunk.length + 16))
}

/** A last segment of one raw byte that claims to hold fp32. */
function withoutElement(): Uint8Array {
  const raw = new Uint8Array(2 ** 20 + 1)
  const planes = [0, 1, 2, 3].map(() => ({ mode: 'constant', symbol: 0 }) as const)
  return buildChunk(raw, [
    { element: 4, head: [], tail: [], planes },
    { element: 4, head: [], tail: [0], planes },
  ])
}
