// What the scheduler does with what arrived of a chunk when its request is given up.

import assert from 'node:assert/strict'
import { Bitfield } from '../../src/base/bitfield.ts'
import { askId, chunkIndex, type PeerId, peerId, type RequestId } from '../../src/base/ids.ts'
import { ChunkBeginnings } from '../../src/swarm/chunk-beginnings.ts'
import type { FailReason } from '../../src/swarm/events.ts'
import { parseLimits } from '../../src/swarm/limits.ts'
import { RequestTable } from '../../src/swarm/request-table.ts'
import { SwarmState } from '../../src/swarm/swarm-state.ts'
import { UploadPolicy } from '../../src/swarm/upload-policy.ts'
import { ANN, Bench, BOB, CHUNK_BYTES, first, type Of, type Options, SELF } from '../support/scheduler-bench.ts'

const CARL = peerId('carl')
const HALF = CHUNK_BYTES / 2

/** One chunk at a time is asked for, and the origin is not read unless `options` says so. */
function benchOf(options: Options = {}): Bench {
  return new Bench({ chunks: 1, origin: { mode: 'never' }, ...options })
}

function last(bench: Bench, from: PeerId | 'origin'): Of<'requestChunk'> {
  return first(bench.asked(from).slice(-1))
}

/** So many bytes come, then the request ends. */
function fail(bench: Bench, request: RequestId, bytes: number, reason: FailReason): void {
  if (bytes > 0) bench.step({ type: 'requestProgress', request, bytes })
  bench.step({ type: 'requestFailed', request, reason })
}

/** Ann sends half of the first chunk, then Bob comes and is asked for the rest. */
function halfFromAnn(bench: Bench): Of<'requestChunk'> {
  bench.up(ANN, [0])
  fail(bench, last(bench, ANN).request, HALF, 'broken')
  bench.step({ type: 'peerDown', peer: ANN })
  bench.up(BOB, [0])
  return last(bench, BOB)
}

/** Ann is asked for the chunk and sends little of it in three seconds. */
function slowFromAnn(bench: Bench): RequestId {
  bench.up(ANN, 'all')
  const { request } = last(bench, ANN)
  bench.step({ type: 'requestProgress', request, bytes: 10_000 })
  bench.now += 3_000_000
  return request
}

describe('a request that is given up', () => {
  for (const reason of ['broken', 'busy', 'missing', 'unavailable'] as const) {
    it(`leaves what arrived to the next source when it ends as ${reason}`, () => {
      const bench = benchOf()
      bench.up(ANN, 'all')
      assert.equal(last(bench, ANN).offset, 0)
      fail(bench, last(bench, ANN).request, 300, reason)
      bench.up(BOB, 'all')
      bench.wait(5_000)
      assert.equal(first(bench.all('requestChunk').slice(1)).offset, 300)
      assert.equal(bench.all('dropBeginning').length, 0)
    })
  }

  it('leaves what the stalled one reports after its cancel, too, and its chunk waits for that', () => {
    const bench = benchOf({ limits: { endgameChunksMax: 0 } })
    bench.up(ANN, 'all')
    const { request } = last(bench, ANN)
    bench.step({ type: 'requestProgress', request, bytes: 200 })
    bench.up(BOB, 'all')
    while (bench.all('cancelRequest').length === 0) bench.wait(250)
    assert.equal(bench.all('requestChunk').length, 1)
    fail(bench, request, 100, 'cancelled')
    assert.deepEqual(
      bench.asked(BOB).map(({ offset }) => offset),
      [300],
    )
  })

  it('is waited for no longer than two ticks after its cancel: a read may hang for ever', () => {
    const bench = benchOf()
    bench.up(ANN, 'all')
    const { request } = last(bench, ANN)
    bench.step({ type: 'peerDown', peer: ANN })
    bench.up(BOB, 'all')
    bench.wait(200)
    assert.equal(bench.asked(BOB).length, 0)
    bench.wait(500)
    assert.deepEqual(
      bench.asked(BOB).map(({ offset }) => offset),
      [0],
    )
    // What it brings late is kept for when Bob fails, too.
    fail(bench, request, HALF, 'cancelled')
    fail(bench, last(bench, BOB).request, 10, 'broken')
    bench.up(CARL, 'all')
    assert.equal(last(bench, CARL).offset, HALF)
  })

  it('of the origin is gone on with by a peer, and the other way round', () => {
    const bench = benchOf({ origin: { mode: 'once' } })
    bench.step({ type: 'wake' })
    fail(bench, last(bench, 'origin').request, 300, 'broken')
    bench.up(ANN, 'all')
    assert.equal(last(bench, ANN).offset, 300)
    fail(bench, last(bench, ANN).request, 200, 'broken')
    bench.step({ type: 'peerDown', peer: ANN })
    bench.wait(5_000)
    assert.equal(last(bench, 'origin').offset, 500)
    bench.deliver(last(bench, 'origin').request)
    assert.equal(bench.scheduler.status().bytesHeld, CHUNK_BYTES)
  })

  it('leaves its last byte to be asked again when all came and nobody said that it is right', () => {
    const bench = benchOf()
    bench.up(ANN, 'all')
    fail(bench, last(bench, ANN).request, CHUNK_BYTES, 'broken')
    bench.up(BOB, 'all')
    assert.equal(last(bench, BOB).offset, CHUNK_BYTES - 1)
  })

  it('is doubled from the start, and the longer beginning is kept when both fail', () => {
    const bench = benchOf()
    const slow = slowFromAnn(bench)
    bench.step({ type: 'requestProgress', request: slow, bytes: 10_000 })
    bench.up(BOB, 'all')
    const doubled = last(bench, BOB)
    assert.equal(doubled.offset, 0)
    fail(bench, slow, 0, 'broken')
    fail(bench, doubled.request, 500, 'broken')
    bench.up(CARL, 'all')
    assert.equal(last(bench, CARL).offset, 20_000)
  })

  it('has the beginning dropped when another brought the whole', () => {
    const bench = benchOf()
    const slow = slowFromAnn(bench)
    bench.up(BOB, 'all')
    fail(bench, slow, 0, 'broken')
    const actions = bench.deliver(last(bench, BOB).request)
    assert.deepEqual(bench.all('dropBeginning', actions), [{ type: 'dropBeginning', chunk: chunkIndex(0) }])
  })

  it('whose cancel comes too late for a chunk that is here leaves nothing', () => {
    const bench = benchOf()
    const slow = slowFromAnn(bench)
    bench.up(BOB, 'all')
    bench.deliver(last(bench, BOB).request)
    assert.equal(bench.all('dropBeginning').length, 0)
    fail(bench, slow, 0, 'cancelled')
    assert.equal(bench.all('dropBeginning').length, 1)
  })
})

