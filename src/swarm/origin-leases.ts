// Who reads which chunk from the origin: our own leases, the words of others, and which missing chunks nobody seems to
// have taken. Words arrive late, twice and out of order; a word is a preference with an end, never a lock.

import { Bitfield } from '../base/bitfield.ts'
import { type ChunkIndex, chunkIndex, type PeerId } from '../base/ids.ts'
import type { Prng } from '../base/prng.ts'
import type { Claim } from './events.ts'
import { IndexBuckets, NO_BUCKET } from './index-buckets.ts'
import type { Limits } from './limits.ts'
import { outranks } from './rendezvous.ts'
import { SequenceWindow } from './sequence-window.ts'

/** What another node said last about a chunk that we do not hold. */
export interface Word {
  readonly holder: PeerId
  readonly sequence: number
  readonly state: 'pulling' | 'held'
  /** The first word about this pull; refreshing does not change it. */
  readonly since: number
  expiresAt: number
  readonly originRate: number
}

interface Lease {
  /** What we said last, and when; none for one more copy of what neighbours hold: nobody needs to keep away from it. */
  word: Claim | undefined
  saidAt: number
}

/** A missing chunk that no peer holds is in one of these. */
export const FREE_IN_SHARE = 0
export const FREE_ELSEWHERE = 1
export const CLAIMED = 2
export const HELD_BY_STRANGER = 3
/** Free like the first two, and wanted before all others. */
const FIRST_IN_SHARE = 4
const FIRST_ELSEWHERE = 5

/** In the order in which they are taken. */
const FREE = [FIRST_IN_SHARE, FIRST_ELSEWHERE, FREE_IN_SHARE, FREE_ELSEWHERE]

/** How many chunks of a bucket one search looks at. */
const SEARCH_MAX = 32
/** How many claims one pass looks at for their end. */
const EXPIRY_MAX = 256
/** Words of a node that seems to see every other node travel one hop, but for its first ones and every eighth. */
const FLOOD_FIRST = 8
const FLOOD_EVERY = 8

export class OriginLeases {
  readonly #self: PeerId
  readonly #limits: Limits
  readonly #random: Prng
  readonly #words = new Map<number, Word[]>()
  readonly #seen = new Map<PeerId, SequenceWindow>()
  readonly #leases = new Map<number, Lease>()
  readonly #buckets: IndexBuckets
  readonly #absent: Bitfield
  readonly #first: Bitfield
  #sequence = 0
  #strangers = 0
  #expiryCursor = 0

  /** `first`: chunks that are taken before all others. Read, not kept. */
  constructor(self: PeerId, chunkCount: number, limits: Limits, random: Prng, first = new Bitfield(chunkCount)) {
    this.#self = self
    this.#limits = limits
    this.#random = random
    this.#buckets = new IndexBuckets(chunkCount, 6)
    this.#absent = new Bitfield(chunkCount)
    this.#first = first.copy()
  }

  /** Chunks that the origin said it does not have. */
  get absent(): Bitfield {
    return this.#absent
  }

