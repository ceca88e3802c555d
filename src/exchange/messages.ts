// Control messages: bytes to checked values and back. Every range of a peer's message is proven here, so that the rest
// of the exchange handles values. What the messages mean, and in which order they may come, is decided elsewhere.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { SwarmError } from '../base/errors.ts'
import {
  type ChunkIndex,
  chunkIndex,
  type ObjectId,
  objectIdBytes,
  objectIdFromBytes,
  type PeerId,
  peerId,
  SITE_CHARACTERS_MAX,
} from '../base/ids.ts'
import * as wire from '../generated/exchange_pb.ts'
import * as limits from './limits.ts'
import {
  CLAIM_STATES,
  type ClaimState,
  ERROR_REASONS,
  type ErrorReason,
  PROGRESS,
  type Progress,
  REACHABILITY,
  REFUSE_REASONS,
  type Reachability,
  type RefuseReason,
  reverse,
} from './message-words.ts'

export type { ErrorReason, Reachability, RefuseReason }

export interface Hello {
  readonly type: 'hello'
  /** 32 bytes. */
  readonly swarmId: Uint8Array
  /** 32 bytes. */
  readonly nonce: Uint8Array
  readonly capabilities: readonly string[]
  readonly listens: boolean
  readonly agentVersion: string
}

export interface Proof {
  readonly type: 'proof'
  /** 32 bytes. */
  readonly keyProof: Uint8Array
}

/** Wire form of a bitfield over all chunks. Its length is checked by whoever knows the snapshot. */
export interface HaveAll {
  readonly type: 'haveAll'
  readonly bitfield: Uint8Array
}

/** More chunks that the sender can serve. */
export interface HaveMore {
  readonly type: 'haveMore'
  readonly chunks: readonly ChunkIndex[]
}

/** A node's word about one chunk and the origin. */
export interface Claim {
  readonly holder: PeerId
  /** Integer in 0..2^32-1; orders the words of one holder. */
  readonly sequence: number
  readonly chunk: ChunkIndex
  readonly state: ClaimState
  readonly timeToLiveMs: number
  /** Bytes per ms, integer; 0 when unknown. */
  readonly originRate: number
  readonly hops: number
}

export interface Claims {
  readonly type: 'claims'
  readonly claims: readonly Claim[]
}

export interface Status {
  readonly type: 'status'
  readonly progress: Progress
  readonly readsOrigin: boolean
  /** Holds every chunk, also those that it has not said it holds. */
  readonly holdsAll: boolean
  /** The group of nodes that it reaches cheaply, SITE_CHARACTERS_MAX at most; empty: none. */
  readonly site: string
}

/** The messages that a node's logic sends and hears; the others stay inside the exchange. */
export type PeerMessage = HaveAll | HaveMore | Claims | Status

export type Target = { readonly chunk: ChunkIndex } | { readonly object: ObjectId }

export interface Request {
  readonly type: 'request'
  readonly id: number
  readonly target: Target
  readonly offset: number
  readonly length: number
  /** Whether the answer is to come on the data connection. */
  readonly onData: boolean
}

/** Where the receiver, which dialled, may open a data connection. */
export interface DataOffer {
  readonly type: 'dataOffer'
  /** 32 bytes, shown by whoever takes up the offer. */
  readonly token: Uint8Array
  /** 32 bytes, which the keys are derived from. */
  readonly secret: Uint8Array
}

export type Message =
  | Hello
  | Proof
  | PeerMessage
  | Request
  | DataOffer
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'refuse'; readonly id: number; readonly reason: RefuseReason }
  | { readonly type: 'peers'; readonly records: readonly Uint8Array[] }
  | { readonly type: 'dialBack'; readonly addresses: readonly Uint8Array[] }
  | { readonly type: 'dialBackResult'; readonly results: readonly Reachability[]; readonly observed: Uint8Array }
  | { readonly type: 'keepAlive' }
  | { readonly type: 'error'; readonly reason: ErrorReason }

/** `unknown`: a kind from a later version, to be ignored. */
export type Parsed = Message | { readonly type: 'unknown' }

