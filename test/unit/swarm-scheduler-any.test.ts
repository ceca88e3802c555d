import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Bitfield } from '../../src/base/bitfield.ts'
import { askId, chunkIndex, peerId, type RequestId, requestId } from '../../src/base/ids.ts'
import type { Event } from '../../src/swarm/events.ts'
import { parseLimits } from '../../src/swarm/limits.ts'
import { ANN, Bench, BOB, CHUNK_BYTES, SELF } from '../support/scheduler-bench.ts'
import { ShellMemory } from '../support/shell-memory.ts'

describe('the scheduler under any events', () => {
  const peer = fc.constantFrom(ANN, BOB, peerId('carl'))
  const chunk = fc.integer({ min: 0, max: 12 }).map(chunkIndex)
  const request = fc.integer({ min: 1, max: 40 }).map(requestId)
  const ask = fc.integer({ min: 1, max: 12 }).map(askId)
  const heard = fc.record({
    holder: fc.constantFrom(ANN, BOB, SELF, peerId('stranger')),
    sequence: fc.integer({ min: -1, max: 20 }),
    chunk,
    state: fc.constantFrom('pulling', 'held', 'dropped'),
    timeToLiveMs: fc.integer({ min: 0, max: 1e6 }),
    originRate: fc.integer({ min: 0, max: 1e6 }),
    hops: fc.integer({ min: 0, max: 100 }),
  })
  const have = fc.array(fc.nat(7)).map((indexes) => {
    const field = new Bitfield(8)
    for (const index of indexes) field.add(index)
    return field
  })
  const reason = fc.constantFrom('busy', 'missing', 'corrupt', 'broken', 'unavailable', 'cancelled')
  const event: fc.Arbitrary<Event> = fc.oneof(
    fc.record({
      type: fc.constant('peerUp'),
      peer,
      have,
      readsOrigin: fc.boolean(),
      holdsAll: fc.boolean(),
      site: fc.constantFrom('', 'a', 'b'),
    }),
    fc.record({ type: fc.constant('peerHas'), peer, chunks: fc.array(chunk, { maxLength: 5 }) }),
    fc.record({ type: fc.constant('peerStatus'), peer, progress: fc.constantFrom('partial', 'done', 'leaving') }),
    fc.record({ type: fc.constant('peerDown'), peer }),
    fc.record({ type: fc.constant('claimsHeard'), from: peer, claims: fc.array(heard, { maxLength: 4 }) }),
    fc.record({ type: fc.constant('requestProgress'), request, bytes: fc.nat(CHUNK_BYTES) }),
    fc.record({ type: fc.constant('chunkVerified'), request }),
    fc.record({ type: fc.constant('requestFailed'), request, reason }),
    fc.record({ type: fc.constant('chunkStored'), chunk }),
    fc.record({ type: fc.constant('chunkLost'), chunk }),
    fc.record({ type: fc.constant('chunkAsked'), peer, ask, chunk }),
    fc.record({ type: fc.constant('askCancelled'), ask }),
    fc.record({
      type: fc.constant('chunkServed'),
      ask,
      outcome: fc.constantFrom('sent', 'failed'),
      bytes: fc.nat(CHUNK_BYTES),
    }),
    fc.record({ type: fc.constant('originChanged'), readable: fc.boolean() }),
    fc.record({ type: fc.constant('wake') }),
  )

  it('keeps its tables in step, goes on where kept bytes end, and finishes when all is delivered', () => {
    const some = fc.array(fc.tuple(event, fc.nat(5_000)), { maxLength: 80 })
    const change = fc.constantFrom({}, { beginningsMax: 2 }, { memoryBytesMax: 4 * CHUNK_BYTES })
    fc.assert(
      fc.property(some, change, fc.nat(), (events, limits, seed) => {
        const bench = new Bench({ seed, limits, origin: { mode: 'auto' } })
        const memory = new ShellMemory(parseLimits(limits))
        const step = (one: Event): void => {
          memory.event(one)
          memory.actions(bench.step(one))
          assert.ok(memory.open.size <= 256)
        }
        for (const [one, waitMs] of events) {
          step(one)
          memory.actions(bench.wait(waitMs))
        }
        for (const name of [ANN, BOB, peerId('carl')]) step({ type: 'peerDown', peer: name })
        for (const request of [...memory.open.keys()]) step({ type: 'requestFailed', request, reason: 'broken' })
        step({ type: 'originChanged', readable: true })
        finish(bench)
        assert.equal(bench.scheduler.status().requestsOpen, 0)
      }),
      { numRuns: 300, seed: 11 },
    )
  })

  /** Delivers whatever is asked until everything is held. */
  function finish(bench: Bench): void {
    const closed = new Set<RequestId>()
    for (let round = 0; round < 400 && bench.scheduler.status().chunksHeld < bench.chunks; round++) {
      for (const { request, chunk } of bench.all('requestChunk')) {
        if (closed.has(request)) continue
        closed.add(request)
        bench.deliver(request)
        bench.step({ type: 'chunkStored', chunk })
      }
      bench.wait(1_000)
    }
    assert.equal(bench.scheduler.status().chunksHeld, bench.chunks)
  }
})