  get freeCount(): number {
    return FREE.reduce((sum, bucket) => sum + this.#buckets.count(bucket), 0)
  }

  /** Sorts a chunk in. `needed`: missing, not asked for, and no peer that counts holds it. */
  place(chunk: number, needed: boolean, inShare: boolean, now: number): void {
    if (!needed || this.#absent.has(chunk)) {
      this.#buckets.move(chunk, NO_BUCKET)
      return
    }
    this.#buckets.move(chunk, this.#claimBucket(chunk, now) ?? this.#freeBucket(chunk, inShare))
  }

  /** Free chunks that others are to take first, but for those that come before all others. */
  get freeElsewhereCount(): number {
    return this.#buckets.count(FREE_ELSEWHERE)
  }

  /** Free chunks that we are to take first. */
  get freeInShareCount(): number {
    return this.#buckets.count(FREE_IN_SHARE)
  }

  /**
   * A chunk that nobody has taken as far as we know: what comes before all others, then our share, then the rest if we may
   * take of it.
   */
  pickFree(mayTakeElsewhere: boolean): number | undefined {
    for (const bucket of FREE) {
      const count = this.#buckets.count(bucket)
      if (count === 0 || (bucket === FREE_ELSEWHERE && !mayTakeElsewhere)) continue
      return this.#buckets.at(bucket, this.#random.below(count))
    }
    return undefined
  }

  /** A chunk of the bucket for which `match` holds for every word about it that still counts. Looks at SEARCH_MAX chunks at most. */
  search(bucket: number, now: number, match: (word: Word, chunk: number) => boolean): number | undefined {
    const count = this.#buckets.count(bucket)
    if (count === 0) return undefined
    const start = this.#random.below(count)
    for (let step = 0; step < Math.min(count, SEARCH_MAX); step++) {
      const chunk = this.#buckets.at(bucket, (start + step) % count)
      const words = this.#words.get(chunk) ?? []
      if (words.every((word) => isOver(word, now) || match(word, chunk))) return chunk
    }
    return undefined
  }

  /** Chunks whose claims have ended since they were sorted in, EXPIRY_MAX looked at. The caller places them again. */
  expired(now: number): readonly number[] {
    const count = this.#buckets.count(CLAIMED)
    const found: number[] = []
    for (let step = 0; step < Math.min(count, EXPIRY_MAX); step++) {
      const chunk = this.#buckets.at(CLAIMED, (this.#expiryCursor + step) % count)
      if (this.#claimBucket(chunk, now) !== CLAIMED) found.push(chunk)
    }
    this.#expiryCursor = count === 0 ? 0 : (this.#expiryCursor + EXPIRY_MAX) % count
    return found
  }

  /**
   * Takes in a word of another node. False when it was heard before or its holder is one too many. With `counts`
   * false (we hold the chunk, or the holder was dropped) it is only marked as heard. The caller places the chunk again
   * and decides whether to pass the word on.
   */
  hear(claim: Claim, counts: boolean, now: number): boolean {
    let window = this.#seen.get(claim.holder)
    if (window === undefined) {
      if (this.#seen.size >= this.#limits.claimHoldersMax) return false
      window = new SequenceWindow()
      this.#seen.set(claim.holder, window)
    }
    if (!window.add(claim.sequence)) return false
    if (counts) this.#setWord(claim, now)
    return true
  }

  /** A word came again from its holder, whom we had lost meanwhile. False when it no longer matters. */
  renew(claim: Claim, now: number): boolean {
    const word = this.#words.get(claim.chunk)?.find(({ holder }) => holder === claim.holder)
    if (word === undefined || word.sequence !== claim.sequence || word.state !== 'pulling') return false
    word.expiresAt = Math.max(word.expiresAt, this.#endOf(claim, now))
    return true
  }

  /** A neighbour is gone: what it held no longer counts, what it pulled counts for a short grace. */
  forgetHolder(holder: PeerId, now: number): readonly number[] {
    const touched: number[] = []
    const end = now + this.#limits.claimGraceMs * 1000
    for (const [chunk, words] of this.#words) {
      const word = words.find((one) => one.holder === holder)
      if (word === undefined) continue
      word.expiresAt = Math.min(word.expiresAt, end)
      if (word.state === 'held') this.#dropWord(chunk, holder)
      touched.push(chunk)
    }
    return touched
  }

  /** The chunk is ours now: words about it no longer matter. */
  forgetChunk(chunk: number): void {
    this.#words.delete(chunk)
  }

  /** Takes a lease and returns the word to tell, none for a copy. `expectedMs`: how long the pull should take, 0 when unknown. */
  take(chunk: number, isCopy: boolean, originRate: number, expectedMs: number, now: number): Claim | undefined {
    const { claimTimeToLiveMinMs, claimTimeToLiveMaxMs, claimTimeToLiveFirstMs } = this.#limits
    const wanted = expectedMs === 0 ? claimTimeToLiveFirstMs : expectedMs * 3
    const timeToLiveMs = Math.min(claimTimeToLiveMaxMs, Math.max(claimTimeToLiveMinMs, wanted))
    const word = isCopy ? undefined : this.#word(chunkIndex(chunk), 'pulling', timeToLiveMs, originRate)
    this.#leases.set(chunk, { word, saidAt: now })
    return word
  }

  /** Whether we read the chunk from the origin although neighbours hold it. */
  isCopy(chunk: number): boolean {
    const lease = this.#leases.get(chunk)
    return lease !== undefined && lease.word === undefined
  }

  /** Ends a lease, if there is one, and returns the word to tell. */
  end(chunk: number, state: 'held' | 'dropped'): Claim | undefined {
    const lease = this.#leases.get(chunk)
    if (lease === undefined) return undefined
    this.#leases.delete(chunk)
    if (lease.word !== undefined) return this.#word(lease.word.chunk, state, 0, 0)
    // Neighbours count the copies that left the origin.
    return state === 'held' ? { ...this.#word(chunkIndex(chunk), state, 0, 0), hops: 0 } : undefined
  }

  /** Ends a lease without a word. */
  forgetLease(chunk: number): void {
    this.#leases.delete(chunk)
  }

  /** The word that keeps a lease alive, once half of its time is over. */
  refresh(chunk: number, originRate: number, now: number): Claim | undefined {
    const lease = this.#leases.get(chunk)
    if (lease?.word === undefined || now < lease.saidAt + lease.word.timeToLiveMs * 500) return undefined
    lease.word = this.#word(lease.word.chunk, 'pulling', lease.word.timeToLiveMs, originRate)
    lease.saidAt = now
    return lease.word
  }

  /** Our words about all our leases, for a new neighbour, as we said them before: new ones would make older ones seem too old. */
  current(now: number): readonly Claim[] {
    const words: Claim[] = []
    for (const { word, saidAt } of this.#leases.values()) {
      if (word === undefined) continue
      const restMs = word.timeToLiveMs - Math.floor((now - saidAt) / 1000)
      if (restMs > 0) words.push({ ...word, timeToLiveMs: restMs })
    }
    return words
  }

  /** What others said, as far as it counts, `limit` words at most: for a new neighbour that heard none of it. */
  heard(limit: number, now: number): readonly Claim[] {
    const found: Claim[] = []
    for (const [chunk, words] of this.#words)
      for (const { holder, sequence, state, expiresAt, originRate } of words) {
        const timeToLiveMs = state === 'held' ? 0 : Math.ceil((expiresAt - now) / 1000)
        if (timeToLiveMs < 0 || found.length >= limit) continue
        found.push({ holder, sequence, chunk: chunkIndex(chunk), state, timeToLiveMs, originRate, hops: 0 })
      }
    // An older word counts as heard when a much newer one came before it.
    return found.sort((left, right) => left.sequence - right.sequence)
  }

  /**
   * Of those that pull one chunk the one with the origin rate of the highest class goes on, a class being a doubling, and of
   * those in one class the one that ranks first. Judged by what each said last, so that all come to the same.
   */
  yieldsTo(claim: Claim): boolean {
    const ours = rateClass(this.#leases.get(claim.chunk)?.word?.originRate ?? 0)
    const theirs = rateClass(claim.originRate)
    return theirs === ours ? outranks(claim.holder, this.#self, claim.chunk) : theirs > ours
  }

  /** Whether words must travel past neighbours: some node that reads the origin is not among them. */
  #mustFlood(): boolean {
    return this.#strangers > 0 || this.#sequence < FLOOD_FIRST || this.#sequence % FLOOD_EVERY === 0
  }

  /** How many nodes we heard of that are not our neighbours. */
  setStrangers(isNeighbour: (holder: PeerId) => boolean): void {
    this.#strangers = 0
    for (const holder of this.#seen.keys()) if (!isNeighbour(holder)) this.#strangers++
  }

  /** We heard for the first time of a node that is not our neighbour. */
  addStranger(): void {
    this.#strangers++
  }

  isKnown(holder: PeerId): boolean {
    return this.#seen.has(holder)
  }

  #word(chunk: ChunkIndex, state: Claim['state'], timeToLiveMs: number, originRate: number): Claim {
    const hops = this.#mustFlood() ? this.#limits.claimHopsMax : 0
    return { holder: this.#self, sequence: ++this.#sequence, chunk, state, timeToLiveMs, originRate, hops }
  }

  #setWord(claim: Claim, now: number): void {
    const words = this.#words.get(claim.chunk)
    const before = words?.find((word) => word.holder === claim.holder)
    // An older word that arrives late must not undo a newer one about the same chunk.
    if (before !== undefined && claim.sequence < before.sequence) return
    if (before !== undefined) this.#dropWord(claim.chunk, claim.holder)
    if (claim.state === 'dropped') return
    const rest = words?.filter((word) => word !== before && !isOver(word, now)) ?? []
    if (rest.length >= this.#limits.claimsPerChunkMax) return
    rest.push({
      holder: claim.holder,
      sequence: claim.sequence,
      state: claim.state,
      since: before?.state === claim.state ? before.since : now,
      expiresAt: this.#endOf(claim, now),
      originRate: claim.originRate,
    })
    this.#words.set(claim.chunk, rest)
  }

  #endOf(claim: Claim, now: number): number {
    return now + Math.min(claim.timeToLiveMs, this.#limits.claimTimeToLiveMaxMs) * 1000
  }

  #dropWord(chunk: number, holder: PeerId): void {
    const rest = (this.#words.get(chunk) ?? []).filter((word) => word.holder !== holder)
    if (rest.length === 0) this.#words.delete(chunk)
    else this.#words.set(chunk, rest)
  }

  #freeBucket(chunk: number, inShare: boolean): number {
    if (this.#first.has(chunk)) return inShare ? FIRST_IN_SHARE : FIRST_ELSEWHERE
    return inShare ? FREE_IN_SHARE : FREE_ELSEWHERE
  }

  #claimBucket(chunk: number, now: number): number | undefined {
    const words = this.#words.get(chunk)
    if (words === undefined) return undefined
    if (words.some((word) => word.state === 'held')) return HELD_BY_STRANGER
    return words.some((word) => !isOver(word, now)) ? CLAIMED : undefined
  }
}

/** A pull that should have ended. */
function isOver(word: Word, now: number): boolean {
  return word.state === 'pulling' && word.expiresAt <= now
}

/** Rates of one class differ by less than a factor of two; one that is not known is below all others. */
function rateClass(rate: number): number {
  return 32 - Math.clz32(rate)
}
