// Who belongs to the swarm: both ends of a connection prove that they hold the swarm key without showing it, bound to
// this connection's peer ids and to fresh nonces. Until then nothing else is said. Steps: protocols/exchange.md.

import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { invariant, isSwarmError } from '../base/errors.ts'
import { hashBytes } from '../base/hash.ts'
import { type ErrorReason, encodeMessage, type Hello, type Message, type Parsed, parseMessage } from './messages.ts'

/** The id of the control stream's protocol; also the label of the membership key. */
export const CONTROL_PROTOCOL = '/swarm/exchange/1.0.0'
export const PAYLOAD_PROTOCOL = '/swarm/exchange/1.0.0/payload'

const KEY_BYTES = 32
const SWARM_ID_LABEL = `${CONTROL_PROTOCOL} swarm id`

/** What both ends know of a swarm: its public id and the secret that proofs are made with. */
export interface SwarmSecrets {
  readonly swarmId: Uint8Array
  readonly proofKey: Uint8Array
}

/** `I` dialled the connection, `R` accepted it. */
export type Role = 'I' | 'R'

/** Derives a swarm's public id and proof key from its 32-byte key; neither reveals the key. */
export function deriveSecrets(swarmKey: Uint8Array): SwarmSecrets {
  invariant(swarmKey.length === KEY_BYTES, `a swarm key has ${KEY_BYTES} bytes, not ${swarmKey.length}`)
  return { swarmId: derive(swarmKey, SWARM_ID_LABEL), proofKey: derive(swarmKey, CONTROL_PROTOCOL) }
}

/** A key of 32 bytes for one purpose: HKDF-SHA256 (RFC 5869) with an empty salt. */
export function derive(key: Uint8Array, label: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, new Uint8Array(0), label, KEY_BYTES))
}

/** All that a handshake's proofs are bound to. Hellos are the exact bytes of the messages that carried them. */
export interface Transcript {
  readonly swarmId: Uint8Array
  /** Peer ids in text form, as the encrypted connection gives them. */
  readonly initiator: string
  readonly responder: string
  readonly initiatorHello: Uint8Array
  readonly responderHello: Uint8Array
}

/** The proof of one role for one handshake, 32 bytes. */
export function makeProof(secrets: SwarmSecrets, role: Role, transcript: Transcript): Uint8Array {
  const hash = hashTranscript(transcript)
  return createHmac('sha256', secrets.proofKey).update(role).update(hash).digest()
}

/** Whether `proof` is the one that `role` makes; takes the same time for every wrong proof of the right length. */
export function isProof(proof: Uint8Array, secrets: SwarmSecrets, role: Role, transcript: Transcript): boolean {
  const expected = makeProof(secrets, role, transcript)
  return proof.length === expected.length && timingSafeEqual(proof, expected)
}

/** BLAKE3 over the fields, each after its length as a 32-bit big-endian number. */
function hashTranscript(transcript: Transcript): Uint8Array {
  const fields = [
    Buffer.from(CONTROL_PROTOCOL),
    transcript.swarmId,
    Buffer.from(transcript.initiator),
    Buffer.from(transcript.responder),
    transcript.initiatorHello,
    transcript.responderHello,
  ]
  const parts: Uint8Array[] = []
  for (const field of fields) {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(field.length)
    parts.push(length, field)
  }
  return hashBytes(Buffer.concat(parts))
}

/** The message stream that a handshake runs over. */
export interface HandshakeStream {
  send(bytes: Uint8Array): void
  /** The next message, or undefined when the other end closed. Rejects when the signal aborts or the stream breaks. */
  next(signal: AbortSignal): Promise<Uint8Array | undefined>
}

export type RefusedReason =
  /** The other end belongs to another swarm. */
  | 'wrongSwarm'
  /** It names this swarm but does not hold its key, or says that we do not. */
  | 'wrongKey'
  /** It broke the rules of the handshake, or left. */
  | 'refused'

export type HandshakeOutcome =
  | { readonly status: 'admitted'; readonly hello: Hello }
  | { readonly status: RefusedReason }

export interface HandshakeParties {
  readonly role: Role
  readonly secrets: SwarmSecrets
  readonly hello: Hello
  readonly initiator: string
  readonly responder: string
}

/**
 * Runs one end of the handshake. The responder says nothing, not even its Hello, to an initiator of another swarm; the
 * initiator proves itself first. Rejects when `signal` aborts.
 */
export async function handshake(
  stream: HandshakeStream,
  parties: HandshakeParties,
  signal: AbortSignal,
): Promise<HandshakeOutcome> {
  const { role, secrets } = parties
  const ownHello = encodeMessage(parties.hello)
  if (role === 'I') stream.send(ownHello)
  const peerHello = await read(stream, signal)
  if (peerHello === undefined || peerHello.message.type !== 'hello') return refusedBy(peerHello?.message)
  if (!Buffer.from(peerHello.message.swarmId).equals(secrets.swarmId)) return refuse(stream, 'wrongSwarm')
  const transcript: Transcript = {
    swarmId: secrets.swarmId,
    initiator: parties.initiator,
    responder: parties.responder,
    initiatorHello: role === 'I' ? ownHello : peerHello.bytes,
    responderHello: role === 'I' ? peerHello.bytes : ownHello,
  }
  const ownProof = encodeMessage({ type: 'proof', keyProof: makeProof(secrets, role, transcript) })
  if (role === 'I') stream.send(ownProof)
  else stream.send(ownHello)
  const peerProof = (await read(stream, signal))?.message
  if (peerProof?.type !== 'proof') return refusedBy(peerProof)
  const peerRole = role === 'I' ? 'R' : 'I'
  if (!isProof(peerProof.keyProof, secrets, peerRole, transcript)) return refuse(stream, 'wrongKey')
  if (role === 'R') stream.send(ownProof)
  return { status: 'admitted', hello: peerHello.message }
}

interface Received {
  readonly message: Parsed
  readonly bytes: Uint8Array
}

async function read(stream: HandshakeStream, signal: AbortSignal): Promise<Received | undefined> {
  const bytes = await stream.next(signal)
  if (bytes === undefined) return undefined
  try {
    return { message: parseMessage(bytes), bytes }
  } catch (error) {
    if (!isSwarmError(error)) throw error
    return undefined
  }
}

function refuse(stream: HandshakeStream, reason: 'wrongSwarm' | 'wrongKey'): HandshakeOutcome {
  const message: Message = { type: 'error', reason }
  stream.send(encodeMessage(message))
  return { status: reason }
}

function refusedBy(message: Parsed | undefined): HandshakeOutcome {
  const reason: ErrorReason = message?.type === 'error' ? message.reason : 'unspecified'
  return { status: reason === 'wrongSwarm' || reason === 'wrongKey' ? reason : 'refused' }
}