const HASH_BYTES = 32
const UINT32_MAX = 0xffff_ffff

/**
 * Reads one control message. Byte fields of the result may share memory with `bytes`.
 * @throws SwarmError `integrity`, blame `peer`, when the bytes are not a message or a value is out of its range.
 */
export function parseMessage(bytes: Uint8Array): Parsed {
  if (bytes.length > limits.CONTROL_MESSAGE_BYTES_MAX) throw malformed('message', `${bytes.length} bytes`)
  let message: wire.Message
  try {
    message = fromBinary(wire.MessageSchema, bytes, { readUnknownFields: false })
  } catch (cause) {
    throw malformed('message', 'not a protobuf message', cause)
  }
  return checkKind(message.kind)
}

function checkKind(kind: wire.Message['kind']): Parsed {
  switch (kind.case) {
    case undefined:
    case 'originGrant':
      return { type: 'unknown' }
    case 'hello':
      return checkHello(kind.value)
    case 'proof':
      return checkProof(kind.value)
    case 'have':
      return checkHave(kind.value)
    case 'claims':
      check(kind.value.claims.length <= limits.CLAIMS_PER_MESSAGE_MAX, 'Claims', 'too many claims')
      return { type: 'claims', claims: kind.value.claims.map(checkClaim) }
    case 'request':
      return checkRequest(kind.value)
    case 'cancel':
      return { type: 'cancel', id: kind.value.id }
    case 'refuse':
      // A reason from a later version counts as the mildest one.
      return { type: 'refuse', id: kind.value.id, reason: REFUSE_REASONS.get(kind.value.reason) ?? 'busy' }
    case 'peers':
      return checkPeers(kind.value)
    case 'status':
      check(kind.value.site.length <= SITE_CHARACTERS_MAX, 'Status.site', 'too long')
      return {
        type: 'status',
        progress: lookUp(PROGRESS, kind.value.progress, 'Status.progress'),
        readsOrigin: kind.value.readsOrigin,
        holdsAll: kind.value.holdsAll,
        site: kind.value.site,
      }
    case 'dialBack':
      return checkDialBack(kind.value)
    case 'dialBackResult':
      return checkDialBackResult(kind.value)
    case 'dataOffer':
      return checkDataOffer(kind.value)
    case 'keepAlive':
      return { type: 'keepAlive' }
    case 'error':
      return { type: 'error', reason: ERROR_REASONS.get(kind.value.code) ?? 'unspecified' }
  }
}

function checkHello(hello: wire.Hello): Hello {
  check(hello.swarmId.length === HASH_BYTES, 'Hello.swarm_id', `${hello.swarmId.length} bytes`)
  check(hello.nonce.length === HASH_BYTES, 'Hello.nonce', `${hello.nonce.length} bytes`)
  check(hello.capabilities.length <= limits.CAPABILITIES_MAX, 'Hello.capabilities', 'too many')
  for (const capability of hello.capabilities) {
    check(capability.length <= limits.CAPABILITY_CHARACTERS_MAX, 'Hello.capabilities', 'one is too long')
  }
  check(hello.agentVersion.length <= limits.AGENT_VERSION_CHARACTERS_MAX, 'Hello.agent_version', 'too long')
  const { swarmId, nonce, capabilities, listens, agentVersion } = hello
  return { type: 'hello', swarmId, nonce, capabilities, listens, agentVersion }
}

function checkProof(proof: wire.Proof): Proof {
  const { credential } = proof
  if (credential.case !== 'keyProof') throw malformed('Proof.credential', 'of an unknown kind')
  check(credential.value.length === HASH_BYTES, 'Proof.key_proof', `${credential.value.length} bytes`)
  return { type: 'proof', keyProof: credential.value }
}

function checkHave(have: wire.Have): HaveAll | HaveMore {
  const { what } = have
  if (what.case === 'bitfield') {
    check(what.value.length <= limits.BITFIELD_BYTES_MAX, 'Have.bitfield', `${what.value.length} bytes`)
    return { type: 'haveAll', bitfield: what.value }
  }
  if (what.case !== 'chunks') throw malformed('Have.what', 'missing')
  check(what.value.indexes.length <= limits.HAVE_INDEXES_MAX, 'Have.chunks', 'too many indexes')
  return { type: 'haveMore', chunks: what.value.indexes.map(chunkIndex) }
}

