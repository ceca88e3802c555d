// A ticket: one line of text that lets a machine join (protocols/ticket.md). Holds the swarm key, so it is a secret.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { base32 } from 'multiformats/bases/base32'
import { SwarmError } from '../base/errors.ts'
import { hashBytes } from '../base/hash.ts'
import { objectIdBytes, objectIdFromBytes, type Root } from '../base/ids.ts'
import * as wire from '../generated/ticket_pb.ts'
import {
  SWARM_KEY_BYTES,
  TICKET_ADDRESS_BYTES_MAX,
  TICKET_ADDRESSES_MAX,
  TICKET_BYTES_MAX,
  TICKET_CHECKSUM_BYTES,
  TICKET_CRITICAL_FIELDS_END,
  TICKET_STORE_TEXT_BYTES_MAX,
} from './limits.ts'
import { snapshotNameProblem } from './object-keys.ts'

/** The version is part of the prefix, so that even a reader that cannot parse the rest can say what it met. */
const PREFIX = 'swarm1'
const ANY_VERSION = /^swarm([0-9])/
const BODY = /^[a-z2-7]+$/
const ADDRESS = /^\/[\x21-\x7e]+\/p2p\/[A-Za-z0-9]+$/
const CONTROL_CHARACTER = /\p{Cc}/u
/** `user:password@` before the host of a URL. */
const CREDENTIALS = /^[^/]*\/\/[^/]*@/
/** Shorter texts are taken for a snapshot's name: root and key alone make 116 characters. */
const LOOKS_LENGTH_MIN = 60

export interface StoreLocation {
  readonly url: string
  /** Empty: the provider's own endpoint. */
  readonly endpoint: string
  readonly region: string
}

export interface Ticket {
  readonly root: Root
  /** 32 bytes. */
  readonly swarmKey: Uint8Array
  /** What the snapshot is called; may be empty. */
  readonly name: string
  /** Multiaddrs that end in /p2p/<peer id>, at most 8. */
  readonly addresses: readonly string[]
  readonly store: StoreLocation | undefined
}

/** Whether `text` means to be a ticket, good or bad, rather than a snapshot's name. */
export function looksLikeTicket(text: string): boolean {
  const trimmed = text.trim().toLowerCase()
  return ANY_VERSION.test(trimmed) && trimmed.length > LOOKS_LENGTH_MIN && !/[/@]/.test(trimmed)
}

/** Addresses that do not fit are left out, the last ones first. Throws `usage` when the rest cannot be in a ticket. */
export function encodeTicket(ticket: Ticket): string {
  const message = create(wire.TicketSchema, {
    root: objectIdBytes(ticket.root),
    swarmKey: ticket.swarmKey,
    name: ticket.name,
    addresses: ticket.addresses.slice(0, TICKET_ADDRESSES_MAX),
  })
  if (ticket.store !== undefined) message.store = create(wire.StoreLocationSchema, ticket.store)
  const problem = ticketProblem(message)
  if (problem !== undefined) throw cannotEncode(problem)
  for (;;) {
    const body = toBinary(wire.TicketSchema, message)
    const text = PREFIX + base32.baseEncode(Buffer.concat([body, checksum(body)]))
    if (text.length <= TICKET_BYTES_MAX) return text
    if (message.addresses.pop() === undefined) throw cannotEncode(`is longer than ${TICKET_BYTES_MAX} characters`)
  }
}

/** Reads a ticket; surrounding white space is ignored. Throws `usage` or `unsupportedVersion`, never quoting the ticket. */
export function parseTicket(text: string): Ticket {
  const trimmed = text.trim()
  const version = ANY_VERSION.exec(trimmed)
  if (version === null) throw badTicket('does not start with swarm1')
  if (!trimmed.startsWith(PREFIX)) throw newerTicket(`ticket version ${version[1]}`)
  if (trimmed.length > TICKET_BYTES_MAX) throw badTicket(`is longer than ${TICKET_BYTES_MAX} characters`)
  const bytes = decodeBase32(trimmed.slice(PREFIX.length))
  if (bytes.length <= TICKET_CHECKSUM_BYTES) throw badTicket('is cut off')
  const body = bytes.subarray(0, bytes.length - TICKET_CHECKSUM_BYTES)
  if (Buffer.compare(checksum(body), bytes.subarray(body.length)) !== 0) {
    throw badTicket('fails its checksum: a character is missing or wrong')
  }
  return parseBody(body)
}

function parseBody(body: Uint8Array): Ticket {
  let message: wire.Ticket
  try {
    message = fromBinary(wire.TicketSchema, body)
  } catch (cause) {
    throw badTicket('is not readable', cause)
  }
  const unknown = [...(message.$unknown ?? []), ...(message.store?.$unknown ?? [])]
  const critical = unknown.find((field) => field.no < TICKET_CRITICAL_FIELDS_END)
  if (critical !== undefined) throw newerTicket(`ticket field ${critical.no}`)
  const problem = ticketProblem(message)
  if (problem !== undefined) throw badTicket(problem)
  const store = message.store
  return {
    root: objectIdFromBytes(message.root),
    swarmKey: message.swarmKey,
    name: message.name,
    addresses: message.addresses,
    store: store === undefined ? undefined : { url: store.url, endpoint: store.endpoint, region: store.region },
  }
}

/** Why no ticket may say this, or undefined. */
function ticketProblem(message: wire.Ticket): string | undefined {
  const { root, swarmKey, name, addresses, store } = message
  if (root.length !== 32) return 'holds no root'
  if (swarmKey.length !== SWARM_KEY_BYTES) return 'holds no swarm key'
  if (addresses.length > TICKET_ADDRESSES_MAX) return 'holds too many addresses'
  if (addresses.some((address) => address.length > TICKET_ADDRESS_BYTES_MAX || !ADDRESS.test(address))) {
    return 'holds a malformed address'
  }
  if (name !== '' && snapshotNameProblem(name) !== undefined) return 'holds a malformed name'
  if (store === undefined) return undefined
  const texts = [store.url, store.endpoint, store.region]
  if (store.url === '' || texts.some(isBadStoreText)) return 'holds a malformed store location'
  return texts.some((text) => CREDENTIALS.test(text)) ? 'holds credentials of a store' : undefined
}

function isBadStoreText(text: string): boolean {
  if (!text.isWellFormed() || CONTROL_CHARACTER.test(text)) return true
  return Buffer.byteLength(text) > TICKET_STORE_TEXT_BYTES_MAX
}

function decodeBase32(text: string): Uint8Array {
  if (!BODY.test(text)) throw badTicket('holds a character that is not base32')
  try {
    return base32.baseDecode(text)
  } catch (cause) {
    throw badTicket('is cut off', cause)
  }
}

function checksum(body: Uint8Array): Buffer {
  return hashBytes(body).subarray(0, TICKET_CHECKSUM_BYTES)
}

function badTicket(problem: string, cause?: unknown): SwarmError {
  return new SwarmError('usage', `the ticket ${problem}`, {
    blame: 'caller',
    cure: 'copy the whole ticket again, from swarm1 to its end, from the output of swarm seed or swarm ticket',
    cause,
  })
}

function cannotEncode(problem: string): SwarmError {
  return new SwarmError('usage', `no ticket can be made: it ${problem}`, {
    blame: 'caller',
    cure: 'give a shorter store URL without credentials, which every machine takes from its own environment',
  })
}

function newerTicket(what: string): SwarmError {
  return new SwarmError('unsupportedVersion', `${what} is unknown to this version of swarm`, {
    blame: 'caller',
    cure: 'install a newer swarm on this machine',
  })
}
