import assert from 'node:assert/strict'
import { create, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { base32 } from 'multiformats/bases/base32'
import { isSwarmError, type SwarmError } from '../../src/base/errors.ts'
import { hashBytes } from '../../src/base/hash.ts'
import { objectId } from '../../src/base/ids.ts'
import * as wire from '../../src/generated/ticket_pb.ts'
import { encodeTicket, looksLikeTicket, parseTicket, type Ticket } from '../../src/snapshot/ticket.ts'

const PEER = '12D3KooWGjMVCTsJoLGBjHbSEvhrM2mYYvLM1dLSVvRwTSLyr8Bd'
const SAMPLE: Ticket = {
  root: objectId('0123456789abcdef'.repeat(4)),
  swarmKey: Uint8Array.from({ length: 32 }, (_, index) => 0xa0 + index),
  name: 'llama-70b',
  addresses: [`/ip4/203.0.113.7/tcp/4001/p2p/${PEER}`],
  store: { url: 'r2://models/prefix', endpoint: 'https://account.example', region: 'auto' },
}

const PLAIN = { noNullPrototype: true } as const
const ticket: fc.Arbitrary<Ticket> = fc.record(
  {
    root: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => objectId(Buffer.from(bytes).toString('hex'))),
    swarmKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    name: fc.constantFrom('', 'a', 'team/run-12'),
    addresses: fc.array(
      fc.ipV4().map((ip) => `/ip4/${ip}/tcp/4001/p2p/${PEER}`),
      { maxLength: 8 },
    ),
    store: fc.option(
      fc.record(
        {
          url: fc.constantFrom('s3://bucket/prefix', 'file:///srv/a b/é'),
          endpoint: fc.constantFrom('', 'http://127.0.0.1:9000'),
          region: fc.constantFrom('', 'auto'),
        },
        PLAIN,
      ),
      { nil: undefined },
    ),
  },
  PLAIN,
)

/** What parsing throws. Proves on the way that no text of the error holds any part of the secret. */
function refusal(text: string, secret: Ticket = SAMPLE): SwarmError {
  try {
    parseTicket(text)
  } catch (error) {
    assert.ok(isSwarmError(error), String(error))
    assert.ok(error.code === 'usage' || error.code === 'unsupportedVersion', error.code)
    const said = `${error.message} ${error.cure} ${JSON.stringify(error.details)} ${String(error.cause)}`
    assert.ok(!said.includes(Buffer.from(secret.swarmKey).toString('hex')))
    for (let start = 6; start + 12 <= text.length; start += 6) assert.ok(!said.includes(text.slice(start, start + 12)))
    return error
  }
  return assert.fail(`accepted: ${text}`)
}

/** A ticket with a right checksum around any body. */
function seal(body: Uint8Array): string {
  return `swarm1${base32.baseEncode(Buffer.concat([body, hashBytes(body).subarray(0, 4)]))}`
}

function bodyOf(change: Parameters<typeof create<typeof wire.TicketSchema>>[1] = {}): Uint8Array {
  return toBinary(
    wire.TicketSchema,
    create(wire.TicketSchema, { root: Buffer.from(SAMPLE.root, 'hex'), swarmKey: SAMPLE.swarmKey, ...change }),
  )
}

