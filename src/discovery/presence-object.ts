// The content of one presence object: bytes to checked values and back. Rules: protocols/presence.md.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { PresenceSchema } from '../generated/presence_pb.ts'
import type { OwnPresence } from './discovery.ts'

/** Longest presence object. A longer one is not read. */
export const PRESENCE_BYTES_MAX = 8 * 1024
const VERSION = 0

/** Newly allocated. */
export function encodePresence(presence: OwnPresence): Uint8Array {
  const { record: signedRecord, reachable } = presence
  return toBinary(PresenceSchema, create(PresenceSchema, { version: VERSION, signedRecord, reachable }))
}

/** Undefined for anything that this version does not understand. */
export function parsePresence(bytes: Uint8Array): OwnPresence | undefined {
  if (bytes.length > PRESENCE_BYTES_MAX) return undefined
  try {
    const presence = fromBinary(PresenceSchema, bytes, { readUnknownFields: false })
    if (presence.version !== VERSION || presence.signedRecord.length === 0) return undefined
    return { record: presence.signedRecord, reachable: presence.reachable }
  } catch {
    // Whoever may write to the bucket may write nonsense.
    return undefined
  }
}