describe('a chunk that turns out wrong', () => {
  it('is blamed on its only sender, in however many requests it came', () => {
    const bench = new Bench({ chunks: 2, origin: { mode: 'never' }, limits: { corruptStrikesMax: 2 } })
    bench.up(ANN, 'all')
    for (const { request } of bench.asked(ANN)) fail(bench, request, HALF, 'busy')
    bench.wait(5_000)
    const again = bench.asked(ANN).slice(2)
    assert.deepEqual(
      again.map(({ offset }) => offset),
      [HALF, HALF],
    )
    for (const { request } of again) fail(bench, request, HALF, 'corrupt')
    assert.deepEqual(bench.all('dropPeer'), [{ type: 'dropPeer', peer: ANN, reason: 'corrupt' }])
  })

  it('is blamed on nobody when several sent it, and comes whole from then on', () => {
    const bench = benchOf({ limits: { corruptStrikesMax: 1 } })
    const { request, offset } = halfFromAnn(bench)
    assert.equal(offset, HALF)
    fail(bench, request, HALF, 'corrupt')
    assert.equal(bench.all('dropPeer').length, 0)
    assert.equal(last(bench, BOB).offset, 0)
    // What Bob sends of it now is not gone on with.
    fail(bench, last(bench, BOB).request, HALF, 'broken')
    assert.equal(bench.all('dropBeginning').length, 1)
    bench.step({ type: 'peerDown', peer: BOB })
    bench.up(CARL, 'all')
    assert.equal(last(bench, CARL).offset, 0)
    fail(bench, last(bench, CARL).request, CHUNK_BYTES, 'corrupt')
    assert.deepEqual(bench.all('dropPeer'), [{ type: 'dropPeer', peer: CARL, reason: 'corrupt' }])
  })

  it('has what a third sent of it dropped as well, when several sent the wrong bytes', () => {
    const bench = benchOf()
    bench.up(ANN, 'all')
    fail(bench, last(bench, ANN).request, 10_000, 'broken')
    bench.step({ type: 'peerDown', peer: ANN })
    bench.up(BOB, 'all')
    const mixed = last(bench, BOB).request
    bench.step({ type: 'requestProgress', request: mixed, bytes: 10_000 })
    bench.now += 3_000_000
    bench.up(CARL, 'all')
    fail(bench, last(bench, CARL).request, HALF, 'broken')
    assert.deepEqual(
      bench.all('dropBeginning', bench.step({ type: 'requestFailed', request: mixed, reason: 'corrupt' })),
      [{ type: 'dropBeginning', chunk: chunkIndex(0) }],
    )
    bench.wait(5_000)
    const [first, second, ...others] = bench.all('requestChunk').map(({ offset }) => offset)
    assert.deepEqual([first, second, new Set(others)], [0, 10_000, new Set([0])])
  })

  it('does not count against the origin when a peer sent some of it', () => {
    const bench = benchOf({ origin: { mode: 'once', readable: false }, limits: { originCorruptMax: 1 } })
    bench.up(ANN, 'all')
    fail(bench, last(bench, ANN).request, HALF, 'broken')
    bench.step({ type: 'peerDown', peer: ANN })
    bench.step({ type: 'originChanged', readable: true })
    assert.equal(last(bench, 'origin').offset, HALF)
    fail(bench, last(bench, 'origin').request, HALF, 'corrupt')
    assert.equal(last(bench, 'origin').offset, 0)
    fail(bench, last(bench, 'origin').request, CHUNK_BYTES, 'corrupt')
    assert.deepEqual(bench.scheduler.status().unobtainable, [0])
  })

  it('has its senders asked for whole chunks only', () => {
    const bench = new Bench({ chunks: 3, origin: { mode: 'never' }, limits: { requestsPerPeerMin: 1 } })
    const { request } = halfFromAnn(bench)
    fail(bench, request, HALF, 'corrupt')
    const dropsBefore = bench.all('dropBeginning').length
    // What Ann sends of another chunk is not gone on with, nor does she go on with what Carl sends.
    bench.step({ type: 'peerDown', peer: BOB })
    bench.step({ type: 'requestFailed', request: last(bench, BOB).request, reason: 'broken' })
    bench.up(ANN, [1])
    fail(bench, last(bench, ANN).request, HALF, 'broken')
    assert.equal(bench.all('dropBeginning').length, dropsBefore + 1)
    bench.step({ type: 'peerDown', peer: ANN })
    bench.up(CARL, [1])
    const offered = last(bench, CARL)
    assert.equal(offered.offset, 0)
    fail(bench, offered.request, HALF, 'broken')
    bench.step({ type: 'peerDown', peer: CARL })
    bench.up(ANN, [offered.chunk])
    assert.deepEqual([last(bench, ANN).chunk, last(bench, ANN).offset], [offered.chunk, 0])
  })
})

