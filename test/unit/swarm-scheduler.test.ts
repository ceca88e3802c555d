import assert from 'node:assert/strict'
import { askId, chunkIndex, requestId } from '../../src/base/ids.ts'
import type { Action } from '../../src/swarm/events.ts'
import { ANN, Bench, BOB, CHUNK_BYTES, first } from '../support/scheduler-bench.ts'

describe('the scheduler', () => {
  it('asks for a wake at once, and a complete node for none', () => {
    const bench = new Bench({ chunks: 2, held: [0, 1] })
    assert.equal(bench.scheduler.nextDeadline(), 0)
    assert.deepEqual(
      bench.step({ type: 'wake' }).map((action) => action.type),
      ['complete'],
    )
    assert.equal(bench.scheduler.nextDeadline(), null)
  })

  it('drops a peer that sent wrong bytes twice, and does not take it back', () => {
    const bench = new Bench({ origin: { mode: 'never' } })
    bench.up(ANN, 'all')
    for (const { request } of bench.asked(ANN).slice(0, 2)) {
      bench.step({ type: 'requestFailed', request, reason: 'corrupt' })
    }
    assert.deepEqual(bench.all('dropPeer'), [{ type: 'dropPeer', peer: ANN, reason: 'corrupt' }])
    bench.step({ type: 'peerDown', peer: ANN })
    bench.up(ANN, 'all')
    assert.equal(bench.all('dropPeer').length, 2)
    assert.equal(bench.scheduler.status().peers.length, 0)
  })

  it('drops a peer that again and again does not have what it claims', () => {
    const bench = new Bench({ chunks: 30, origin: { mode: 'never' } })
    bench.up(ANN, 'all')
    for (let round = 0; round < 8; round++) {
      const { request } = first(bench.asked(ANN).slice(round))
      bench.step({ type: 'requestFailed', request, reason: 'missing' })
    }
    assert.deepEqual(bench.all('dropPeer'), [{ type: 'dropPeer', peer: ANN, reason: 'lying' }])
    assert.equal(new Set(bench.asked(ANN).map((action) => action.chunk)).size, bench.asked(ANN).length)
  })

  it('leaves a busy peer alone for a short while', () => {
    const bench = new Bench({ chunks: 1, origin: { mode: 'never' } })
    bench.up(ANN, 'all')
    bench.step({ type: 'requestFailed', request: first(bench.asked(ANN)).request, reason: 'busy' })
    bench.wait(49)
    assert.equal(bench.asked(ANN).length, 1)
    bench.wait(1)
    assert.equal(bench.asked(ANN).length, 2)
  })

  it('moves a request away from a peer that stalls, and gives that peer one chance at a time', () => {
    const bench = new Bench({ chunks: 4, origin: { mode: 'never' } })
    bench.up(ANN, 'all')
    const stalled = bench.asked(ANN).map((action) => action.request)
    assert.equal(stalled.length, 2)
    bench.up(BOB, [])
    bench.wait(10_300)
    assert.deepEqual(
      bench.all('cancelRequest').map((action) => action.request),
      stalled,
    )
    for (const request of stalled) bench.step({ type: 'requestFailed', request, reason: 'cancelled' })
    bench.wait(3_000)
    assert.equal(bench.asked(ANN).length, 3)
    const chance = first(bench.asked(ANN).slice(2))
    bench.deliver(chance.request)
    assert.equal(bench.asked(ANN).length, 5)
  })

  it('cancels the slower of two requests for one chunk when the first arrives', () => {
    const bench = new Bench({ chunks: 3, origin: { mode: 'never' } })
    bench.up(ANN, 'all')
    const [one, two] = bench.asked(ANN)
    assert.ok(one !== undefined && two !== undefined)
    bench.deliver(one.request)
    const slow = bench.asked(ANN).filter((action) => action.request !== one.request)
    assert.equal(slow.length, 2)
    // Bob has both chunks that Ann does not bring.
    bench.up(BOB, 'all')
    bench.wait(3_000)
    const doubled = bench.asked(BOB)
    assert.ok(doubled.length > 0)
    const { chunk, request } = first(doubled)
    const actions = bench.deliver(request)
    const loser = slow.find((action) => action.chunk === chunk)
    assert.deepEqual(
      bench.all('cancelRequest', actions).map((action) => action.request),
      [loser?.request],
    )
    // The loser arrives all the same: legal, and nothing is counted twice.
    bench.step({ type: 'chunkVerified', request: loser?.request ?? requestId(0) })
    assert.equal(bench.scheduler.status().chunksHeld, 2)
  })

  it('doubles no request while more is missing than an end', () => {
    for (const [held, doubles] of [
      [92, 0],
      [97, 1],
    ] as const) {
      const bench = new Bench({
        ...{ chunks: 100, held: Array.from({ length: held }, (_, chunk) => chunk), origin: { mode: 'never' } },
        limits: { requestsPerPeerMin: 8 },
      })
      bench.up(ANN, 'all')
      assert.equal(bench.asked(ANN).length, 100 - held)
      bench.deliver(first(bench.asked(ANN)).request)
      bench.up(BOB, 'all')
      bench.wait(3_000)
      assert.equal(Math.min(1, bench.asked(BOB).length), doubles, `${99 - held} are missing`)
    }
  })

  it('asks for no more than the memory holds until chunks are stored', () => {
    const bench = new Bench({
      chunks: 10,
      limits: { memoryBytesMax: 2 ** 20, requestsPerPeerMin: 4 },
      origin: { mode: 'never' },
    })
    bench.up(ANN, 'all')
    assert.equal(bench.asked(ANN).length, 1)
    const { request, chunk } = first(bench.asked(ANN))
    bench.deliver(request)
    assert.equal(bench.asked(ANN).length, 1)
    bench.step({ type: 'chunkStored', chunk })
    assert.equal(bench.asked(ANN).length, 2)
  })

  it('serves what it holds, refuses what it does not, and closes for business when it stops', () => {
    const bench = new Bench({ chunks: 4, held: [1], origin: { mode: 'never' } })
    bench.up(ANN, [])
    const ask = (id: number, chunk: number): readonly Action[] =>
      bench.step({ type: 'chunkAsked', peer: ANN, ask: askId(id), chunk: chunkIndex(chunk) })
    assert.deepEqual(ask(1, 1), [{ type: 'serveChunk', ask: 1, chunk: 1, peer: ANN }])
    assert.deepEqual(ask(2, 0), [{ type: 'refuseAsk', ask: 2, reason: 'missing' }])
    assert.deepEqual(ask(3, 4000), [{ type: 'refuseAsk', ask: 3, reason: 'missing' }])
    assert.deepEqual(bench.step({ type: 'stop' }), [{ type: 'tellStatus', progress: 'leaving', to: [ANN] }])
    assert.deepEqual(ask(4, 1), [{ type: 'refuseAsk', ask: 4, reason: 'stopping' }])
    assert.deepEqual(bench.step({ type: 'stop' }), [])
  })

  it('offers a chunk as soon as it is verified, before it is stored', () => {
    const bench = new Bench({ chunks: 1 })
    bench.step({ type: 'wake' })
    bench.up(ANN, [])
    const { request, chunk } = first(bench.asked('origin'))
    bench.deliver(request)
    const actions = bench.step({ type: 'chunkAsked', peer: ANN, ask: askId(1), chunk })
    assert.equal(bench.all('serveChunk', actions).length, 1)
  })

  it('serves more at once over an uplink that turns out to be fast', () => {
    const limits = { uploadSlots: 2, uploadSlotsMax: 5, uploadTogetherMs: 2000, uploadSlotsPerPeer: 8 }
    const bench = new Bench({ chunks: 16, held: Array.from({ length: 16 }, (_, chunk) => chunk), limits })
    bench.up(ANN, [])
    for (let id = 1; id <= 16; id++)
      bench.step({ type: 'chunkAsked', peer: ANN, ask: askId(id), chunk: chunkIndex(id - 1) })
    const serving = (): number => bench.all('serveChunk').length
    assert.equal(serving(), 2)
    for (let id = 1; id <= 8; id++) {
      bench.now += 200_000
      bench.step({ type: 'chunkServed', ask: askId(id), outcome: 'sent', bytes: CHUNK_BYTES })
    }
    assert.equal(serving(), 8 + 5)
  })

  it('wants a lost chunk again and refuses those who wait for it', () => {
    const bench = new Bench({ chunks: 2, held: [0, 1], limits: { uploadSlots: 1 }, origin: { readable: true } })
    bench.up(ANN, [])
    for (const id of [1, 2]) bench.step({ type: 'chunkAsked', peer: ANN, ask: askId(id), chunk: chunkIndex(0) })
    const actions = bench.step({ type: 'chunkLost', chunk: chunkIndex(0) })
    assert.deepEqual(bench.all('refuseAsk', actions), [{ type: 'refuseAsk', ask: 2, reason: 'missing' }])
    // It may be in Ann's share: she has a moment to read it.
    bench.wait(3_000)
    assert.deepEqual(
      bench.asked('origin').map((action) => action.chunk),
      [0],
    )
  })

  it('looks for peers at once, at intervals, and when one is lost, but not when it is complete', () => {
    const bench = new Bench({ chunks: 1, origin: { readable: false } })
    bench.step({ type: 'wake' })
    bench.wait(11_000)
    assert.equal(bench.all('findPeers').length, 3)
    bench.up(ANN, [])
    bench.step({ type: 'peerDown', peer: ANN })
    assert.equal(bench.all('findPeers').length, 4)
  })

  it('tells a new neighbour its live claims, its last chunks and that it is done', () => {
    const bench = new Bench({ chunks: 2 })
    bench.step({ type: 'wake' })
    bench.deliver(first(bench.asked('origin')).request)
    const greeted = bench.up(ANN, [])
    assert.equal(bench.all('tellHave', greeted).length, 1)
    assert.equal(bench.all('tellClaims', greeted)[0]?.claims[0]?.state, 'pulling')
    const done = new Bench({ chunks: 1 })
    done.step({ type: 'wake' })
    done.deliver(first(done.asked('origin')).request)
    done.step({ type: 'chunkStored', chunk: chunkIndex(0) })
    assert.deepEqual(done.all('tellStatus', done.up(ANN, [])), [{ type: 'tellStatus', progress: 'done', to: [ANN] }])
  })

  it('gives the same actions for the same events and seed, and others for another seed', () => {
    const play = (seed: number): string => {
      const bench = new Bench({ chunks: 50, seed })
      bench.up(ANN, 'all')
      bench.up(BOB, [])
      for (let round = 0; round < 30; round++) {
        const open = bench.all('requestChunk')[round]
        if (open !== undefined) bench.deliver(open.request)
      }
      bench.wait(5_000)
      return JSON.stringify(bench.actions)
    }
    assert.equal(play(1), play(1))
    assert.notEqual(play(1), play(2))
  })
})
