// Rendezvous hashing: every node that knows the same members gives a chunk to the same one of them, without a word said.
// It states a preference only. Nothing breaks when members know different members.

import { Bitfield } from '../base/bitfield.ts'
import type { PeerId } from '../base/ids.ts'
import { hashText, mix32 } from '../base/prng.ts'

/** Whether `first` comes before `second` for the chunk. Total: equal ranks go to the greater id. */
export function outranks(first: PeerId, second: PeerId, chunk: number): boolean {
  return comesFirst(first, mix32(hashText(first), chunk), second, mix32(hashText(second), chunk))
}

/** The share of one node among the members that it knows. A change of members costs one pass over the chunks. */
export class RendezvousShare {
  readonly #self: PeerId
  readonly #selfHash: number
  readonly #membersMax: number
  readonly #members = new Map<PeerId, number>()
  /** Of the other members, who is first for each chunk, and with which rank. */
  readonly #winner: (PeerId | undefined)[]
  readonly #winnerRank: Uint32Array
  readonly #mine: Bitfield
  readonly #changed: (chunk: number) => void

  /** `changed` is called for every chunk that enters or leaves our share. Members past `membersMax` are not counted. */
  constructor(chunkCount: number, self: PeerId, membersMax: number, changed: (chunk: number) => void) {
    this.#self = self
    this.#selfHash = hashText(self)
    this.#membersMax = membersMax
    this.#winner = new Array<PeerId | undefined>(chunkCount).fill(undefined)
    this.#winnerRank = new Uint32Array(chunkCount)
    this.#mine = Bitfield.full(chunkCount)
    this.#changed = changed
  }

  /** Members that we know, ourselves among them. */
  get size(): number {
    return this.#members.size + 1
  }

  isMine(chunk: number): boolean {
    return this.#mine.has(chunk)
  }

  add(member: PeerId): void {
    if (member === this.#self || this.#members.has(member) || this.#members.size >= this.#membersMax) return
    const hash = hashText(member)
    this.#members.set(member, hash)
    for (let chunk = 0; chunk < this.#mine.size; chunk++) this.#consider(chunk, member, mix32(hash, chunk))
  }

  remove(member: PeerId): void {
    if (!this.#members.delete(member)) return
    for (let chunk = 0; chunk < this.#mine.size; chunk++) {
      if (this.#winner[chunk] !== member) continue
      this.#winner[chunk] = undefined
      this.#setMine(chunk, true)
      for (const [other, hash] of this.#members) this.#consider(chunk, other, mix32(hash, chunk))
    }
  }

  #consider(chunk: number, member: PeerId, rank: number): void {
    const winner = this.#winner[chunk]
    if (winner !== undefined && !comesFirst(member, rank, winner, this.#winnerRank[chunk] ?? 0)) return
    this.#winner[chunk] = member
    this.#winnerRank[chunk] = rank
    this.#setMine(chunk, comesFirst(this.#self, mix32(this.#selfHash, chunk), member, rank))
  }

  #setMine(chunk: number, mine: boolean): void {
    if (mine ? this.#mine.add(chunk) : this.#mine.remove(chunk)) this.#changed(chunk)
  }
}

function comesFirst(first: PeerId, firstRank: number, second: PeerId, secondRank: number): boolean {
  return firstRank === secondRank ? first > second : firstRank > secondRank
}
