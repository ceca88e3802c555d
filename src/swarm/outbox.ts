// What is to be told to neighbours, gathered for a short time so that many small facts become few messages.

import type { ChunkIndex, PeerId } from '../base/ids.ts'
import type { Prng } from '../base/prng.ts'
import type { Action, Claim } from './events.ts'
import type { Limits } from './limits.ts'

interface Verified {
  readonly chunk: ChunkIndex
  readonly at: number
}

interface Passed {
  readonly claim: Claim
  readonly from: PeerId
}

export class Outbox {
  readonly #limits: Limits
  #haves: ChunkIndex[] = []
  #havesDueAt: number | undefined
  readonly #recent: Verified[] = []
  #ownClaims: Claim[] = []
  #passed: Passed[] = []
  #passDueAt: number | undefined

  constructor(limits: Limits) {
    this.#limits = limits
  }

  addHave(chunk: ChunkIndex, now: number): void {
    this.#recent.push({ chunk, at: now })
    if (this.#recent.length > this.#limits.haveRepeatMax) this.#recent.shift()
    this.#haves.push(chunk)
    const dueAt = this.#haves.length >= this.#limits.haveBatchMax ? now : now + this.#limits.haveDelayMs * 1000
    this.#havesDueAt = Math.min(this.#havesDueAt ?? dueAt, dueAt)
  }

  /** Chunks verified within haveRepeatMs, for a new neighbour. */
  recentHaves(now: number): readonly ChunkIndex[] {
    const after = now - this.#limits.haveRepeatMs * 1000
    return this.#recent.filter((verified) => verified.at >= after).map((verified) => verified.chunk)
  }

  /** A word of our own leaves at once, to all neighbours. */
  addOwnClaim(claim: Claim): void {
    this.#ownClaims.push(claim)
  }

  /** Another node's word, heard from `from`, goes on to a few neighbours, with others. */
  passClaim(claim: Claim, from: PeerId, now: number): void {
    this.#passed.push({ claim, from })
    this.#passDueAt ??= now + this.#limits.claimDelayMs * 1000
  }

  nextDeadline(): number | undefined {
    if (this.#havesDueAt === undefined) return this.#passDueAt
    return Math.min(this.#havesDueAt, this.#passDueAt ?? this.#havesDueAt)
  }

  /** Moves what is due into `actions`. With nobody to tell, it is forgotten. */
  flush(now: number, peers: () => readonly PeerId[], random: Prng, actions: Action[]): void {
    if (this.#ownClaims.length > 0) this.#flushOwnClaims(peers(), actions)
    if (this.#passDueAt !== undefined && now >= this.#passDueAt) this.#flushPassed(peers(), random, actions)
    if (this.#havesDueAt !== undefined && now >= this.#havesDueAt) this.#flushHaves(peers(), actions)
  }

  #flushOwnClaims(peers: readonly PeerId[], actions: Action[]): void {
    if (peers.length > 0) this.#tellClaims(this.#ownClaims, peers, actions)
    this.#ownClaims = []
  }

  /**
   * Each word reaches nearly every node when everyone passes it on to a few: gossip, of which flooding is the costly end.
   * The few are a part of all, or a newcomer whose neighbours have many more than itself would miss words.
   */
  #flushPassed(peers: readonly PeerId[], random: Prng, actions: Action[]): void {
    const { claimFanOut, neighboursWanted } = this.#limits
    const toTell = Math.max(claimFanOut, Math.ceil((peers.length * claimFanOut) / Math.max(1, neighboursWanted)))
    const rest = [...peers]
    for (let told = 0; told < toTell && rest.length > 0; told++) {
      const position = random.below(rest.length)
      const peer = rest[position]
      const last = rest.pop()
      if (last !== undefined && position < rest.length) rest[position] = last
      if (peer === undefined) continue
      const claims = this.#passed.filter(({ from }) => from !== peer).map(({ claim }) => claim)
      if (claims.length > 0) this.#tellClaims(claims, [peer], actions)
    }
    this.#passed = []
    this.#passDueAt = undefined
  }

  #tellClaims(claims: readonly Claim[], to: readonly PeerId[], actions: Action[]): void {
    const { claimBatchMax } = this.#limits
    for (let start = 0; start < claims.length; start += claimBatchMax)
      actions.push({ type: 'tellClaims', claims: claims.slice(start, start + claimBatchMax), to })
  }

  #flushHaves(peers: readonly PeerId[], actions: Action[]): void {
    for (let start = 0; start < this.#haves.length && peers.length > 0; start += this.#limits.haveBatchMax) {
      actions.push({ type: 'tellHave', chunks: this.#haves.slice(start, start + this.#limits.haveBatchMax), to: peers })
    }
    this.#haves = []
    this.#havesDueAt = undefined
  }
}
