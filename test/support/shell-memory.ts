// What a shell has in memory while it does what a scheduler orders, by the rules of events.ts. Fails when an order breaks
// one of them or a limit.

import assert from 'node:assert/strict'
import type { RequestId } from '../../src/base/ids.ts'
import type { Action, Event } from '../../src/swarm/events.ts'
import type { Limits } from '../../src/swarm/limits.ts'
import { CHUNK_BYTES } from './scheduler-bench.ts'

interface Open {
  readonly chunk: number
  readonly offset: number
  received: number
}

export class ShellMemory {
  readonly open = new Map<RequestId, Open>()
  readonly #kept = new Map<number, number>()
  readonly #held = new Set<number>()
  readonly #storing = new Set<number>()
  readonly #limits: Limits

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Before the scheduler is told. */
  event(event: Event): void {
    if (event.type === 'chunkStored' || event.type === 'chunkLost') this.#storing.delete(event.chunk)
    if (event.type === 'chunkLost') this.#held.delete(event.chunk)
    const request = 'request' in event ? this.open.get(event.request) : undefined
    if (request === undefined) return
    const { chunk, offset } = request
    switch (event.type) {
      case 'requestProgress':
        request.received = Math.min(CHUNK_BYTES - offset, request.received + event.bytes)
        break
      case 'requestFailed':
        this.open.delete(event.request)
        if (event.reason !== 'corrupt') this.#keep(chunk, offset + request.received)
        break
      case 'chunkVerified':
        this.open.delete(event.request)
        if (!this.#held.has(chunk)) this.#storing.add(chunk)
        this.#held.add(chunk)
        break
    }
  }

  /** What the scheduler ordered then. */
  actions(actions: readonly Action[]): void {
    for (const action of actions) {
      if (action.type === 'dropBeginning') assert.ok(this.#kept.delete(action.chunk), 'there is nothing to drop')
      if (action.type === 'requestChunk') this.#request(action)
    }
    assert.ok(this.#kept.size <= this.#limits.beginningsMax, `${this.#kept.size} beginnings kept`)
    for (const chunk of this.#kept.keys()) assert.ok(!this.#held.has(chunk), `chunk ${chunk} is kept in part and held`)
    const bytes = (this.open.size + this.#kept.size + this.#storing.size) * CHUNK_BYTES
    assert.ok(this.#kept.size === 0 || bytes <= this.#limits.memoryBytesMax, `${bytes} bytes in memory`)
  }

  #request({ request, chunk, offset }: Extract<Action, { type: 'requestChunk' }>): void {
    const kept = this.#kept.get(chunk) ?? 0
    assert.ok(offset === 0 || offset === Math.min(CHUNK_BYTES - 1, kept), `goes on at ${offset} with ${kept} kept`)
    if (offset > 0) this.#kept.delete(chunk)
    this.open.set(request, { chunk, offset, received: 0 })
  }

  #keep(chunk: number, bytes: number): void {
    if (bytes > (this.#kept.get(chunk) ?? 0)) this.#kept.set(chunk, bytes)
  }
}
