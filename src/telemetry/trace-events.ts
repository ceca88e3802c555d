// Events of a trace, checked field by field: what comes out can be given to a scheduler.

import { askId, type ChunkIndex, chunkIndex, type PeerId, peerId, requestId, SITE_CHARACTERS_MAX } from '../base/ids.ts'
import type { Claim, Event, FailReason, PeerProgress } from '../swarm/events.ts'
import { Fields, parseInteger, TRACE_CHUNKS_MAX } from './trace-fields.ts'

/** Ids, as base/ids.ts has them. */
export const PEER_ID_LENGTH_MAX = 128
const CLAIMS_MAX = 65_536

const FAIL_REASONS: Readonly<Record<FailReason, true>> = {
  busy: true,
  missing: true,
  corrupt: true,
  broken: true,
  unavailable: true,
  cancelled: true,
}
const PROGRESS: Readonly<Record<PeerProgress, true>> = { partial: true, done: true, leaving: true }
const CLAIM_STATES: Readonly<Record<Claim['state'], true>> = { pulling: true, held: true, dropped: true }
const OUTCOMES = { sent: true, failed: true } as const

type Parser<Type extends Event['type']> = (fields: Fields) => Omit<Extract<Event, { readonly type: Type }>, 'type'>

/** One for each event: the compiler finds the one that is forgotten. */
const PARSERS: { readonly [Type in Event['type']]: Parser<Type> } = {
  peerUp: (fields) => ({
    peer: peerOf(fields),
    have: fields.bitfield('have'),
    readsOrigin: fields.boolean('readsOrigin'),
    holdsAll: fields.boolean('holdsAll'),
    site: fields.text('site', SITE_CHARACTERS_MAX, 0),
  }),
  peerHas: (fields) => ({ peer: peerOf(fields), chunks: fields.list('chunks', TRACE_CHUNKS_MAX, parseChunk) }),
  peerStatus: (fields) => ({ peer: peerOf(fields), progress: fields.word('progress', PROGRESS) }),
  peerDown: (fields) => ({ peer: peerOf(fields) }),
  claimsHeard: (fields) => ({ from: peerOf(fields, 'from'), claims: fields.list('claims', CLAIMS_MAX, parseClaim) }),
  requestProgress: (fields) => ({ request: requestId(fields.integer('request')), bytes: fields.integer('bytes') }),
  chunkVerified: (fields) => ({ request: requestId(fields.integer('request')) }),
  requestFailed: (fields) => ({
    request: requestId(fields.integer('request')),
    reason: fields.word('reason', FAIL_REASONS),
  }),
  chunkStored: (fields) => ({ chunk: chunkOf(fields) }),
  chunkLost: (fields) => ({ chunk: chunkOf(fields) }),
  chunkAsked: (fields) => ({ peer: peerOf(fields), ask: askId(fields.integer('ask')), chunk: chunkOf(fields) }),
  askCancelled: (fields) => ({ ask: askId(fields.integer('ask')) }),
  chunkServed: (fields) => ({
    ask: askId(fields.integer('ask')),
    outcome: fields.word('outcome', OUTCOMES),
    bytes: fields.integer('bytes'),
  }),
  originChanged: (fields) => ({ readable: fields.boolean('readable') }),
  wake: () => ({}),
  stop: () => ({}),
}

/** Throws MalformedLine. Fields that the event does not have are ignored. */
export function parseEvent(fields: Fields): Event {
  const type = fields.word('type', PARSERS)
  return { type, ...PARSERS[type](fields) } as Event
}

function parseClaim(value: unknown, path: string): Claim {
  const fields = new Fields(value, path)
  return {
    holder: peerOf(fields, 'holder'),
    sequence: fields.integer('sequence'),
    chunk: chunkOf(fields),
    state: fields.word('state', CLAIM_STATES),
    timeToLiveMs: fields.integer('timeToLiveMs'),
    originRate: fields.integer('originRate'),
    hops: fields.integer('hops'),
  }
}

function parseChunk(value: unknown, path: string): ChunkIndex {
  return chunkIndex(parseInteger(value, path, TRACE_CHUNKS_MAX))
}

function chunkOf(fields: Fields): ChunkIndex {
  return chunkIndex(fields.integer('chunk', 0, TRACE_CHUNKS_MAX))
}

function peerOf(fields: Fields, name = 'peer'): PeerId {
  return peerId(fields.text(name, PEER_ID_LENGTH_MAX))
}
