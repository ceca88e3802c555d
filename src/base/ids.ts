// The identifiers of this project as distinct types, so that a peer's id can never be passed where a chunk's is meant.
// Constructors check their argument once, at the border; inside, the type is the proof.

import { invariant } from './errors.ts'

declare const brand: unique symbol
type Branded<Base, Name> = Base & { readonly [brand]: Name }

/** BLAKE3-256 of an object's stored bytes, 64 lower-case hex digits. */
export type ObjectId = Branded<string, 'ObjectId'>
/** BLAKE3-256 of a manifest's head: names one snapshot. An ObjectId as well. */
export type Root = ObjectId & { readonly root?: true }
/** Position of a chunk in the manifest's chunk table, counted from 0. */
export type ChunkIndex = Branded<number, 'ChunkIndex'>
/** A libp2p peer id in its text form. */
export type PeerId = Branded<string, 'PeerId'>
/** Number of one request of this node; unique while the process runs. */
export type RequestId = Branded<number, 'RequestId'>
/** Number of one ask that a peer made of this node. */
export type AskId = Branded<number, 'AskId'>
/** Microseconds on a monotonic clock with an arbitrary start; an integer below 2^53. */
export type Micros = Branded<number, 'Micros'>

const OBJECT_ID = /^[0-9a-f]{64}$/

export function isObjectId(text: string): text is ObjectId {
  return OBJECT_ID.test(text)
}

export function objectId(text: string): ObjectId {
  invariant(isObjectId(text), `not an object id: ${text}`)
  return text
}

/** Hex form of 32 bytes. The bytes are read, not kept. */
export function objectIdFromBytes(bytes: Uint8Array): ObjectId {
  invariant(bytes.length === 32, `an object id has 32 bytes, not ${bytes.length}`)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex') as ObjectId
}

/** The 32 bytes of an id, newly allocated. */
export function objectIdBytes(id: ObjectId): Buffer {
  return Buffer.from(id, 'hex')
}

export function chunkIndex(value: number): ChunkIndex {
  invariant(Number.isInteger(value) && value >= 0, `not a chunk index: ${value}`)
  return value as ChunkIndex
}

export function peerId(text: string): PeerId {
  invariant(text.length > 0 && text.length <= 128, 'a peer id has 1 to 128 characters')
  return text as PeerId
}

export function requestId(value: number): RequestId {
  return value as RequestId
}

export function askId(value: number): AskId {
  return value as AskId
}

export function micros(value: number): Micros {
  invariant(Number.isSafeInteger(value), `time must be integer microseconds, got ${value}`)
  return value as Micros
}

/** The name of a site, on the wire, in traces and on the command line. */
export const SITE_CHARACTERS_MAX = 64
