import assert from 'node:assert/strict'
import { chunkIndex, peerId } from '../../src/base/ids.ts'
import { outranks } from '../../src/swarm/rendezvous.ts'
import { ANN, Bench, BOB, CHUNK_BYTES, claim, first, SELF } from '../support/scheduler-bench.ts'

describe('the scheduler at the origin', () => {
  it('reads everything from the origin when it is alone, and says complete once, after the last chunk is stored', () => {
    const bench = new Bench({ chunks: 5, origin: { mode: 'auto' } })
    bench.step({ type: 'wake' })
    for (let done = 0; done < 5; done++) bench.deliver(first(bench.asked('origin').slice(done)).request)
    assert.equal(new Set(bench.asked('origin').map((action) => action.chunk)).size, 5)
    assert.equal(bench.all('complete').length, 0)
    for (let chunk = 0; chunk < 5; chunk++) bench.step({ type: 'chunkStored', chunk: chunkIndex(chunk) })
    bench.step({ type: 'chunkStored', chunk: chunkIndex(0) })
    assert.equal(bench.all('complete').length, 1)
    assert.equal(bench.scheduler.status().chunksStored, 5)
  })

  it('never reads chunks from the origin in mode never', () => {
    const bench = new Bench({ origin: { mode: 'never' } })
    bench.step({ type: 'wake' })
    bench.up(ANN, [])
    bench.wait(60_000)
    assert.equal(bench.asked('origin').length, 0)
  })

  it('reads from the origin what nobody holds or pulls, and asks peers for the rest', () => {
    const bench = new Bench({ chunks: 4, limits: { originRequestsFirst: 4 } })
    bench.up(ANN, [0])
    bench.up(BOB, [])
    // The origin was taken for all four before Ann came; with hardly a byte of it here, Ann's chunk is asked of her.
    const cancelled = bench.all('cancelRequest').map((action) => action.request)
    const given = bench.asked('origin').find((action) => action.request === cancelled[0])
    for (const request of cancelled) bench.step({ type: 'requestFailed', request, reason: 'cancelled' })
    assert.ok(given === undefined || given.chunk === 0)
    assert.deepEqual(
      bench.asked(ANN).map((action) => action.chunk),
      [0],
    )
  })

  it('leaves a chunk that another pulls alone until the claim expires', () => {
    const bench = new Bench({ chunks: 1, origin: { readable: false }, limits: { lastSharesMs: 0 } })
    bench.up(ANN, [])
    bench.step({ type: 'claimsHeard', from: ANN, claims: [claim({ timeToLiveMs: 3_000 })] })
    bench.step({ type: 'originChanged', readable: true })
    bench.wait(2_900)
    assert.equal(bench.asked('origin').length, 0)
    bench.wait(500)
    assert.equal(bench.asked('origin').length, 1)
  })

  it('waits for a chunk that a stranger holds, but not for ever', () => {
    const bench = new Bench({ chunks: 1, origin: { readable: false } })
    bench.up(ANN, [])
    const word = claim({ holder: peerId('stranger'), state: 'held', timeToLiveMs: 0, hops: 3 })
    bench.step({ type: 'claimsHeard', from: ANN, claims: [word] })
    bench.step({ type: 'originChanged', readable: true })
    bench.wait(9_500)
    assert.equal(bench.asked('origin').length, 0)
    bench.wait(1_000)
    assert.equal(bench.asked('origin').length, 1)
  })

  it('passes a new word on once, with a hop less and not to where it came from', () => {
    const bench = new Bench({ origin: { readable: false } })
    bench.up(ANN, [])
    bench.up(BOB, [])
    const word = claim({ holder: peerId('stranger'), hops: 2 })
    bench.step({ type: 'claimsHeard', from: ANN, claims: [word] })
    bench.step({ type: 'claimsHeard', from: BOB, claims: [word] })
    const told = bench.all('tellClaims', bench.wait(100))
    assert.deepEqual(told, [{ type: 'tellClaims', claims: [{ ...word, hops: 1 }], to: [BOB] }])
  })

  it('gives up a pull to the one that ranks first, unless half of it is here', () => {
    for (const received of [0, CHUNK_BYTES / 2]) {
      const bench = new Bench({ chunks: 20, limits: { originRequestsFirst: 20 } })
      bench.step({ type: 'wake' })
      bench.up(ANN, [])
      const pulls = bench.asked('origin')
      assert.equal(pulls.length, 20)
      for (const { request } of pulls) bench.step({ type: 'requestProgress', request, bytes: received })
      const claims = pulls.map(({ chunk }, index) => claim({ chunk, sequence: index + 1 }))
      bench.step({ type: 'claimsHeard', from: ANN, claims })
      const lost = received === 0 ? pulls.filter(({ chunk }) => outranks(ANN, SELF, chunk)) : []
      assert.deepEqual(
        bench.all('cancelRequest').map((action) => action.request),
        lost.map((action) => action.request),
      )
      const told = bench.all('tellClaims').flatMap((action) => action.claims)
      assert.ok(!told.some(({ state }) => state === 'dropped'), 'those who did not hear of Ann stay away all the same')
    }
  })

  it('leaves a chunk to whose share it is while nobody knows how fast the origin is', () => {
    for (const seed of [1, 2, 3]) {
      const bench = new Bench({ chunks: 2, seed, limits: { originRequestsFirst: 8 } })
      bench.up(ANN, [])
      const ours = [0, 1].filter((chunk) => outranks(SELF, ANN, chunk))
      assert.deepEqual(
        bench.asked('origin').map(({ chunk }) => chunk as number),
        ours,
      )
    }
  })

  it('gives way to a read of which it hears again after it lost the reader', () => {
    const bench = new Bench({ chunks: 1, limits: { lastSharesMs: 0 } })
    const words = [claim({ sequence: 1, originRate: 5_000, timeToLiveMs: 60_000 })]
    bench.up(ANN, [])
    bench.step({ type: 'claimsHeard', from: ANN, claims: words })
    for (const { request } of bench.all('cancelRequest'))
      bench.step({ type: 'requestFailed', request, reason: 'cancelled' })
    bench.step({ type: 'peerDown', peer: ANN })
    const before = bench.asked('origin').length
    bench.wait(2_000)
    assert.equal(bench.asked('origin').length, before + 1)
    bench.up(ANN, [])
    const actions = bench.step({ type: 'claimsHeard', from: ANN, claims: words })
    assert.equal(bench.all('cancelRequest', actions).length, 1)
  })

  it('leaves the last chunks of others to them for a while, then takes over one at a time', () => {
    const limits = { originRequestsFirst: 1, originRequestsMax: 12, lastSharesMs: 1_000 }
    const bench = new Bench({ chunks: 40, limits })
    bench.step({ type: 'wake' })
    bench.up(ANN, [])
    bench.up(BOB, [])
    const reads = (): number => bench.asked('origin').length
    for (let read = 0; read < reads(); read++) bench.deliver(first(bench.asked('origin').slice(read)).request, 25)
    // Three members at 40 chunks a second: three chunks are begun before words have gone round.
    const own = reads()
    assert.ok(own >= 37 && own < 40, `${own} of 40 were read`)
    bench.wait(900)
    assert.equal(reads(), own)
    bench.wait(1_400)
    assert.ok(reads() > own)
  })

  it('claims what it pulls to all neighbours, and says held or dropped at the end', () => {
    const bench = new Bench({ chunks: 12, limits: { originRequestsFirst: 2 } })
    bench.up(ANN, [])
    bench.up(BOB, [])
    const [one, two] = bench.asked('origin')
    assert.ok(one !== undefined && two !== undefined)
    bench.deliver(one.request)
    bench.step({ type: 'requestFailed', request: two.request, reason: 'broken' })
    bench.wait(50)
    const told = bench.all('tellClaims').flatMap((action) => action.claims.map((word) => [word.chunk, word.state]))
    assert.ok(told.some(([chunk, state]) => chunk === one.chunk && state === 'pulling'))
    assert.ok(told.some(([chunk, state]) => chunk === one.chunk && state === 'held'))
    assert.ok(told.some(([chunk, state]) => chunk === two.chunk && state === 'dropped'))
    assert.deepEqual(first(bench.all('tellHave')).chunks, [one.chunk])
  })

  it('asks more of the origin as it shows its speed, within the limits', () => {
    const bench = new Bench({ chunks: 200, limits: { originRequestsMax: 6 } })
    bench.step({ type: 'wake' })
    assert.equal(bench.scheduler.status().originRequestsOpen, 1)
    for (let round = 0; round < 40; round++) bench.deliver(first(bench.asked('origin').slice(round)).request, 25)
    assert.equal(bench.scheduler.status().originRequestsOpen, 6)
  })

  it('backs off from an origin that fails, and comes back by itself', () => {
    const bench = new Bench({ chunks: 4 })
    bench.step({ type: 'wake' })
    const waits: number[] = []
    for (let round = 0; round < 4; round++) {
      const pull = first(bench.asked('origin').slice(-1))
      bench.step({ type: 'requestFailed', request: pull.request, reason: 'unavailable' })
      const before = bench.asked('origin').length
      let ms = 0
      while (bench.asked('origin').length === before && ms < 60_000) {
        bench.wait(10)
        ms += 10
      }
      waits.push(ms)
    }
    assert.deepEqual(waits, [200, 400, 800, 1600])
  })

  it('reports what neither origin nor peers have as unobtainable, until a peer has it', () => {
    const bench = new Bench({ chunks: 1 })
    bench.step({ type: 'wake' })
    bench.step({ type: 'requestFailed', request: first(bench.asked('origin')).request, reason: 'missing' })
    assert.deepEqual(bench.scheduler.status().unobtainable, [0])
    bench.wait(60_000)
    assert.equal(bench.asked('origin').length, 1)
    bench.up(ANN, [0])
    assert.deepEqual(bench.scheduler.status().unobtainable, [])
    assert.equal(bench.asked(ANN).length, 1)
  })

  it('takes an origin that sends wrong bytes three times for one that does not have the chunk', () => {
    const bench = new Bench({ chunks: 1 })
    bench.step({ type: 'wake' })
    for (let round = 0; round < 3; round++) {
      const { request } = first(bench.asked('origin').slice(round))
      bench.step({ type: 'requestFailed', request, reason: 'corrupt' })
    }
    assert.equal(bench.asked('origin').length, 3)
    assert.deepEqual(bench.scheduler.status().unobtainable, [0])
  })
})
