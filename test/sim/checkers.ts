// What must hold at every step of every simulation: no chunk is asked for that is held, none is served that is not, each
// request has its own number, and no limit is passed. A broken rule names the seed.

import assert from 'node:assert/strict'
import type { ChunkIndex } from '../../src/base/ids.ts'
import type { Action } from '../../src/swarm/events.ts'
import type { Limits } from '../../src/swarm/limits.ts'
import type { SimNode } from './node.ts'

export class Checks {
  readonly #seed: number
  readonly #limits: Limits
  readonly #lastRequest = new Map<SimNode, number>()
  readonly #completed = new Set<SimNode>()

  constructor(seed: number, limits: Limits) {
    this.#seed = seed
    this.#limits = limits
  }

  action(node: SimNode, action: Action): void {
    if (action.type === 'requestChunk') {
      const last = this.#lastRequest.get(node) ?? 0
      this.#check(node, action.request > last, `request ${action.request} comes after ${last}`)
      this.#lastRequest.set(node, action.request)
      this.#check(node, !node.held.has(action.chunk), `chunk ${action.chunk} is asked for and held`)
    }
    if (action.type === 'complete') {
      this.#check(node, !this.#completed.has(node), 'complete is said twice')
      this.#check(node, node.held.complete, 'complete is said with chunks missing')
      this.#completed.add(node)
    }
  }

  /** A request goes on where kept bytes end; of a whole chunk that was never proven the last byte is asked again. */
  begins(node: SimNode, offset: number, kept: number): void {
    const fits = offset === 0 || kept === offset || kept === offset + 1
    this.#check(node, fits, `a request goes on at ${offset} with ${kept} bytes kept`)
  }

  serves(node: SimNode, chunk: ChunkIndex): void {
    this.#check(node, node.held.has(chunk), `chunk ${chunk} is served and not held`)
  }

  after(node: SimNode, deadline: number | null): void {
    const { requestsOpen: open, keptCount } = node.payload
    this.#check(node, open <= this.#limits.requestsOpenMax, `${open} requests open`)
    const { beginningsMax, memoryBytesMax } = this.#limits
    this.#check(node, keptCount <= beginningsMax + node.eventsWaiting, `${keptCount} beginnings kept`)
    const memoryBytes = keptCount === 0 ? 0 : node.payload.memoryBytes
    this.#check(node, memoryBytes <= memoryBytesMax, `${memoryBytes} bytes in memory beside beginnings`)
    this.#check(node, deadline !== null || node.held.complete, 'nothing more will happen, and chunks are missing')
  }

  #check(node: SimNode, holds: boolean, what: string): void {
    assert.ok(holds, `node ${node.index}, seed ${this.#seed}: ${what}`)
  }
}
