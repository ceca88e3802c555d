// What is to be told to neighbours, gathered for a short time so that many small facts become few messages.

import type { ChunkIndex, PeerId } from '../base/ids.ts'
import type { Action, Claim } from './events.ts'
import type { Limits } from './limits.ts'

interface Verified {
  readonly chunk: ChunkIndex
  readonly at: number
}

export class Outbox {
  readonly #limits: Limits
  #haves: ChunkIndex[] = []
  #havesDueAt: number | undefined
  readonly #recent: Verified[] = []
  /** Words by the neighbour that told us, who need not hear them again; our own under undefined. */
  readonly #claims = new Map<PeerId | undefined, Claim[]>()
  #claimsDueAt: number | undefined

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

  /** A word of our own leaves at once, with whatever else waits. */
  addOwnClaim(claim: Claim, now: number): void {
    this.#addClaim(undefined, claim)
    this.#claimsDueAt = now
  }

  /** Another node's word, heard from `from`. */
  passClaim(claim: Claim, from: PeerId, now: number): void {
    this.#addClaim(from, claim)
    this.#claimsDueAt ??= now + this.#limits.claimDelayMs * 1000
  }

  nextDeadline(): number | undefined {
    if (this.#havesDueAt === undefined) return this.#claimsDueAt
    return Math.min(this.#havesDueAt, this.#claimsDueAt ?? this.#havesDueAt)
  }

  /** Moves what is due into `actions`. With nobody to tell, it is forgotten. */
  flush(now: number, peers: () => readonly PeerId[], actions: Action[]): void {
    if (this.#claimsDueAt !== undefined && now >= this.#claimsDueAt) this.#flushClaims(peers(), actions)
    if (this.#havesDueAt !== undefined && now >= this.#havesDueAt) this.#flushHaves(peers(), actions)
  }

  #addClaim(from: PeerId | undefined, claim: Claim): void {
    const list = this.#claims.get(from)
    if (list === undefined) this.#claims.set(from, [claim])
    else list.push(claim)
  }

  #flushClaims(peers: readonly PeerId[], actions: Action[]): void {
    for (const [from, claims] of this.#claims) {
      const to = peers.filter((peer) => peer !== from)
      if (to.length === 0) continue
      for (let start = 0; start < claims.length; start += this.#limits.claimBatchMax) {
        actions.push({ type: 'tellClaims', claims: claims.slice(start, start + this.#limits.claimBatchMax), to })
      }
    }
    this.#claims.clear()
    this.#claimsDueAt = undefined
  }

  #flushHaves(peers: readonly PeerId[], actions: Action[]): void {
    for (let start = 0; start < this.#haves.length && peers.length > 0; start += this.#limits.haveBatchMax) {
      actions.push({ type: 'tellHave', chunks: this.#haves.slice(start, start + this.#limits.haveBatchMax), to: peers })
    }
    this.#haves = []
    this.#havesDueAt = undefined
  }
}
