// Writes protocols/vectors/ticket/. Run: node test/interop/ticket-make-vectors.ts [--overwrite]
// Without --overwrite only vectors that do not exist yet are written. The keys in them are of no swarm.

import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { base32 } from 'multiformats/bases/base32'
import { hashBytes } from '../../src/base/hash.ts'
import * as wire from '../../src/generated/ticket_pb.ts'
import { encodeTicket, parseTicket } from '../../src/snapshot/ticket.ts'
import { sampleId } from '../support/snapshot-samples.ts'
import { type VectorEntry, writeVectors } from './vector-files.ts'

type Vector = VectorEntry & { readonly content: unknown }
type TicketInit = MessageInitShape<typeof wire.TicketSchema>

const PEER = '12D3KooWGjMVCTsJoLGBjHbSEvhrM2mYYvLM1dLSVvRwTSLyr8Bd'
const ROOT = sampleId(1)
const KEY = Uint8Array.from({ length: 32 }, (_, index) => index)
const FULL = {
  root: ROOT,
  swarmKey: KEY,
  name: 'team/llama-70b',
  addresses: [`/ip4/203.0.113.7/tcp/4001/p2p/${PEER}`, `/dns6/node.example/tcp/40123/p2p/${PEER}`],
  store: { url: 'r2://models/prefix', endpoint: 'https://account.example', region: 'auto' },
}
const MINIMAL = { root: ROOT, swarmKey: KEY, name: '', addresses: [], store: undefined }

function good(name: string, about: string, text: string): Vector {
  const ticket = parseTicket(text)
  const swarmKey = Buffer.from(ticket.swarmKey).toString('hex')
  return {
    name,
    about,
    expect: 'good',
    content: { text, content: { ...ticket, swarmKey, store: ticket.store ?? null } },
  }
}

function bad(name: string, about: string, text: string, expect: VectorEntry['expect'] = 'usage'): Vector {
  return { name, about, expect, content: { text } }
}

function bodyOf(change: TicketInit = {}): Uint8Array {
  const message = create(wire.TicketSchema, { root: Buffer.from(ROOT, 'hex'), swarmKey: KEY, ...change })
  return toBinary(wire.TicketSchema, message)
}

/** Any body under a right checksum, followed by a varint field when `field` is given. */
function seal(body: Uint8Array, field?: number): string {
  const tail = field === undefined ? [] : [((field << 3) & 0x7f) | 0x80, field >> 4, 1]
  const whole = Buffer.concat([body, Buffer.from(tail)])
  return `swarm1${base32.baseEncode(Buffer.concat([whole, hashBytes(whole).subarray(0, 4)]))}`
}

const full = encodeTicket(FULL)
const address = FULL.addresses[0] ?? ''
const store = Buffer.from([0x2a, 6, 0x0a, 1, 0x78, 0xb0, 0x03, 1])

const vectors: Vector[] = [
  good('minimal', 'root and key only', encodeTicket(MINIMAL)),
  good('full', 'every field', full),
  good('field-64', 'an unknown field that may be ignored', seal(bodyOf(), 64)),
  bad('empty', 'no text', ''),
  bad('prefix-only', 'nothing after the prefix', 'swarm1'),
  bad('cut', 'the last character is missing', full.slice(0, -1)),
  bad('changed', 'one character is wrong', full.slice(0, 40) + (full[40] === 'a' ? 'b' : 'a') + full.slice(41)),
  bad('upper-case', 'the body in upper case', `swarm1${full.slice(6).toUpperCase()}`),
  bad('padding', 'base32 padding after the last character', `${full}=`),
  bad('alphabet', 'a character that base32 has not', full.replace(/.$/, '1')),
  bad('version-2', 'a ticket of a later version', full.replace('swarm1', 'swarm2'), 'unsupportedVersion'),
  bad('field-63', 'an unknown field that must be understood', seal(bodyOf(), 63), 'unsupportedVersion'),
  bad(
    'field-in-store',
    'such a field in the store location',
    seal(Buffer.concat([bodyOf(), store])),
    'unsupportedVersion',
  ),
  bad('body-cut', 'a body that ends inside a field', seal(bodyOf().subarray(0, -1))),
  bad('root-short', 'a root of 31 bytes', seal(bodyOf({ root: new Uint8Array(31) }))),
  bad('key-missing', 'no swarm key', seal(bodyOf({ swarmKey: new Uint8Array() }))),
  bad('addresses-9', 'nine addresses', seal(bodyOf({ addresses: Array<string>(9).fill(address) }))),
  bad('address-peer', 'an address without a peer id', seal(bodyOf({ addresses: ['/ip4/203.0.113.7/tcp/4001'] }))),
  bad('name', 'a name with ..', seal(bodyOf({ name: '../x' }))),
  bad('store-url', 'a store location without a URL', seal(bodyOf({ store: { region: 'auto' } }))),
  bad('store-secret', 'credentials in the store URL', seal(bodyOf({ store: { url: 's3://id:secret@bucket' } }))),
  bad(
    'long',
    'more than 2048 characters',
    seal(bodyOf({ addresses: Array<string>(8).fill(`/dns4/${'x'.repeat(180)}${address}`) })),
  ),
]

const written = writeVectors('ticket', vectors, process.argv.includes('--overwrite'))
console.log(`wrote ${written.length} vectors: ${written.join(' ')}`)