function checkClaim(claim: wire.Claim): Claim {
  const characters = claim.holder.length
  check(characters > 0 && characters <= limits.PEER_ID_CHARACTERS_MAX, 'Claim.holder', `${characters} characters`)
  check(claim.timeToLiveMs <= limits.CLAIM_TIME_TO_LIVE_MS_MAX, 'Claim.time_to_live_ms', `${claim.timeToLiveMs}`)
  check(claim.hops <= limits.CLAIM_HOPS_MAX, 'Claim.hops', `${claim.hops}`)
  return {
    holder: peerId(claim.holder),
    sequence: claim.sequence,
    chunk: chunkIndex(claim.chunk),
    state: lookUp(CLAIM_STATES, claim.state, 'Claim.state'),
    timeToLiveMs: claim.timeToLiveMs,
    originRate: claim.originRate,
    hops: claim.hops,
  }
}

function checkRequest(request: wire.Request): Request {
  const { id, offset, length, target, onData } = request
  check(length > 0 && length <= limits.REQUEST_BYTES_MAX, 'Request.length', `${length}`)
  check(offset + length <= UINT32_MAX, 'Request.offset', `${offset}`)
  if (target.case === 'chunk') {
    return { type: 'request', id, target: { chunk: chunkIndex(target.value) }, offset, length, onData }
  }
  if (target.case !== 'object') throw malformed('Request.target', 'missing')
  check(target.value.length === HASH_BYTES, 'Request.object', `${target.value.length} bytes`)
  return { type: 'request', id, target: { object: objectIdFromBytes(target.value) }, offset, length, onData }
}

function checkDataOffer({ token, secret }: wire.DataOffer): DataOffer {
  check(token.length === HASH_BYTES, 'DataOffer.token', `${token.length} bytes`)
  check(secret.length === HASH_BYTES, 'DataOffer.secret', `${secret.length} bytes`)
  return { type: 'dataOffer', token, secret }
}

function checkPeers(peers: wire.Peers): Parsed {
  check(peers.signedRecords.length <= limits.RECORDS_PER_MESSAGE_MAX, 'Peers', 'too many records')
  for (const record of peers.signedRecords) {
    check(record.length <= limits.RECORD_BYTES_MAX, 'Peers.signed_records', `${record.length} bytes`)
  }
  return { type: 'peers', records: peers.signedRecords }
}

function checkDialBack(question: wire.DialBack): Parsed {
  check(question.addresses.length <= limits.DIAL_BACK_ADDRESSES_MAX, 'DialBack', 'too many addresses')
  for (const address of question.addresses) {
    check(address.length <= limits.ADDRESS_BYTES_MAX, 'DialBack.addresses', `${address.length} bytes`)
  }
  return { type: 'dialBack', addresses: question.addresses }
}

function checkDialBackResult(answer: wire.DialBackResult): Parsed {
  check(answer.results.length <= limits.DIAL_BACK_ADDRESSES_MAX, 'DialBackResult', 'too many results')
  check(answer.observed.length <= limits.ADDRESS_BYTES_MAX, 'DialBackResult.observed', 'too long')
  const results = answer.results.map((result) => REACHABILITY.get(result) ?? 'untried')
  return { type: 'dialBackResult', results, observed: answer.observed }
}

/** The same message as one or more that each keep to the limits on lists. */
export function splitMessage(message: PeerMessage): PeerMessage[] {
  if (message.type === 'haveMore') {
    const parts = cut(message.chunks, limits.HAVE_INDEXES_MAX)
    return parts.map((chunks) => ({ type: 'haveMore', chunks }))
  }
  if (message.type !== 'claims') return [message]
  return cut(message.claims, limits.CLAIMS_PER_MESSAGE_MAX).map((claims) => ({ type: 'claims', claims }))
}

