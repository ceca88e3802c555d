// Whom we serve: how many asks at once, in total and for one peer, in which order, and how many may wait. Peers take
// turns, so that one with many asks does not hold up one with few.

import type { AskId, ChunkIndex, PeerId } from '../base/ids.ts'
import type { Limits } from './limits.ts'

export interface Ask {
  readonly id: AskId
  readonly peer: PeerId
  readonly chunk: ChunkIndex
}

interface Client {
  readonly waiting: Ask[]
  serving: number
  /** The turn in which it was last served; the smallest goes next. */
  lastTurn: number
}

export class UploadSlots {
  readonly #limits: Limits
  readonly #clients = new Map<PeerId, Client>()
  readonly #serving = new Map<AskId, Ask>()
  #waiting = 0
  #turn = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get waiting(): number {
    return this.#waiting
  }

  get serving(): number {
    return this.#serving.size
  }

  /** False when a queue is full: the ask must be refused. */
  accept(ask: Ask): boolean {
    const client = this.#clients.get(ask.peer) ?? { waiting: [], serving: 0, lastTurn: this.#turn }
    if (this.#waiting >= this.#limits.uploadQueueMax) return false
    if (client.waiting.length >= this.#limits.uploadQueuePerPeerMax) return false
    this.#clients.set(ask.peer, client)
    client.waiting.push(ask)
    this.#waiting++
    return true
  }

  /**
   * waiting -> serving, for the ask whose turn it is, if a slot is free. Peers that are later than others, by `lateness`
   * from 0 on, go first; then those that are served least at present, so that the slots lead to as many downlinks as
   * there are; among equals the one whose last turn is longest ago.
   */
  startNext(lateness: (peer: PeerId) => number): Ask | undefined {
    if (this.#serving.size >= this.#limits.uploadSlots || this.#waiting === 0) return undefined
    let chosen: Client | undefined
    let chosenLate = 0
    for (const [peer, client] of this.#clients) {
      if (client.waiting.length === 0) continue
      const late = lateness(peer)
      const { uploadSlotsPerPeer, uploadSlotsPerLatePeer } = this.#limits
      if (client.serving >= (late > 0 ? uploadSlotsPerLatePeer : late < -1 ? 1 : uploadSlotsPerPeer)) continue
      if (chosen !== undefined && !comesBefore(client, late, chosen, chosenLate)) continue
      chosen = client
      chosenLate = late
    }
    const ask = chosen?.waiting.shift()
    if (chosen === undefined || ask === undefined) return undefined
    this.#waiting--
    chosen.serving++
    chosen.lastTurn = ++this.#turn
    this.#serving.set(ask.id, ask)
    return ask
  }

  /** serving -> gone. Returns the ask, or undefined when it was not being served. */
  finish(id: AskId): Ask | undefined {
    const ask = this.#serving.get(id)
    if (ask === undefined) return undefined
    this.#serving.delete(id)
    const client = this.#clients.get(ask.peer)
    if (client !== undefined) {
      client.serving--
      this.#forgetIdle(ask.peer, client)
    }
    return ask
  }

  /** waiting -> gone. An ask that is being served ends by finish(). */
  cancel(id: AskId): void {
    for (const [peer, client] of this.#clients) {
      const position = client.waiting.findIndex((ask) => ask.id === id)
      if (position < 0) continue
      client.waiting.splice(position, 1)
      this.#waiting--
      this.#forgetIdle(peer, client)
      return
    }
  }

  /** Takes out and returns what the peer has waiting; its asks that are being served end by finish(). */
  clear(peer: PeerId): readonly Ask[] {
    const client = this.#clients.get(peer)
    if (client === undefined) return []
    const asks = client.waiting.splice(0)
    this.#waiting -= asks.length
    this.#forgetIdle(peer, client)
    return asks
  }

  /** Takes out and returns every waiting ask that `match` chooses. */
  takeWaiting(match: (ask: Ask) => boolean): readonly Ask[] {
    const taken: Ask[] = []
    for (const client of this.#clients.values()) {
      for (let position = client.waiting.length - 1; position >= 0; position--) {
        const ask = client.waiting[position]
        if (ask === undefined || !match(ask)) continue
        client.waiting.splice(position, 1)
        this.#waiting--
        taken.push(ask)
      }
    }
    return taken
  }

  #forgetIdle(peer: PeerId, client: Client): void {
    if (client.serving === 0 && client.waiting.length === 0) this.#clients.delete(peer)
  }
}

function comesBefore(first: Client, firstLate: number, second: Client, secondLate: number): boolean {
  if (firstLate !== secondLate) return firstLate > secondLate
  if (first.serving !== second.serving) return first.serving < second.serving
  return first.lastTurn < second.lastTurn
}