describe('beginnings that are kept', () => {
  it('are the newest of so many', () => {
    const bench = new Bench({
      chunks: 3,
      origin: { mode: 'never' },
      limits: { beginningsMax: 2, requestsPerPeerMin: 3 },
    })
    bench.up(ANN, 'all')
    const asked = bench.asked(ANN)
    assert.equal(asked.length, 3)
    for (const { request } of asked) bench.step({ type: 'requestProgress', request, bytes: 100 })
    bench.step({ type: 'peerDown', peer: ANN })
    for (const { request } of asked) bench.step({ type: 'requestFailed', request, reason: 'broken' })
    assert.deepEqual(
      bench.all('dropBeginning').map(({ chunk }) => chunk),
      asked.slice(0, 1).map(({ chunk }) => chunk),
    )
    bench.up(BOB, 'all')
    const offsets = new Map(bench.asked(BOB).map(({ chunk, offset }) => [chunk, offset]))
    assert.deepEqual(
      asked.map(({ chunk }) => offsets.get(chunk)),
      [0, 100, 100],
    )
  })

  it('make room for requests, before those are made', () => {
    const limits = { memoryBytesMax: 2 * CHUNK_BYTES + 100_000, requestsPerPeerMin: 2 }
    const bench = new Bench({ chunks: 4, origin: { mode: 'never' }, limits })
    bench.up(ANN, [0, 1])
    const asked = bench.asked(ANN)
    assert.equal(asked.length, 2)
    for (const { request } of asked) bench.step({ type: 'requestProgress', request, bytes: 100 })
    bench.step({ type: 'peerDown', peer: ANN })
    for (const { request } of asked) bench.step({ type: 'requestFailed', request, reason: 'broken' })
    const actions = bench.up(BOB, [2, 3]).filter(({ type }) => type === 'requestChunk' || type === 'dropBeginning')
    assert.deepEqual(
      actions.map(({ type }) => type),
      ['dropBeginning', 'requestChunk', 'dropBeginning', 'requestChunk'],
    )
  })
})