function cut<Item>(items: readonly Item[], countMax: number): (readonly Item[])[] {
  if (items.length <= countMax) return [items]
  return [items.slice(0, countMax), ...cut(items.slice(countMax), countMax)]
}

/** Wire form of one control message, newly allocated, without a length prefix. */
export function encodeMessage(message: Message): Uint8Array {
  return toBinary(wire.MessageSchema, create(wire.MessageSchema, { kind: encodeKind(message) }))
}

function encodeKind(message: Message): wire.Message['kind'] {
  switch (message.type) {
    case 'hello': {
      const { swarmId, nonce, listens, agentVersion } = message
      const capabilities = [...message.capabilities]
      return {
        case: 'hello',
        value: create(wire.HelloSchema, { swarmId, nonce, capabilities, listens, agentVersion }),
      }
    }
    case 'proof':
      return {
        case: 'proof',
        value: create(wire.ProofSchema, { credential: { case: 'keyProof', value: message.keyProof } }),
      }
    case 'haveAll':
      return {
        case: 'have',
        value: create(wire.HaveSchema, { what: { case: 'bitfield', value: message.bitfield } }),
      }
    case 'haveMore': {
      const list = create(wire.ChunkListSchema, { indexes: [...message.chunks] })
      return { case: 'have', value: create(wire.HaveSchema, { what: { case: 'chunks', value: list } }) }
    }
    case 'claims':
      return { case: 'claims', value: create(wire.ClaimsSchema, { claims: message.claims.map(encodeClaim) }) }
    case 'request':
      return { case: 'request', value: encodeRequest(message) }
    case 'cancel':
      return { case: 'cancel', value: create(wire.CancelSchema, { id: message.id }) }
    case 'refuse': {
      const reason = reverse(REFUSE_REASONS, message.reason)
      return { case: 'refuse', value: create(wire.RefuseSchema, { id: message.id, reason }) }
    }
    case 'peers':
      return { case: 'peers', value: create(wire.PeersSchema, { signedRecords: [...message.records] }) }
    case 'status': {
      const progress = reverse(PROGRESS, message.progress)
      return { case: 'status', value: create(wire.StatusSchema, { ...message, progress }) }
    }
    case 'dialBack':
      return { case: 'dialBack', value: create(wire.DialBackSchema, { addresses: [...message.addresses] }) }
    case 'dialBackResult': {
      const results = message.results.map((result) => reverse(REACHABILITY, result))
      const { observed } = message
      return { case: 'dialBackResult', value: create(wire.DialBackResultSchema, { results, observed }) }
    }
    case 'dataOffer': {
      const { token, secret } = message
      return { case: 'dataOffer', value: create(wire.DataOfferSchema, { token, secret }) }
    }
    case 'keepAlive':
      return { case: 'keepAlive', value: create(wire.KeepAliveSchema) }
    case 'error':
      return { case: 'error', value: create(wire.ErrorSchema, { code: reverse(ERROR_REASONS, message.reason) }) }
  }
}

function encodeClaim(claim: Claim): wire.Claim {
  const { holder, sequence, chunk, timeToLiveMs, originRate, hops } = claim
  const state = reverse(CLAIM_STATES, claim.state)
  return create(wire.ClaimSchema, { holder, sequence, chunk, state, timeToLiveMs, originRate, hops })
}

function encodeRequest(request: Request): wire.Request {
  const { id, offset, length, target, onData } = request
  return create(wire.RequestSchema, {
    id,
    offset,
    length,
    onData,
    target:
      'chunk' in target
        ? { case: 'chunk', value: target.chunk }
        : { case: 'object', value: objectIdBytes(target.object) },
  })
}

function lookUp<Key, Value>(table: ReadonlyMap<Key, Value>, key: Key, field: string): Value {
  const value = table.get(key)
  if (value === undefined) throw malformed(field, `${key}`)
  return value
}

function check(condition: boolean, field: string, got: string): void {
  if (!condition) throw malformed(field, got)
}

function malformed(field: string, got: string, cause?: unknown): SwarmError {
  return new SwarmError('integrity', `control message: ${field}: ${got}`, { blame: 'peer', cause })
}
