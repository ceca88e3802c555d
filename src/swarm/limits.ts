// Every number that bounds or tunes the scheduler, with its unit in the name, its default and its range. Nothing else in
// this folder holds such a number twice.

import { SwarmError } from '../base/errors.ts'

interface Range {
  readonly value: number
  readonly min: number
  readonly max: number
}

const MIB = 1_048_576

const RANGES = {
  /** Encoded bytes asked for or not yet stored. One chunk is always allowed. */
  memoryBytesMax: { value: 512 * MIB, min: MIB, max: 2 ** 40 },
  /** Neighbours; a peerUp past them is answered with dropPeer. */
  peersMax: { value: 128, min: 1, max: 1024 },
  /** Below this many neighbours more are looked for. */
  neighboursWanted: { value: 31, min: 0, max: 1024 },
  findPeersEveryMs: { value: 5_000, min: 100, max: 600_000 },

  /** Chunks of which the bytes of given-up requests are kept, in memory that nothing else needs. */
  beginningsMax: { value: 64, min: 0, max: 4096 },

  requestsOpenMax: { value: 256, min: 1, max: 4096 },
  requestsPerPeerMin: { value: 2, min: 1, max: 64 },
  requestsPerPeerMax: { value: 16, min: 1, max: 256 },
  /** Bytes asked of one peer: what it delivers in this time, and one chunk. */
  peerQueueMs: { value: 500, min: 10, max: 60_000 },
  /** Bytes asked of all peers: what arrived in this time at best, and requestsTotalMin chunks. */
  totalQueueMs: { value: 200, min: 10, max: 60_000 },
  /** While those are fewer than this, twice as many, up to this: a few may all be with slow peers, many even out. */
  requestsFew: { value: 24, min: 0, max: 256 },
  requestsTotalMin: { value: 8, min: 1, max: 256 },
  /** Of a node that has less than its neighbours: of one peer, and of all. */
  requestsPerPeerLateMin: { value: 4, min: 1, max: 64 },
  requestsLateMin: { value: 32, min: 1, max: 256 },

  /** Requests to peers while the origin could fill half of our downlink and has chunks that nobody took. */
  requestsBesideOrigin: { value: 2, min: 1, max: 256 },
  /** For so long after settleMs, and after it gained, the origin may show beside fewer requests to peers that it gives more. */
  originTrialMs: { value: 2_000, min: 0, max: 600_000 },
  /** Requests to peers of other sites, beside all others. */
  requestsFarMax: { value: 16, min: 1, max: 256 },
  /** With nothing new for this long, chunks of other sites are asked for whoever was to bring them. */
  bringerPatienceMs: { value: 3_000, min: 100, max: 600_000 },
  /** After this long what a node received at most says something of its downlink. */
  settleMs: { value: 5_000, min: 0, max: 600_000 },
  /** While the origin's rate is not known. */
  originRequestsFirst: { value: 1, min: 1, max: 64 },
  originRequestsMax: { value: 32, min: 1, max: 256 },
  /** The origin is asked for one more chunk when it needs less than this for what is still to come. */
  originQueueMs: { value: 400, min: 10, max: 60_000 },
  /** Chunks that we alone hold: always, while the uplink is not known, and as long as it needs for them. */
  loneChunksMin: { value: 4, min: 0, max: 1_000_000 },
  loneChunksFirst: { value: 48, min: 0, max: 1_000_000 },
  loneMs: { value: 4_000, min: 10, max: 600_000 },
  /** How long the last chunks that nobody took are left at least to those whose share they are. */
  lastSharesMs: { value: 1_000, min: 0, max: 600_000 },
  originBackoffMinMs: { value: 200, min: 10, max: 60_000 },
  originBackoffMaxMs: { value: 30_000, min: 10, max: 600_000 },
  /** Wrong bytes for one chunk from the origin before the origin counts as not having it. */
  originCorruptMax: { value: 3, min: 1, max: 100 },

  /** A source that sent nothing for this long has stalled. */
  stallMs: { value: 10_000, min: 100, max: 600_000 },
  /** The same for a peer that never sent anything, while the origin could be read instead. */
  firstByteMs: { value: 4_000, min: 100, max: 600_000 },
  originStallMs: { value: 30_000, min: 100, max: 600_000 },
  /** A request may wait this many times the stall time in the queue of a peer that serves our others or goes on itself. */
  queueWaitFactor: { value: 12, min: 1, max: 100 },
  /** A source this many times slower than the median is left, when others can supply. */
  slowFactor: { value: 8, min: 2, max: 1000 },
  slowAfterMs: { value: 4_000, min: 100, max: 600_000 },
  /** A request is taken from a slow source only when it would last at least this much longer. */
  slowRestMs: { value: 15_000, min: 0, max: 3_600_000 },
  busyBackoffMinMs: { value: 50, min: 1, max: 60_000 },
  busyBackoffMaxMs: { value: 2_000, min: 1, max: 600_000 },
  suspendMinMs: { value: 2_000, min: 10, max: 600_000 },
  suspendMaxMs: { value: 60_000, min: 10, max: 3_600_000 },
  corruptStrikesMax: { value: 2, min: 1, max: 100 },
  lyingStrikesMax: { value: 8, min: 1, max: 10_000 },
  bannedPeersMax: { value: 1024, min: 1, max: 65_536 },

  /** Doubled requests are made only when at most this many chunks are missing, and that is few of all or very few. */
  endgameChunksMax: { value: 20, min: 0, max: 1000 },
  endgameChunksFew: { value: 4, min: 0, max: 1000 },

  uploadSlots: { value: 24, min: 1, max: 256 },
  /** A fast uplink serves as many as it needs for an upload to take this long, up to the most. */
  uploadTogetherMs: { value: 150, min: 0, max: 60_000 },
  uploadSlotsMax: { value: 64, min: 1, max: 256 },
  /** No more than end in this time, and no fewer. */
  uploadMs: { value: 1_000, min: 10, max: 600_000 },
  uploadSlotsMin: { value: 4, min: 1, max: 256 },
  uploadSlotsPerPeer: { value: 2, min: 1, max: 64 },
  /** The same for one that has less than the others. */
  uploadSlotsPerLatePeer: { value: 4, min: 1, max: 64 },
  uploadQueueMax: { value: 256, min: 1, max: 65_536 },
  uploadQueuePerPeerMax: { value: 16, min: 1, max: 256 },
  /** Asks refused in a row before the peer counts as flooding. */
  refusalsMax: { value: 1_024, min: 1, max: 1_000_000 },

  /** Chunks that a source shows to neighbours before they have left, to all together and to each. */
  injectionWindow: { value: 128, min: 1, max: 65_536 },
  injectionPerPeerMin: { value: 4, min: 1, max: 1024 },
  injectionPerPeerMax: { value: 16, min: 1, max: 1024 },
  /** What a neighbour was shown and did not get in this time is shown to others. */
  injectionPatienceMs: { value: 10_000, min: 100, max: 600_000 },

  haveDelayMs: { value: 20, min: 0, max: 10_000 },
  haveBatchMax: { value: 32, min: 1, max: 4096 },
  /** A new neighbour is told again what was verified in this time: our bitfield may have been made before it. */
  haveRepeatMs: { value: 30_000, min: 0, max: 600_000 },
  haveRepeatMax: { value: 4_096, min: 1, max: 65_536 },

  /** How long words of others are gathered before they are passed on, and to how many of neighboursWanted. */
  claimDelayMs: { value: 100, min: 0, max: 10_000 },
  claimFanOut: { value: 9, min: 1, max: 1024 },
  claimBatchMax: { value: 256, min: 1, max: 4096 },
  /** Words of others that a newcomer is told. */
  briefingClaimsMax: { value: 4_096, min: 0, max: 65_536 },
  claimHopsMax: { value: 6, min: 0, max: 64 },
  claimTimeToLiveMinMs: { value: 2_000, min: 10, max: 600_000 },
  claimTimeToLiveMaxMs: { value: 60_000, min: 10, max: 3_600_000 },
  /** While the origin's rate is not known. */
  claimTimeToLiveFirstMs: { value: 10_000, min: 10, max: 600_000 },
  /** How long a neighbour's claim outlives its connection. */
  claimGraceMs: { value: 500, min: 0, max: 60_000 },
  claimHoldersMax: { value: 4_096, min: 1, max: 65_536 },
  claimsPerChunkMax: { value: 8, min: 1, max: 64 },
  /** Members counted for our share of the origin. */
  shareMembersMax: { value: 1_024, min: 1, max: 4_096 },
  /** How long a chunk that a stranger holds is waited for before the origin is read instead. */
  heldWaitMs: { value: 10_000, min: 0, max: 3_600_000 },
  /** A claim is stolen only by a node whose origin rate is at least this many times the holder's. */
  stealRateFactor: { value: 2, min: 2, max: 1000 },
  /** `auto`: how long the origin must idle and peers fall short before a further copy is read. */
  starvedMs: { value: 3_000, min: 10, max: 600_000 },

  /** How often open requests and claims are looked over. */
  tickMs: { value: 250, min: 10, max: 10_000 },
} as const satisfies Readonly<Record<string, Range>>

export type LimitName = keyof typeof RANGES
export type Limits = Readonly<Record<LimitName, number>>

/** `from` to `to` in whole numbers, for help texts and messages. */
export function limitRange(name: LimitName): Range {
  return RANGES[name]
}

/** The defaults with `changes` in their place. Throws `usage` for an unknown name or a value out of its range. */
export function parseLimits(changes: Readonly<Record<string, number>> = {}): Limits {
  const limits: Record<string, number> = {}
  for (const [name, range] of Object.entries(RANGES)) limits[name] = range.value
  for (const [name, value] of Object.entries(changes)) {
    const range: Range | undefined = Object.entries(RANGES).find(([known]) => known === name)?.[1]
    if (range === undefined) throw new SwarmError('usage', `unknown limit ${name}`, { blame: 'caller' })
    if (!Number.isInteger(value) || value < range.min || value > range.max) {
      throw new SwarmError('usage', `limit ${name} is ${value}, not a whole number from ${range.min} to ${range.max}`, {
        blame: 'caller',
        cure: `leave it out for ${range.value}`,
      })
    }
    limits[name] = value
  }
  return Object.freeze(limits) as Limits
}

export const DEFAULT_LIMITS: Limits = parseLimits()
