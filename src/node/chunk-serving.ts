// Answers what peers ask for: chunks when the scheduler says so, objects of the manifest at once.

import type { AskId, ObjectId } from '../base/ids.ts'
import type { Ask, Exchange } from '../exchange/exchange.ts'
import type { ChunkKeeper } from '../restore/chunk-keeper.ts'

export type ServeOutcome = 'sent' | 'failed' | 'lost'

export class ChunkServing {
  readonly #exchange: Exchange
  readonly #asks = new Map<AskId, Ask>()
  /** Encoded chunk bytes handed to peers. */
  sentBytes = 0

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  /** An object of the manifest: a few MiB that lie in memory. */
  serveObject(ask: Ask, objects: ReadonlyMap<ObjectId, Uint8Array>): void {
    const object = 'object' in ask.target ? objects.get(ask.target.object) : undefined
    if (object === undefined || ask.offset > object.length) {
      this.#exchange.refuse(ask.ask, 'missing')
      return
    }
    void this.#exchange.serve(ask.ask, object.subarray(ask.offset, ask.offset + ask.length))
  }

  /** Remembers an ask for a chunk until the scheduler has decided about it. */
  hold(ask: Ask): void {
    this.#asks.set(ask.ask, ask)
  }

  refuse(ask: AskId, reason: 'busy' | 'missing' | 'stopping'): void {
    this.#asks.delete(ask)
    this.#exchange.refuse(ask, reason)
  }

  forget(ask: AskId): void {
    this.#asks.delete(ask)
  }

  /** How many bytes of a chunk of `chunkBytes` an ask that is held wants; 0 for one that is gone. */
  bytesAsked(id: AskId, chunkBytes: number): number {
    const ask = this.#asks.get(id)
    return ask === undefined ? 0 : Math.max(0, Math.min(ask.length, chunkBytes - ask.offset))
  }

  /** `lost`: this node turned out not to have the chunk any more. */
  async serve(id: AskId, chunk: number, keeper: ChunkKeeper): Promise<ServeOutcome> {
    const ask = this.#asks.get(id)
    this.#asks.delete(id)
    if (ask === undefined) return 'failed'
    const slab = await keeper.read(chunk).catch(() => undefined)
    if (slab === undefined) {
      this.#exchange.refuse(id, 'missing')
      return 'lost'
    }
    try {
      const bytes = slab.bytes.subarray(ask.offset, ask.offset + ask.length)
      const outcome = await this.#exchange.serve(id, bytes)
      if (outcome === 'sent') this.sentBytes += bytes.length
      return outcome
    } finally {
      slab.release()
    }
  }
}
