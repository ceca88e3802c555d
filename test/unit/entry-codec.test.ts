import assert from 'node:assert/strict'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import * as wire from '../../src/generated/manifest_pb.ts'
import { type EntryMessage, EntryReader, EntryWriter, entryBytes } from '../../src/snapshot/entry-codec.ts'
import type { Entry, EntryType } from '../../src/snapshot/manifest.ts'

const TYPES: readonly EntryType[] = ['file', 'directory', 'symlink']
const ON_WIRE = { file: wire.EntryType.FILE, directory: wire.EntryType.DIRECTORY, symlink: wire.EntryType.SYMLINK }

const text = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))
const uint32 = fc.oneof(fc.nat(200), fc.nat(2 ** 31 - 1), fc.constantFrom(0, 127, 128, 2 ** 31, 2 ** 32 - 1))
const size = fc.oneof(uint32, fc.constantFrom(2 ** 32, 2 ** 52, Number.MAX_SAFE_INTEGER), fc.maxSafeNat())
const wholeObject = { noNullPrototype: true }
const extent = fc.record({ firstChunk: uint32, offset: uint32, length: size }, wholeObject)
const fields = {
  path: text,
  type: fc.constantFrom(...TYPES),
  mode: uint32,
  mtimeSeconds: fc.oneof(fc.integer(), fc.constantFrom(0, -1, 2 ** 51, -(2 ** 51)), fc.integer({ min: -(2 ** 38) })),
  mtimeNanos: uint32,
  size,
  target: text,
  extents: fc.array(extent, { maxLength: 4 }),
}
const entry: fc.Arbitrary<Entry> = fc.record(fields, wholeObject)

/** What the protobuf library makes of it. */
function messageOf(value: Entry): Uint8Array {
  const { path, mode, mtimeNanos, target } = value
  const extents = value.extents.map(({ firstChunk, offset, length }) =>
    create(wire.ExtentSchema, { firstChunk, offset, length: BigInt(length) }),
  )
  const type = ON_WIRE[value.type]
  const numbers = { type, mode, mtimeSeconds: BigInt(value.mtimeSeconds), mtimeNanos, size: BigInt(value.size) }
  return toBinary(wire.EntrySchema, create(wire.EntrySchema, { path, ...numbers, target, extents }))
}

function framed(message: Uint8Array): Uint8Array {
  return toBinary(
    wire.EntryPartSchema,
    create(wire.EntryPartSchema, { entries: [fromBinary(wire.EntrySchema, message)] }),
  )
}

function written(values: readonly Entry[], capacity: number): Buffer {
  const writer = new EntryWriter(capacity)
  for (const value of values) writer.write(value, entryBytes(value))
  return writer.take()
}

/** What an entry that was read means, for the writer. */
function entryOf(read: EntryMessage): Entry | undefined {
  const type = TYPES[read.type - 1]
  return type === undefined ? undefined : { ...read, type }
}

describe('entries of a manifest', () => {
  it('are written as the protobuf library writes them, whatever the buffer that they began with', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 4 }), fc.nat(300), (values, capacity) => {
        const expected = values.map((value) => framed(messageOf(value)))
        for (const value of values) assert.equal(entryBytes(value), messageOf(value).length)
        assert.deepEqual(written(values, capacity), Buffer.concat(expected))
      }),
      { numRuns: 500 },
    )
  })

  it('are read back as they were, one after the other', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 4 }), (values) => {
        const reader = new EntryReader(written(values, 100))
        for (const value of values) {
          const read = reader.next()
          assert.ok(read !== undefined)
          assert.deepEqual(entryOf(read), value)
        }
        assert.ok(reader.isAtEnd)
      }),
      { numRuns: 500 },
    )
  })

  it('are refused, or are byte for byte what would be written, whatever the bytes', () => {
    const damage = fc.tuple(fc.nat(400), fc.integer({ min: 0, max: 255 }), fc.constantFrom('set', 'insert', 'remove'))
    let accepted = 0
    fc.assert(
      fc.property(entry, fc.array(damage, { maxLength: 2 }), (value, damages) => {
        const bytes = [...written([value], 100)]
        for (const [place, byte, how] of damages)
          bytes.splice(place % bytes.length, how === 'insert' ? 0 : 1, ...(how === 'remove' ? [] : [byte]))
        const reader = new EntryReader(Uint8Array.from(bytes))
        const read = reader.next()
        if (read === undefined) return assert.equal(reader.position, 0)
        accepted++
        const known = entryOf(read)
        if (known === undefined) return
        assert.deepEqual(written([known], 100), Buffer.from(bytes.slice(0, reader.position)))
      }),
      { numRuns: 5000 },
    )
    assert.ok(accepted > 500, `${accepted} accepted`)
  })

  it('are refused where a number goes on without an end, has more bytes than it needs or more bits than a double', () => {
    const frame = (...body: number[]): number[] => [0x0a, body.length, ...body]
    const bad = [
      frame(0x18, ...Array<number>(60).fill(0x80)),
      frame(0x18, ...Array<number>(60).fill(0x80), 1),
      frame(0x18, 0x81, 0x00),
      frame(0x18, 0x00),
      frame(0x0a, 0x00),
      frame(0x30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f),
      frame(0x18, 0xff, 0xff, 0xff, 0xff, 0x1f),
      frame(0x10, 0xff, 0xff, 0xff, 0xff, 0x0f),
      frame(0x18, 1, 0x10, 1),
      frame(0x10, 1, 0x10, 1),
      frame(0x48, 1),
      [0x0a, 3, 0x18, 1],
      [0x0a, 1, 0x18, 1],
      [0x12, 0],
    ]
    for (const bytes of bad) assert.equal(new EntryReader(Uint8Array.from(bytes)).next(), undefined, `${bytes}`)
    const largest = frame(0x30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f)
    assert.equal(new EntryReader(Uint8Array.from(largest)).next()?.size, Number.MAX_SAFE_INTEGER)
  })
})