describe('ticket', () => {
  it('round-trips every ticket as one line of at most 2 KiB', () => {
    fc.assert(
      fc.property(ticket, (ticket) => {
        const text = encodeTicket(ticket)
        assert.match(text, /^swarm1[a-z2-7]+$/)
        assert.ok(text.length <= 2048)
        assert.ok(looksLikeTicket(text))
        const read = parseTicket(`  ${text}\n`)
        assert.deepEqual({ ...read, swarmKey: [...read.swarmKey] }, { ...ticket, swarmKey: [...ticket.swarmKey] })
      }),
    )
  })

  it('refuses a ticket that is cut off at any length', () => {
    const text = encodeTicket(SAMPLE)
    for (let length = 0; length < text.length; length++) refusal(text.slice(0, length))
  })

  it('refuses every change of a single character', () => {
    const text = encodeTicket(SAMPLE)
    for (let position = 0; position < text.length; position++) {
      const old = text[position] ?? ''
      for (const other of ['a', 'q', '7', old.toUpperCase(), '=', ' ', 'é', '1', '']) {
        if (other !== old) refusal(text.slice(0, position) + other + text.slice(position + 1))
      }
    }
    refusal(`${text}=`)
    refusal(`${text}a`)
  })

  it('refuses garbage without anything but a SwarmError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), fc.boolean(), (text, prefixed) => {
        refusal(prefixed ? `swarm1${text}` : text)
      }),
      { numRuns: 500 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
        refusal(seal(body))
      }),
      { numRuns: 500 },
    )
  })

  it('names the version of a ticket from the future (M17)', () => {
    const error = refusal(encodeTicket(SAMPLE).replace('swarm1', 'swarm2'))
    assert.equal(error.code, 'unsupportedVersion')
    assert.match(error.message, /version 2/)
    assert.equal(refusal(`swarm2${'a'.repeat(5000)}`).code, 'unsupportedVersion')
  })

  it('refuses an unknown field below 64 as a newer version, and ignores one from 64 on (M17)', () => {
    const field = (no: number): Uint8Array => Buffer.from([((no << 3) & 0x7f) | 0x80, no >> 4, 1])
    for (const no of [6, 63]) {
      const error = refusal(seal(Buffer.concat([bodyOf(), field(no)])))
      assert.equal(error.code, 'unsupportedVersion')
      assert.match(error.message, new RegExp(`field ${no} `))
    }
    for (const no of [64, 127]) {
      assert.equal(parseTicket(seal(Buffer.concat([bodyOf(), field(no)]))).root, SAMPLE.root)
    }
    const store = Buffer.concat([Buffer.from([10, 1, 0x78]), field(7)])
    const nested = Buffer.concat([bodyOf(), Buffer.from([42, store.length]), store])
    assert.equal(refusal(seal(nested)).code, 'unsupportedVersion')
  })

  it('refuses a body that breaks a rule', () => {
    const address = SAMPLE.addresses[0] ?? ''
    for (const [rule, change] of Object.entries({
      root: { root: Buffer.alloc(31) },
      key: { swarmKey: Buffer.alloc(33) },
      'too many addresses': { addresses: Array<string>(9).fill(address) },
      'long address': { addresses: [`/dns4/${'x'.repeat(300)}/tcp/1/p2p/${PEER}`] },
      'address without peer': { addresses: ['/ip4/127.0.0.1/tcp/1'] },
      'address with space': { addresses: [`/dns4/a b/tcp/1/p2p/${PEER}`] },
      name: { name: '../x' },
      'long store url': { store: { url: `s3://${'x'.repeat(600)}` } },
      'store without url': { store: { region: 'auto' } },
      'control character': { store: { url: 's3://a\u001b[2J' } },
      credentials: { store: { url: 's3://id:secret@bucket' } },
      'credentials in endpoint': { store: { url: 's3://b', endpoint: 'https://u:p@h' } },
    })) {
      assert.equal(refusal(seal(bodyOf(change))).code, 'usage', rule)
    }
    assert.equal(parseTicket(seal(bodyOf({ store: { url: 'file:///data/@home' } }))).store?.url, 'file:///data/@home')
  })

  it('leaves out addresses rather than grow past 8 or past 2 KiB', () => {
    const address = SAMPLE.addresses[0] ?? ''
    assert.equal(parseTicket(encodeTicket({ ...SAMPLE, addresses: Array(20).fill(address) })).addresses.length, 8)
    const long = `/dns4/${'h'.repeat(180)}/tcp/4001/p2p/${PEER}`
    const text = encodeTicket({ ...SAMPLE, addresses: Array(8).fill(long) })
    assert.ok(text.length <= 2048)
    assert.ok(parseTicket(text).addresses.length >= 3)
  })

  it('makes no ticket that could not be read, and never one with credentials', () => {
    const store = { url: 's3://b', endpoint: '', region: '' }
    for (const bad of [
      { ...SAMPLE, swarmKey: new Uint8Array(5) },
      { ...SAMPLE, store: { ...store, endpoint: 'https://user:secret@host' } },
      { ...SAMPLE, store: { url: 'u'.repeat(500), endpoint: 'e'.repeat(500), region: 'r'.repeat(500) } },
    ]) {
      assert.throws(
        () => encodeTicket(bad),
        (error) => isSwarmError(error) && error.code === 'usage' && !error.message.includes('secret'),
      )
    }
  })

  it('tells a ticket, good or bad, from the name of a snapshot', () => {
    assert.equal(looksLikeTicket(encodeTicket(SAMPLE).toUpperCase()), true)
    assert.equal(looksLikeTicket(` ${encodeTicket(SAMPLE).replace('swarm1', 'swarm9')}\n`), true)
    for (const name of ['swarm1', 'swarm1-model', `swarm1@${'a'.repeat(64)}`, `swarm1/${'a'.repeat(80)}`, 'x']) {
      assert.equal(looksLikeTicket(name), false, name)
    }
  })
})
