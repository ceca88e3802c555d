// Every rule of protocols/manifest.md, broken one at a time in a manifest that is otherwise valid.

import assert from 'node:assert/strict'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { type ErrorCode, isSwarmError } from '../../src/base/errors.ts'
import { hashToId } from '../../src/base/hash.ts'
import { objectIdBytes } from '../../src/base/ids.ts'
import * as wire from '../../src/generated/manifest_pb.ts'
import { MTIME_SECONDS_MAX, MTIME_SECONDS_MIN } from '../../src/snapshot/limits.ts'
import {
  bytes,
  chunkPart,
  DIRECTORY,
  ENTRIES,
  type EntryInit,
  entryPart,
  FILE,
  type ForgedPart,
  type Forgery,
  forge,
  forgeManifest,
  frame,
  type HeadInit,
  SYMLINK,
  withTag,
} from '../support/forged-manifest.ts'
import { readManifest, sampleId } from '../support/snapshot-samples.ts'

function read(forgery: Forgery): ReturnType<typeof readManifest> {
  const { head, root, messages } = forge(forgery)
  return readManifest(head, root, messages)
}

function refuses(forgery: Forgery, message: RegExp, code: ErrorCode = 'integrity'): void {
  assert.throws(
    () => read(forgery),
    (error) => {
      assert.ok(isSwarmError(error), String(error))
      assert.match(error.message, message)
      assert.equal(error.code, code)
      assert.notEqual(error.cure, '')
      return true
    },
  )
}

/** The sample with one more entry after the others. */
function withEntry(entry: EntryInit): Forgery {
  return { entries: [...ENTRIES, { path: bytes('x'), type: FILE, ...entry }] }
}

