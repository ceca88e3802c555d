// The whole vocabulary of the scheduler. Events are past facts that the shell reports; actions are orders to the shell.
// Chunk bytes never pass through here: only chunk numbers, sizes and outcomes.

import type { Bitfield } from '../base/bitfield.ts'
import type { AskId, ChunkIndex, PeerId, RequestId } from '../base/ids.ts'

/** Where a request goes: the object store in its role as origin, or a peer. */
export type Source = { readonly kind: 'origin' } | { readonly kind: 'peer'; readonly peer: PeerId }

/** Why a request ended without its chunk. */
export type FailReason =
  /** The peer has too many asks; it is not at fault. */
  | 'busy'
  /** The source does not have the chunk after all. */
  | 'missing'
  /** The bytes did not match the chunk's id. */
  | 'corrupt'
  /** No byte came for too long, or the connection or the store's answer broke. */
  | 'broken'
  /** The store asked us to slow down, or gave up after its retries. */
  | 'unavailable'
  /** Our own cancelRequest took effect. */
  | 'cancelled'

/**
 * A node's word about one chunk and the origin. `sequence` orders the words of one holder; a word travels past the
 * holder's neighbours, each node passing a new one on once while `hops` is above 0.
 */
export interface Claim {
  readonly holder: PeerId
  readonly sequence: number
  readonly chunk: ChunkIndex
  /** `pulling`: the holder reads it from the origin, or gave way to another that does; `held`: it has it; `dropped`: it gave up. */
  readonly state: 'pulling' | 'held' | 'dropped'
  /** For how long the word counts, in ms from its receipt; 0 for `held` and `dropped`. */
  readonly timeToLiveMs: number
  /** The holder's measured origin rate in bytes per ms; 0 when unknown. Decides who may steal. */
  readonly originRate: number
  readonly hops: number
}

export type PeerProgress = 'partial' | 'done' | 'leaving'

export type Event =
  | {
      readonly type: 'peerUp'
      readonly peer: PeerId
      readonly have: Bitfield
      readonly readsOrigin: boolean
      /** It holds every chunk, also those that are not in `have`: it gives them out one after the other. */
      readonly holdsAll: boolean
      /** The site that it says it is in; empty: none. */
      readonly site: string
    }
  | { readonly type: 'peerHas'; readonly peer: PeerId; readonly chunks: readonly ChunkIndex[] }
  | { readonly type: 'peerStatus'; readonly peer: PeerId; readonly progress: PeerProgress }
  | { readonly type: 'peerDown'; readonly peer: PeerId }
  | { readonly type: 'claimsHeard'; readonly from: PeerId; readonly claims: readonly Claim[] }
  /** Bytes of an open request, or a cancelled one, that arrived from its source since the last such event. */
  | { readonly type: 'requestProgress'; readonly request: RequestId; readonly bytes: number }
  /** Closes the request: its bytes match the chunk's id and may be passed on. */
  | { readonly type: 'chunkVerified'; readonly request: RequestId }
  /**
   * Closes the request. All that arrived was reported before. Unless `corrupt`, the shell keeps the bytes from the chunk's
   * start up to there if it keeps fewer of the chunk already, until a requestChunk goes on with them or dropBeginning.
   */
  | { readonly type: 'requestFailed'; readonly request: RequestId; readonly reason: FailReason }
  /** The chunk's bytes are in their files; their memory is free again. */
  | { readonly type: 'chunkStored'; readonly chunk: ChunkIndex }
  /** A held chunk turned out unreadable or wrong on disk: it is wanted again. */
  | { readonly type: 'chunkLost'; readonly chunk: ChunkIndex }
  | { readonly type: 'chunkAsked'; readonly peer: PeerId; readonly ask: AskId; readonly chunk: ChunkIndex }
  | { readonly type: 'askCancelled'; readonly ask: AskId }
  /** Closes a served ask; `bytes` were asked for. */
  | { readonly type: 'chunkServed'; readonly ask: AskId; readonly outcome: 'sent' | 'failed'; readonly bytes: number }
  | { readonly type: 'originChanged'; readonly readable: boolean }
  | { readonly type: 'wake' }
  | { readonly type: 'stop' }

export type RefuseReason = 'busy' | 'missing' | 'stopping'
/** `crowded`: there are too many neighbours already; the peer did nothing wrong. */
export type DropReason = 'corrupt' | 'lying' | 'flooding' | 'crowded'

export type Action =
  /**
   * Closed by exactly one chunkVerified or requestFailed, also after cancelRequest. With an `offset` above 0 it takes over
   * the bytes kept of the chunk, at least so many, and asks the source for those from there on.
   */
  | {
      readonly type: 'requestChunk'
      readonly request: RequestId
      readonly chunk: ChunkIndex
      readonly from: Source
      readonly offset: number
    }
  /** The bytes kept of the chunk are no longer wanted. */
  | { readonly type: 'dropBeginning'; readonly chunk: ChunkIndex }
  | { readonly type: 'cancelRequest'; readonly request: RequestId }
  | { readonly type: 'tellHave'; readonly chunks: readonly ChunkIndex[]; readonly to: readonly PeerId[] }
  | { readonly type: 'tellClaims'; readonly claims: readonly Claim[]; readonly to: readonly PeerId[] }
  | { readonly type: 'tellStatus'; readonly progress: PeerProgress; readonly to: readonly PeerId[] }
  /** Closed by exactly one chunkServed, also after askCancelled. */
  | { readonly type: 'serveChunk'; readonly ask: AskId; readonly chunk: ChunkIndex; readonly peer: PeerId }
  | { readonly type: 'refuseAsk'; readonly ask: AskId; readonly reason: RefuseReason }
  | { readonly type: 'dropPeer'; readonly peer: PeerId; readonly reason: DropReason }
  | { readonly type: 'findPeers' }
  /** Every wanted chunk is stored. Said once. */
  | { readonly type: 'complete' }

/** Figures for people and for the hub's end-of-run decisions. Nothing in the scheduler reads them back. */
export interface SwarmStatus {
  readonly chunksWanted: number
  readonly chunksHeld: number
  readonly chunksStored: number
  readonly bytesHeld: number
  readonly requestsOpen: number
  readonly originRequestsOpen: number
  /** Chunks that no connected peer has and that the origin said it does not have. */
  readonly unobtainable: readonly ChunkIndex[]
  readonly peers: readonly PeerStatus[]
}

export interface PeerStatus {
  readonly peer: PeerId
  readonly progress: PeerProgress
  readonly chunksHeld: number
  readonly requestsOpen: number
  /** Measured, bytes per ms; 0 before the first chunk. */
  readonly rateFromPeer: number
}
