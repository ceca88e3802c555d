// A scheduler on a bench: events by hand, time by hand, and everything that it ever ordered.

import assert from 'node:assert/strict'
import { Bitfield } from '../../src/base/bitfield.ts'
import { chunkIndex, micros, type PeerId, peerId, type RequestId } from '../../src/base/ids.ts'
import type { Action, Claim, Event } from '../../src/swarm/events.ts'
import { parseLimits } from '../../src/swarm/limits.ts'
import { Scheduler } from '../../src/swarm/scheduler.ts'
import type { OriginPolicy } from '../../src/swarm/swarm-state.ts'

export const ANN = peerId('ann')
export const BOB = peerId('bob')
export const SELF = peerId('self')
export const CHUNK_BYTES = 1_000_000

export type Of<Type extends Action['type']> = Extract<Action, { type: Type }>

export interface Options {
  readonly chunks?: number
  readonly held?: readonly number[]
  readonly first?: readonly number[]
  readonly origin?: Partial<OriginPolicy>
  readonly limits?: Record<string, number>
  readonly seed?: number
}

/** A scheduler with everything that it ever ordered. */
export class Bench {
  readonly scheduler: Scheduler
  readonly chunks: number
  readonly actions: Action[] = []
  now = 0

  constructor(options: Options = {}) {
    this.chunks = options.chunks ?? 8
    const held = new Bitfield(this.chunks)
    for (const chunk of options.held ?? []) held.add(chunk)
    const first = new Bitfield(this.chunks)
    for (const chunk of options.first ?? []) first.add(chunk)
    this.scheduler = new Scheduler({
      self: SELF,
      chunkBytes: new Array<number>(this.chunks).fill(CHUNK_BYTES),
      held,
      first,
      limits: parseLimits(options.limits),
      seed: options.seed ?? 1,
      origin: { readable: true, mode: 'once', copiesMax: 2, ...options.origin },
    })
  }

  /** Steps one event and returns what it led to. */
  step(event: Event): readonly Action[] {
    const actions = this.scheduler.step(event, micros(this.now))
    this.actions.push(...actions)
    return actions
  }

  /** Lets time pass, waking the scheduler whenever it asked for it. */
  wait(ms: number): readonly Action[] {
    const until = this.now + ms * 1000
    const actions: Action[] = []
    for (;;) {
      const deadline = this.scheduler.nextDeadline()
      if (deadline === null || deadline > until) break
      this.now = Math.max(this.now, deadline)
      actions.push(...this.step({ type: 'wake' }))
    }
    this.now = until
    return actions
  }

  up(peer: PeerId, have: readonly number[] | 'all', readsOrigin = true): readonly Action[] {
    const field = have === 'all' ? Bitfield.full(this.chunks) : new Bitfield(this.chunks)
    if (have !== 'all') for (const chunk of have) field.add(chunk)
    return this.step({ type: 'peerUp', peer, have: field, readsOrigin, holdsAll: have === 'all', site: '' })
  }

  /** Brings an open request to its good end. */
  deliver(request: RequestId, ms = 10): readonly Action[] {
    this.now += ms * 1000
    this.step({ type: 'requestProgress', request, bytes: CHUNK_BYTES })
    return this.step({ type: 'chunkVerified', request })
  }

  all<Type extends Action['type']>(type: Type, from: readonly Action[] = this.actions): Of<Type>[] {
    return from.filter((action): action is Of<Type> => action.type === type)
  }

  /** Chunks asked of a source so far, `origin` or a peer. */
  asked(source: PeerId | 'origin', from: readonly Action[] = this.actions): Of<'requestChunk'>[] {
    return this.all('requestChunk', from).filter((action) =>
      action.from.kind === 'origin' ? source === 'origin' : action.from.peer === source,
    )
  }
}

export function first<Item>(items: readonly Item[]): Item {
  const [item] = items
  assert.ok(item !== undefined, 'nothing there')
  return item
}

export function claim(change: Partial<Claim>): Claim {
  const base = { holder: ANN, sequence: 1, chunk: chunkIndex(0), timeToLiveMs: 60_000, originRate: 0, hops: 0 }
  return { ...base, state: 'pulling', ...change }
}