describe('the rules of a manifest', () => {
  it('accept the sample that every other test here breaks', () => {
    const manifest = read({})
    assert.deepEqual([manifest.rawBytes, manifest.encodedBytes, manifest.entries.count], [150, 150, 2])
  })

  it('refuse another version, whatever else the head says (M14, M17)', () => {
    refuses({ head: { version: 1 } }, /manifest version 1 is unknown/, 'unsupportedVersion')
    refuses({ head: { version: 7, chunkBytesMax: 0 } }, /manifest version 7/, 'unsupportedVersion')
  })

  it('refuse fields, kinds, codecs and types that only a newer program knows (M14, M17)', () => {
    const unknownField = (part: ForgedPart, field: number): ForgedPart => ({
      ...part,
      message: withTag(part.message, field),
    })
    const newer = 'unsupportedVersion'
    refuses({ parts: [unknownField(chunkPart(), 7), entryPart(ENTRIES)] }, /field 7 .* chunk part/, newer)
    refuses({ parts: [chunkPart(), unknownField(entryPart(ENTRIES), 2)] }, /field 2 .* entry part/, newer)
    const nested = { $unknown: [{ no: 9, wireType: 0, data: Buffer.from([1]) }] }
    refuses(
      withEntry(Object.assign(create(wire.EntrySchema, { path: bytes('x'), type: FILE }), nested)),
      /field 9/,
      newer,
    )
    const extent = Object.assign(create(wire.ExtentSchema, { length: 10n }), nested)
    refuses(withEntry({ size: 10n, extents: [extent] }), /field 9 .* entry/, newer)
    const part = Object.assign(create(wire.PartSchema, { id: Buffer.alloc(32) }), nested)
    refuses({ head: { parts: [part] } }, /field 9 .* head/, newer)
    refuses({ parts: [{ ...chunkPart(), kind: 3 as wire.PartKind }] }, /part kind 3/, newer)
    refuses({ chunks: { codecs: [1, 4 as wire.ChunkCodec] } }, /chunk codec 4/, newer)
    refuses({ chunks: { elements: [1, 5 as wire.ElementType] } }, /element type 5/, newer)
    refuses(withEntry({ type: 4 as wire.EntryType }), /entry type 4/, newer)
    // What else such an entry may hold is not ours to judge.
    refuses(withEntry({ type: 4 as wire.EntryType, size: 2n ** 53n }), /entry type 4/, newer)
  })

  it('refuse a second encoding of the same thing (M15)', () => {
    const entries = entryPart(ENTRIES)
    const notCanonical = /canonical form/
    const twoPathFields = Buffer.concat([bytes('\x0a\x08\x0a\x01a\x0a\x01w\x10\x02'), entries.message])
    refuses({ parts: [chunkPart(), { ...entries, count: 3, message: twoPathFields }] }, notCanonical)
    const longLength = Buffer.concat([bytes('\x0a\x85\x00\x0a\x01a\x10\x02'), entries.message])
    refuses({ parts: [chunkPart(), { ...entries, count: 3, message: longLength }] }, notCanonical)
    const explicitZero = Buffer.concat([bytes('\x0a\x07\x0a\x01a\x10\x02\x18\x00'), entries.message])
    refuses({ parts: [chunkPart(), { ...entries, count: 3, message: explicitZero }] }, notCanonical)
    const wrongOrder = Buffer.concat([bytes('\x0a\x05\x10\x02\x0a\x01a'), entries.message])
    refuses({ parts: [chunkPart(), { ...entries, count: 3, message: wrongOrder }] }, notCanonical)
    const notAMessage = Buffer.concat([entries.message, bytes('\x08\x01')])
    refuses({ parts: [chunkPart(), { ...entries, message: notAMessage }] }, /not a message/)
    const group = Buffer.concat([entries.message, Buffer.alloc(100_000, 0x0b)])
    refuses({ parts: [chunkPart(), { ...entries, message: group }] }, /not a message/)
  })

  it('refuse groups nested without end (M11)', () => {
    const nested = Buffer.alloc(500_000, 0x7b)
    refuses({ parts: [chunkPart(), { ...entryPart(ENTRIES), message: frame(nested) }] }, /not readable/)
    const head = Buffer.concat([forgeManifest([]).head, nested])
    assert.throws(() => readManifest(head, hashToId(head), []), /head is not readable/)
  })

  it('refuse a head of more than 1 MiB before anything else (M11)', () => {
    const parts = Array.from({ length: 30_000 }, () => chunkPart())
    refuses({ parts }, /the head has \d+ bytes/)
  })

  it('refuse counts that no part could hold, before any part is read (M11)', () => {
    const empty = { message: new Uint8Array(), kind: wire.PartKind.ENTRIES }
    refuses({ head: { entryCount: 8_000_001n } }, /8000001 entries/)
    refuses({ head: { chunkCount: 8_000_001n } }, /8000001 chunks/)
    refuses({ head: { entryCount: 2n ** 63n } }, /number 9223372036854775808/)
    for (const total of ['fileCount', 'rawBytes', 'encodedBytes'] as const) {
      refuses({ head: { [total]: 2n ** 53n } }, /number 9007199254740992/)
    }
    refuses({ head: { entryCount: 1_000_000n } }, /1000000 entries, but parts of 2/)
    refuses({ head: { chunkCount: 1_000_000n } }, /1000000 chunks, but parts of 2/)
    refuses({ parts: [{ ...empty, count: 1_000_000, messageBytes: 1000 }] }, /1000000 entries in 1000 bytes/)
    refuses({ parts: [{ ...empty, count: 0, messageBytes: 1000 }] }, /0 entries/)
    const chunks = { ...empty, kind: wire.PartKind.CHUNKS }
    refuses({ parts: [{ ...chunks, count: 16_385, messageBytes: 16_385 * 70 }] }, /part of 16385 chunks/)
    refuses({ parts: [{ ...chunks, count: 0, messageBytes: 0 }] }, /part of 0 chunks/)
    refuses({ parts: [{ ...chunks, count: 10, messageBytes: 679 }] }, /10 chunks in 679 bytes/)
    refuses({ parts: [{ ...chunks, count: 10, messageBytes: 771 }] }, /10 chunks in 771 bytes/)
    const part = { id: Buffer.alloc(32), kind: wire.PartKind.ENTRIES, count: 1 }
    const one = (change: MessageInitShape<typeof wire.PartSchema>): Forgery => ({
      parts: [],
      head: { entryCount: 1n, parts: [{ ...part, storedBytes: 10, messageBytes: 10, ...change }] },
    })
    refuses(one({ messageBytes: 8 * 1024 * 1024 + 1 }), /part message of/)
    refuses(one({ storedBytes: 4 * 1024 * 1024 + 1 }), /a part of 4194305 bytes/)
    refuses(one({ storedBytes: 0 }), /a part of 0 bytes/)
    refuses(one({ id: Buffer.alloc(31) }), /part id/)
    refuses(one({ kind: wire.PartKind.UNSPECIFIED }), /no kind/)
    const large = { ...part, storedBytes: 1000, messageBytes: 8 * 1024 * 1024 }
    const head = { chunkCount: 0n, entryCount: 129n, parts: Array.from({ length: 129 }, () => large) }
    refuses({ parts: [], head }, /parts of 1082130432 bytes in all/)
    const tiny = { ...part, id: Buffer.alloc(32), storedBytes: 1, messageBytes: 7 }
    refuses({ parts: [], head: { ...head, parts: Array.from({ length: 16_385 }, () => tiny) } }, /16385 parts/)
  })

  it('refuse chunk parts after entry parts and parts that are not what the head says', () => {
    refuses({ parts: [entryPart(ENTRIES), chunkPart()] }, /a chunk part follows/)
    const entries = entryPart(ENTRIES)
    refuses({ parts: [chunkPart(), { ...entries, messageBytes: entries.message.length + 1 }] }, /the head says/)
    refuses({ parts: [chunkPart(), { ...entries, count: 1 }] }, /not the 1 entries/)
    refuses({ parts: [chunkPart(), { ...entries, count: 3 }] }, /not the 3 entries/)
  })

  it('refuse totals that are not those of the parts (M10)', () => {
    refuses({ head: { rawBytes: 151n } }, /totals/)
    refuses({ head: { encodedBytes: 149n } }, /totals/)
    refuses({ head: { fileCount: 2n } }, /totals/)
  })

  it('refuse chunks of impossible sizes (M13)', () => {
    for (const chunkBytesMax of [0, 16 * 1024 * 1024 + 1]) refuses({ head: { chunkBytesMax } }, /chunks of/)
    refuses({ head: { chunkBytesMax: 99 } }, /a chunk of 100 raw bytes/)
    refuses({ chunks: { rawBytes: [0, 50] } }, /a chunk of 0 raw bytes/)
    refuses({ chunks: { encodedBytes: [0, 60] } }, /0 encoded bytes/)
    refuses({ chunks: { encodedBytes: [100 + 65_537, 60] } }, /65637 encoded bytes/)
  })

  it('refuse chunk columns of different lengths (M10)', () => {
    const tall = { rawHashes: Buffer.alloc(64), elements: [wire.ElementType.BYTES, wire.ElementType.BYTES] }
    refuses({ chunks: { ids: Buffer.alloc(65), ...tall } }, /rows/)
    refuses({ chunks: { codecs: [1, 1, 1] } }, /rows/)
    refuses({ chunks: { rawBytes: [1], encodedBytes: [1, 1000] } }, /rows/)
  })

  it('refuse the same chunk id twice (M15)', () => {
    const id = objectIdBytes(sampleId(1))
    refuses({ chunks: { ids: Buffer.concat([id, id]) } }, /chunk id comes twice/)
  })

  it('refuse paths that lead out of the destination (M1)', () => {
    for (const path of [
      '../../etc/x',
      '/etc/x',
      'd/../../x',
      'C:\\x',
      '\\\\host\\x',
      'd\\..\\x',
      'a\0b',
      '.swarm/x',
      '',
    ]) {
      refuses(withEntry({ path: bytes(path) }), /path "/)
    }
    refuses(withEntry({ path: bytes('n'.repeat(256)) }), /255/)
  })

  it('refuse a path twice, out of order, or outside every directory (M2, M3)', () => {
    refuses(withEntry({ path: bytes('w') }), /twice or out of order/)
    refuses(withEntry({ path: bytes('w'), type: SYMLINK, target: bytes('/etc') }), /twice/)
    refuses(withEntry({ path: bytes('c') }), /out of order/)
    refuses(withEntry({ path: bytes('x/y') }), /no directory/)
    refuses(withEntry({ path: bytes('w/y') }), /no directory/)
    refuses(
      {
        entries: [
          { path: bytes('d'), type: SYMLINK, target: bytes('/etc') },
          { path: bytes('d/x'), type: FILE },
        ],
      },
      /no directory/,
    )
  })

  it('refuse names that differ in Unicode normalisation only (M3)', () => {
    const utf8 = (text: string): EntryInit => ({ path: Buffer.from(text), type: FILE })
    refuses({ entries: [...ENTRIES, utf8('xe\u0301'), utf8('x\u00e9')], head: { fileCount: 3n } }, /two spellings/)
    refuses({ entries: [...ENTRIES, utf8('xe\u0302\u0323'), utf8('xe\u0323\u0302')] }, /two spellings/)
    refuses({ entries: [utf8('K'), ...ENTRIES, utf8('\u212a')], head: { fileCount: 3n } }, /two spellings/)
    const others = [...ENTRIES, utf8('xe\u0301'), utf8('y\u00e9')]
    assert.equal(read({ entries: others, head: { fileCount: 3n } }).entries.count, 4)
  })

  it('refuse entries with impossible facts', () => {
    refuses(withEntry({ type: wire.EntryType.UNSPECIFIED }), /no type/)
    refuses(withEntry({ mode: 0o10000 }), /mode 10000/)
    refuses(withEntry({ mtimeNanos: 1_000_000_000 }), /nanoseconds/)
    for (const mtimeSeconds of [MTIME_SECONDS_MIN - 1, MTIME_SECONDS_MAX + 1]) {
      refuses(withEntry({ mtimeSeconds: BigInt(mtimeSeconds) }), /has time/)
    }
    refuses(withEntry({ mtimeSeconds: -(2n ** 63n) }), /number -9223372036854775808/)
    refuses(withEntry({ type: DIRECTORY, size: 1n }), /with content/)
    refuses(withEntry({ type: SYMLINK, target: bytes('t'), extents: [{ length: 1n }] }), /with content/)
    refuses(withEntry({ type: SYMLINK }), /lacks one/)
    refuses(withEntry({ target: bytes('t') }), /has a target/)
    refuses(withEntry({ type: SYMLINK, target: bytes('a\0b') }), /bad target/)
    refuses(withEntry({ type: SYMLINK, target: new Uint8Array(4096).fill(97) }), /bad target/)
  })

  it('refuse extents that are empty, out of range or not the size of the file (M10)', () => {
    const file = (size: bigint, ...extents: MessageInitShape<typeof wire.ExtentSchema>[]): Forgery =>
      withEntry({ size, extents })
    refuses(file(1n), /has 1 bytes and extents of 0/)
    refuses(file(9n, { length: 10n }), /has 9 bytes and extents of 10/)
    refuses(file(0n, { length: 0n }), /empty extent/)
    refuses(file(1n, { firstChunk: 2, length: 1n }), /byte 0 of chunk 2/)
    refuses(file(1n, { firstChunk: 1, offset: 50, length: 1n }), /byte 50 of chunk 1/)
    refuses(file(51n, { firstChunk: 1, length: 51n }), /past the last chunk/)
    refuses(file(150n, { offset: 1, length: 150n }), /past the last chunk/)
    refuses(file(1n, { length: 2n ** 53n }), /number/)
    refuses(file(2n ** 60n, { length: 1n }), /number/)
  })

  it('refuse chunks with bytes that no file has (M10)', () => {
    const file = (size: bigint, ...extents: MessageInitShape<typeof wire.ExtentSchema>[]): EntryInit => ({
      path: bytes('w'),
      type: FILE,
      size,
      extents,
    })
    const totals = (rawBytes: bigint): HeadInit => ({ rawBytes })
    const orphan = /belong to no file/
    refuses({ entries: [file(100n, { length: 100n })], head: totals(100n) }, orphan)
    refuses({ entries: [file(149n, { offset: 1, length: 149n })], head: totals(149n) }, orphan)
    const gap = file(149n, { length: 40n }, { offset: 41, length: 109n })
    refuses({ entries: [gap], head: totals(149n) }, orphan)
    const overlap = file(170n, { length: 60n }, { offset: 40, length: 110n })
    assert.equal(read({ entries: [overlap], head: totals(170n) }).rawBytes, 170)
  })

  it('bound the work that extents ask for, one by one and together (M11)', () => {
    const many = Array.from({ length: 262_145 }, () => ({ length: 1n }))
    refuses(withEntry({ size: BigInt(many.length), extents: many }), /262145 extents/)
    const emptyExtents = Buffer.concat([bytes('\x0a\x01x\x10\x01'), Buffer.alloc(2 * 1_000_000, bytes('\x42\x00'))])
    refuses({ parts: [chunkPart(), { ...entryPart(ENTRIES), message: frame(emptyExtents) }] }, /1000000 extents/)
    const count = 16_384
    const wide = {
      ids: Buffer.concat(Array.from({ length: count }, (_, number) => objectIdBytes(sampleId(number)))),
      rawHashes: Buffer.alloc(32 * count),
      rawBytes: Array<number>(count).fill(1),
      encodedBytes: Array<number>(count).fill(1),
      codecs: Array<wire.ChunkCodec>(count).fill(wire.ChunkCodec.RAW),
      elements: Array<wire.ElementType>(count).fill(wire.ElementType.BYTES),
    }
    const everything = Array.from({ length: 1025 }, () => ({ length: BigInt(count) }))
    const hostile = { path: bytes('w'), type: FILE, size: BigInt(count * everything.length), extents: everything }
    refuses({ parts: [chunkPart(wide, count), entryPart([hostile])] }, /more than 16777216 pieces/)
  })
})
