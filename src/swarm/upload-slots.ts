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

/** A client that could be served next, and which of its asks. */
interface Turn {
  readonly client: Client
  readonly late: number
  readonly isLone: boolean
  readonly position: number
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

  /** Whether the peer asks for something, be it served or waiting. */
  isClient(peer: PeerId): boolean {
    return this.#clients.has(peer)
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
   * waiting -> serving, for the ask whose turn it is, if fewer than `slots` are served. Peers that ask for what only we have
   * and no other is being sent, `isLone`, go first; then those that are later than others, by `lateness` from 0 on; then
   * those that are served least at present, so that the slots lead to as many downlinks as there are; among equals the one
   * whose last turn is longest ago.
   */
  startNext(
    slots: number,
    lateness: (peer: PeerId) => number,
    isLone: (chunk: ChunkIndex) => boolean,
  ): Ask | undefined {
    if (this.#serving.size >= slots || this.#waiting === 0) return undefined
    let chosen: Turn | undefined
    for (const [peer, client] of this.#clients) {
      if (client.waiting.length === 0) continue
      const late = lateness(peer)
      if (client.serving >= this.#slotsFor(late)) continue
      const position = client.waiting.findIndex(({ chunk }) => isLone(chunk) && !this.#isServing(chunk))
      const turn = { client, late, isLone: position >= 0, position: Math.max(0, position) }
      if (chosen === undefined || comesBefore(turn, chosen)) chosen = turn
    }
    const client = chosen?.client
    const ask = client?.waiting.splice(chosen?.position ?? 0, 1)[0]
    if (client === undefined || ask === undefined) return undefined
    this.#waiting--
    client.serving++
    client.lastTurn = ++this.#turn
    this.#serving.set(ask.id, ask)
    return ask
  }

  #slotsFor(late: number): number {
    if (late > 0) return this.#limits.uploadSlotsPerLatePeer
    return late < -1 ? 1 : this.#limits.uploadSlotsPerPeer
  }

  #isServing(chunk: ChunkIndex): boolean {
    for (const ask of this.#serving.values()) if (ask.chunk === chunk) return true
    return false
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

function comesBefore(first: Turn, second: Turn): boolean {
  if (first.isLone !== second.isLone) return first.isLone
  if (first.late !== second.late) return first.late > second.late
  if (first.client.serving !== second.client.serving) return first.client.serving < second.client.serving
  return first.client.lastTurn < second.client.lastTurn
}
