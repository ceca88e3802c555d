// Chunks that come first, as the scheduler's actions show it, whatever picks them.

import assert from 'node:assert/strict'
import { chunkIndex } from '../../src/base/ids.ts'
import { ANN, Bench, BOB, CHUNK_BYTES } from '../support/scheduler-bench.ts'

const FIRST = [3, 17, 29]

/** Delivers what is asked until everything is held; the chunks in the order in which they were asked for. */
function askedInTurn(bench: Bench): number[] {
  const closed = new Set<number>()
  for (let round = 0; round < 200 && bench.scheduler.status().chunksHeld < bench.chunks; round++) {
    for (const { request, chunk } of bench.all('requestChunk')) {
      if (closed.has(request)) continue
      closed.add(request)
      bench.deliver(request)
      bench.step({ type: 'chunkStored', chunk })
    }
    bench.wait(100)
  }
  assert.equal(bench.scheduler.status().chunksHeld, bench.chunks)
  return bench.all('requestChunk').map(({ chunk }) => chunk)
}

function sorted(chunks: readonly number[]): number[] {
  return chunks.toSorted((left, right) => left - right)
}

describe('a scheduler with chunks that come first', () => {
  it('reads them from the origin before all others', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const bench = new Bench({ chunks: 40, first: FIRST, seed })
      bench.wait(0)
      assert.deepEqual(sorted(askedInTurn(bench).slice(0, 3)), FIRST)
    }
  })

  it('asks a peer for them before all others, and again when one failed', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const bench = new Bench({ chunks: 40, first: FIRST, seed, origin: { mode: 'never' } })
      bench.up(ANN, 'all')
      const [lost] = bench.asked(ANN)
      assert.ok(lost !== undefined && FIRST.includes(lost.chunk))
      bench.step({ type: 'requestFailed', request: lost.request, reason: 'corrupt' })
      const asked = askedInTurn(bench)
      assert.deepEqual(new Set(sorted(asked.slice(0, 4))), new Set(FIRST))
    }
  })

  it('asks a peer that has none of them for others meanwhile', () => {
    const bench = new Bench({ chunks: 40, first: FIRST, origin: { mode: 'never' } })
    bench.up(ANN, [1, 2, 4, 5])
    assert.ok(bench.asked(ANN).length > 0)
    bench.up(BOB, 'all')
    assert.ok(FIRST.includes(bench.asked(BOB)[0]?.chunk ?? -1))
  })

  it('asks for one that comes late before others that were there earlier', () => {
    const bench = new Bench({ chunks: 40, first: FIRST, origin: { mode: 'never' }, limits: { requestsPerPeerMin: 1 } })
    bench.up(ANN, [0, 1, 2, 4, 5, 6, 7, 8])
    const before = bench.asked(ANN)
    bench.step({ type: 'peerHas', peer: ANN, chunks: [chunkIndex(17)] })
    const [open] = before
    assert.ok(open !== undefined && !before.some(({ chunk }) => chunk === 17))
    bench.now += 1000
    bench.step({ type: 'requestProgress', request: open.request, bytes: CHUNK_BYTES })
    const next = bench.asked(ANN, bench.step({ type: 'chunkVerified', request: open.request }))
    assert.equal(next[0]?.chunk, 17)
  })

  it('wants one that was lost before all others again', () => {
    const bench = new Bench({ chunks: 40, first: FIRST, held: FIRST, origin: { mode: 'never' } })
    bench.step({ type: 'chunkLost', chunk: chunkIndex(29) })
    bench.up(ANN, 'all')
    assert.equal(bench.asked(ANN)[0]?.chunk, 29)
  })
})