describe('the rest of a chunk', () => {
  it('takes the memory of the whole chunk until that is stored', () => {
    const limits = { memoryBytesMax: CHUNK_BYTES + HALF + 1, requestsPerPeerMin: 2 }
    const bench = new Bench({ chunks: 2, origin: { mode: 'never' }, limits })
    const { request } = halfFromAnn(bench)
    bench.step({ type: 'peerHas', peer: BOB, chunks: [chunkIndex(1)] })
    bench.deliver(request)
    assert.equal(bench.asked(BOB).length, 1)
    bench.step({ type: 'chunkStored', chunk: chunkIndex(0) })
    assert.equal(bench.asked(BOB).length, 2)
  })

  it('is what a request counts with its source', () => {
    const table = new RequestTable(parseLimits())
    const beginning = { bytes: 300, memoryBytes: 1000, senders: [ANN] }
    const request = table.open(0, null, 1000, 0, beginning)
    assert.deepEqual([request.offset, request.bytes, request.senders], [300, 700, [ANN, null]])
    assert.deepEqual([table.originRestBytes, table.memoryBytes], [700, 1000])
    table.progress(request, 100, 1)
    table.cancel(request, 2)
    table.progress(request, 100, 3)
    assert.deepEqual([request.received, table.originRestBytes, table.memoryBytes], [200, 0, 1000])
    table.close(request, 4)
    assert.equal(table.memoryBytes, 0)
  })

  it('is not doubled by a peer that would take longer for the whole', () => {
    const bench = new Bench({ chunks: 2, origin: { mode: 'never' } })
    bench.up(CARL, [1])
    bench.deliver(last(bench, CARL).request, 1_000)
    bench.up(ANN, [0])
    fail(bench, last(bench, ANN).request, (CHUNK_BYTES * 9) / 10, 'broken')
    bench.step({ type: 'peerDown', peer: ANN })
    bench.up(BOB, [0])
    const { request, offset } = last(bench, BOB)
    assert.equal(offset, (CHUNK_BYTES * 9) / 10)
    bench.now += 100_000
    bench.step({ type: 'requestProgress', request, bytes: (CHUNK_BYTES * 3) / 100 })
    bench.step({ type: 'peerHas', peer: CARL, chunks: [chunkIndex(0)] })
    bench.wait(250)
    assert.equal(bench.asked(CARL).length, 1)
  })
})

describe('ChunkBeginnings', () => {
  const beginning = (bytes: number, senders = [ANN]) => ({ bytes, memoryBytes: CHUNK_BYTES, senders })

  it('counts the memory of whole chunks', () => {
    const table = new ChunkBeginnings(parseLimits())
    table.keep(1, beginning(10))
    table.keep(1, beginning(20))
    table.keep(2, beginning(5))
    assert.deepEqual([table.count, table.memoryBytes, table.bytesOf(1), table.bytesOf(3)], [2, 2 * CHUNK_BYTES, 20, 0])
    assert.equal(table.take(1, BOB)?.bytes, 20)
    assert.equal(table.take(1, BOB), undefined)
    assert.deepEqual([table.remove(2), table.remove(2), table.memoryBytes], [true, false, 0])
  })

  it('keeps none when there may be none', () => {
    const table = new ChunkBeginnings(parseLimits({ beginningsMax: 0 }))
    table.keep(1, beginning(10))
    assert.deepEqual(table.trim(0), [1])
    assert.deepEqual([table.count, table.memoryBytes], [0, 0])
  })

  it('remembers so many that it mistrusts', () => {
    const table = new ChunkBeginnings(parseLimits({ bannedPeersMax: 1 }))
    table.mistrust(1, [ANN, null])
    assert.deepEqual(
      [table.accepts(1, [CARL]), table.accepts(2, [ANN]), table.accepts(2, [null])],
      [false, false, true],
    )
    table.mistrust(1, [BOB])
    assert.deepEqual([table.accepts(2, [CARL, BOB]), table.accepts(2, [ANN])], [false, true])
  })
})

describe('an upload of the rest of a chunk', () => {
  /** What the uplink is taken for after many uploads of `bytes` in 100 ms each. */
  function uplinkAfter(bytes: number): number {
    const state = new SwarmState({
      ...{ self: SELF, chunkBytes: [CHUNK_BYTES], held: Bitfield.full(1), limits: parseLimits(), seed: 1 },
      origin: { readable: false, mode: 'never', copiesMax: 1 },
    })
    const policy = new UploadPolicy(state)
    state.peers.add({ peer: ANN, have: new Bitfield(1), readsOrigin: false, holdsAll: false }, false, 1, 0)
    for (let id = 1; id <= 100; id++) {
      policy.asked(askId(id), ANN, chunkIndex(0))
      state.now += 100_000
      policy.served(askId(id), 'sent', bytes)
    }
    return state.uplinkRate
  }

  it('shows no faster uplink than its bytes do', () => {
    assert.ok(uplinkAfter(CHUNK_BYTES) > 5_000)
    assert.ok(uplinkAfter(CHUNK_BYTES / 100) <= 100)
  })
})
