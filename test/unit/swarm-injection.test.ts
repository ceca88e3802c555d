import assert from 'node:assert/strict'
import { askId, chunkIndex, type PeerId } from '../../src/base/ids.ts'
import type { Action } from '../../src/swarm/events.ts'
import { ANN, Bench, BOB, CHUNK_BYTES } from '../support/scheduler-bench.ts'

const CHUNKS = 12
const LIMITS = { injectionWindow: 4, injectionPerPeerMin: 2, injectionPerPeerMax: 2 }

function source(limits: Readonly<Record<string, number>> = LIMITS): Bench {
  const bench = new Bench({ chunks: CHUNKS, held: Array.from({ length: CHUNKS }, (_, chunk) => chunk), limits })
  bench.step({ type: 'wake' })
  return bench
}

/** What the neighbour was told in these actions. */
function shownTo(bench: Bench, peer: PeerId, actions?: readonly Action[]): number[] {
  return bench.all('tellHave', actions).flatMap((action) => (action.to.includes(peer) ? action.chunks : []))
}

let nextAsk = 1

function serve(bench: Bench, peer: PeerId, chunk: number, outcome: 'sent' | 'failed' = 'sent'): readonly Action[] {
  const ask = askId(nextAsk++)
  bench.step({ type: 'chunkAsked', peer, ask, chunk: chunkIndex(chunk) })
  return bench.step({ type: 'chunkServed', ask, outcome, bytes: CHUNK_BYTES })
}

describe('a source that gives out its chunks', () => {
  it('advertises nothing at first, and shows each neighbour other chunks', () => {
    const bench = source()
    assert.equal(bench.scheduler.advertised().count, 0)
    bench.up(ANN, [])
    bench.up(BOB, [])
    const [ann, bob] = [shownTo(bench, ANN), shownTo(bench, BOB)]
    assert.deepEqual([ann.length, bob.length], [2, 2])
    assert.equal(new Set([...ann, ...bob]).size, 4)
    assert.equal(bench.all('tellStatus').length, 0)
  })

  it('shows one more for each that has left, no chunk twice, and says that it is done after the last', () => {
    const bench = source()
    bench.up(ANN, [])
    bench.up(BOB, [])
    const sent: number[] = []
    for (let round = 0; round < CHUNKS; round++) {
      const peer = round % 2 === 0 ? ANN : BOB
      const chunk = shownTo(bench, peer)[Math.floor(round / 2)]
      assert.ok(chunk !== undefined)
      assert.equal(bench.all('tellStatus').length, 0)
      sent.push(chunk)
      serve(bench, peer, chunk)
    }
    assert.equal(new Set(sent).size, CHUNKS)
    assert.deepEqual(bench.all('tellStatus').at(-1), { type: 'tellStatus', progress: 'done', to: [ANN, BOB] })
    assert.ok(bench.scheduler.advertised().complete)
  })

  it('shows a chunk to another when a neighbour leaves, fails to get it or does not ask for it', () => {
    const bench = source()
    bench.up(ANN, [])
    const shown = shownTo(bench, ANN)
    serve(bench, ANN, shown[0] ?? -1, 'failed')
    bench.step({ type: 'peerDown', peer: ANN })
    bench.up(BOB, [])
    for (let round = 0; round < CHUNKS; round++) serve(bench, BOB, shownTo(bench, BOB)[round] ?? -1)
    assert.equal(new Set(shownTo(bench, BOB)).size, CHUNKS)

    const patient = source({ ...LIMITS, injectionPatienceMs: 1_000 })
    patient.up(ANN, [])
    for (let round = 0; round < 20 * CHUNKS; round++) patient.wait(1_500)
    assert.equal(new Set(shownTo(patient, ANN)).size, CHUNKS)
  })

  it('shows a chunk to another when it was sent and nobody has it after a while', () => {
    const bench = source({ ...LIMITS, injectionPatienceMs: 1_000 })
    bench.up(ANN, [])
    const [given] = shownTo(bench, ANN)
    assert.ok(given !== undefined)
    serve(bench, ANN, given)
    bench.up(BOB, [])
    // Bob gets all that he is shown, Ann says nothing.
    const got = new Set<number>()
    for (let round = 0; round < 20 * CHUNKS; round++) {
      bench.wait(300)
      for (const chunk of shownTo(bench, BOB)) {
        if (got.has(chunk)) continue
        got.add(chunk)
        serve(bench, BOB, chunk)
        bench.step({ type: 'peerHas', peer: BOB, chunks: [chunkIndex(chunk)] })
      }
    }
    assert.ok(got.has(given))
  })

  it('shows whoever has got all it was shown what others do not ask for, while its uplink is idle', () => {
    const bench = source()
    bench.up(ANN, [])
    bench.up(BOB, [])
    bench.wait(1_500)
    // Ann is slow and asks for nothing. Bob gets what is hidden, then what she was shown.
    const got: number[] = []
    for (let round = 0; round < CHUNKS; round++) {
      const chunk = shownTo(bench, BOB)[round]
      assert.ok(chunk !== undefined, `Bob was shown only ${got.length}`)
      got.push(chunk)
      serve(bench, BOB, chunk)
      bench.step({ type: 'peerHas', peer: BOB, chunks: [chunkIndex(chunk)] })
    }
    assert.equal(new Set(got).size, CHUNKS)
    assert.equal(bench.now, 1_500_000)
  })

  it('does not give out what a neighbour holds already', () => {
    const bench = source()
    bench.up(ANN, [0, 1, 2, 3, 4, 5, 6, 7])
    for (let round = 0; round < 4; round++) serve(bench, ANN, shownTo(bench, ANN)[round] ?? -1)
    assert.deepEqual(new Set(shownTo(bench, ANN)), new Set([8, 9, 10, 11]))
    assert.equal(bench.all('tellStatus').at(-1)?.progress, 'done')
  })

  it('shows everything to all as soon as one of them is complete', () => {
    const bench = source()
    bench.up(ANN, [])
    bench.step({ type: 'peerStatus', peer: ANN, progress: 'done' })
    assert.ok(bench.scheduler.advertised().complete)
    const other = source()
    other.up(ANN, 'all')
    assert.equal(other.all('tellStatus').at(-1)?.progress, 'done')
  })
})
