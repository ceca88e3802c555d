// Control messages against golden vectors and against noise.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { isSwarmError } from '../../src/base/errors.ts'
import { chunkIndex, peerId } from '../../src/base/ids.ts'
import { CONTROL_MESSAGE_BYTES_MAX, HAVE_INDEXES_MAX } from '../../src/exchange/limits.ts'
import { encodeMessage, type Message, parseMessage, splitMessage } from '../../src/exchange/messages.ts'
import { MessageSchema } from '../../src/generated/exchange_pb.ts'

interface Vector {
  readonly name: string
  readonly bytes: string
  readonly message?: unknown
}

function vectors(file: string): Vector[] {
  const url = new URL(`../../protocols/vectors/exchange/${file}`, import.meta.url)
  return JSON.parse(readFileSync(url, 'utf8')) as Vector[]
}

/** Byte fields as in the vectors. */
function readable(value: unknown): unknown {
  if (value instanceof Uint8Array) return { hex: Buffer.from(value).toString('hex') }
  if (Array.isArray(value)) return value.map(readable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, readable(each)]))
}

const isMalformed = (error: unknown) => isSwarmError(error) && error.code === 'integrity' && error.blame === 'peer'

describe('exchange messages', () => {
  for (const { name, bytes, message } of vectors('good.json')) {
    it(`reads and writes the vector "${name}"`, () => {
      const parsed = parseMessage(Buffer.from(bytes, 'hex'))
      assert.deepEqual(readable(parsed), message)
      assert.notEqual(parsed.type, 'unknown')
      if (parsed.type !== 'unknown') assert.equal(Buffer.from(encodeMessage(parsed)).toString('hex'), bytes)
    })
  }

  for (const { name, bytes } of vectors('bad.json')) {
    it(`refuses the vector "${name}" (P8)`, () => {
      assert.throws(() => parseMessage(Buffer.from(bytes, 'hex')), isMalformed)
    })
  }

  it('refuses a message longer than the limit without decoding it (P7)', () => {
    assert.throws(() => parseMessage(new Uint8Array(CONTROL_MESSAGE_BYTES_MAX + 1)), isMalformed)
  })

  it('takes an empty message, a reserved one and one of a later version for unknown (P16)', () => {
    for (const hex of ['', '5200', '9a06020801']) {
      assert.deepEqual(parseMessage(Buffer.from(hex, 'hex')), { type: 'unknown' })
    }
  })

  it('takes an unknown reason for the mildest one', () => {
    assert.deepEqual(parseMessage(Buffer.from('3a0408011063', 'hex')), { type: 'refuse', id: 1, reason: 'busy' })
    assert.deepEqual(parseMessage(Buffer.from('72020863', 'hex')), { type: 'error', reason: 'unspecified' })
  })

  it('reads a chunk number of -1 or beyond 2^32 as some 32-bit number, which the snapshot then lacks (P10)', () => {
    // Request { id: 1, chunk: <varint of ten bytes>, length: 1 }
    for (const varint of ['ffffffffffffffffff01', 'ffffffffffffff7f']) {
      const body = Buffer.from(`080110${varint}2801`, 'hex')
      const parsed = parseMessage(Buffer.concat([Buffer.from([0x2a, body.length]), body]))
      assert.ok(parsed.type === 'request' && 'chunk' in parsed.target)
      assert.ok(parsed.target.chunk >= 0 && parsed.target.chunk < 2 ** 32)
    }
  })

  it('throws nothing but its own error on any bytes (P8)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parseMessage(bytes)
        } catch (error) {
          assert.ok(isMalformed(error))
        }
      }),
    )
  })

  it('throws nothing but its own error on damaged messages (P8)', () => {
    const samples = vectors('good.json').map(({ bytes }) => Buffer.from(bytes, 'hex'))
    fc.assert(
      fc.property(fc.constantFrom(...samples), fc.nat(), fc.nat(255), fc.nat(), (sample, at, value, keep) => {
        const damaged = Uint8Array.from(sample)
        if (damaged.length > 0) damaged[at % damaged.length] = value
        try {
          parseMessage(damaged.subarray(0, keep % (damaged.length + 1)))
        } catch (error) {
          assert.ok(isMalformed(error))
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('reads back every request, claim and have that it writes', () => {
    const uint32 = fc.nat(2 ** 32 - 1)
    const claim = fc.record(
      {
        holder: fc.string({ minLength: 1, maxLength: 128, unit: 'grapheme-ascii' }).map(peerId),
        sequence: uint32,
        chunk: uint32.map(chunkIndex),
        state: fc.constantFrom('pulling' as const, 'held' as const, 'dropped' as const),
        timeToLiveMs: fc.nat(3_600_000),
        originRate: uint32,
        hops: fc.nat(16),
      },
      { noNullPrototype: true },
    )
    const message: fc.Arbitrary<Message> = fc.oneof(
      fc.record(
        { type: fc.constant('claims' as const), claims: fc.array(claim, { maxLength: 5 }) },
        { noNullPrototype: true },
      ),
      fc.record(
        { type: fc.constant('haveMore' as const), chunks: fc.array(uint32.map(chunkIndex)) },
        { noNullPrototype: true },
      ),
      fc.record(
        {
          type: fc.constant('request' as const),
          id: uint32,
          target: uint32.map((value) => ({ chunk: chunkIndex(value) })),
          offset: fc.nat(2 ** 31),
          length: fc.integer({ min: 1, max: 64 * 1024 * 1024 }),
          onData: fc.boolean(),
        },
        { noNullPrototype: true },
      ),
    )
    fc.assert(
      fc.property(message, (each) => {
        assert.deepEqual(parseMessage(encodeMessage(each)), each)
      }),
    )
  })

  it('splits lists that are too long for one message, and keeps their order', () => {
    const chunks = Array.from({ length: 2 * HAVE_INDEXES_MAX + 1 }, (_, index) => chunkIndex(index))
    const parts = splitMessage({ type: 'haveMore', chunks })
    const read = parts.map((part) => parseMessage(encodeMessage(part)))
    assert.deepEqual(
      read.flatMap((part) => (part.type === 'haveMore' ? part.chunks : [])),
      chunks,
    )
    assert.equal(parts.length, 3)
    assert.deepEqual(splitMessage({ type: 'claims', claims: [] }), [{ type: 'claims', claims: [] }])
  })

  it('names in exchange.md every message of exchange.proto', () => {
    const text = readFileSync(new URL('../../protocols/exchange.md', import.meta.url), 'utf8')
    for (const field of MessageSchema.fields) {
      const name = field.message?.name ?? ''
      assert.ok(name.length > 0 && text.includes(`\`${name}\``), `${name} is not in the text`)
    }
  })
})
