// What a swarm does with chunks that nodes want before all others: they come early, and the whole is not late.

import assert from 'node:assert/strict'
import { chunks, type NodeSpec, nodes, type Recorder, World, type WorldResult, type WorldSpec } from './world.ts'

// Rates in bytes per ms: origin 1, uplink 6, downlink 7, in units of 10 MB/s.
const PLAIN: NodeSpec = { origin: 10_000, up: 60_000, down: 70_000 }
const CHUNK_BYTES = 8_388_608
const CHUNKS = 300
/** A tokenizer and some configuration beside a model: chunks apart from each other, few of them. */
const FIRST = [7, 100, 101, 250]

/** When each node had stored the last of its first chunks, in ms. */
class Arrivals implements Recorder {
  readonly atMs = new Map<number, number>()
  readonly #left = new Map<number, Set<number>>()

  constructor(specs: readonly NodeSpec[]) {
    for (const [index, { first = [] }] of specs.entries()) this.#left.set(index, new Set(first))
  }

  begin(): void {}

  step(
    index: number,
    ...[now, event]: Parameters<Recorder['step']> extends [number, ...infer Rest] ? Rest : never
  ): void {
    const left = this.#left.get(index)
    if (event.type !== 'chunkStored' || left === undefined || !left.delete(event.chunk)) return
    if (left.size === 0) this.atMs.set(index, now / 1000)
  }
}

function run(specs: readonly NodeSpec[], seed: number): { result: WorldResult; atMs: ReadonlyMap<number, number> } {
  const recorder = new Arrivals(specs)
  const spec: WorldSpec = {
    seed,
    chunkBytes: chunks(CHUNKS, CHUNK_BYTES),
    nodes: specs,
    mode: 'once',
    blockBytes: 524_288,
    recorder,
  }
  const result = new World(spec).run()
  assert.ok(!result.stalled, `seed ${seed}: nodes ${result.unfinished.join(' ')} never finished`)
  return { result, atMs: recorder.atMs }
}

describe('chunks that are wanted before all others, in a simulated swarm', () => {
  for (const count of [1, 2, 16]) {
    it(`come early to each of ${count}, and the whole is neither late nor read twice`, () => {
      for (const seed of [1, 2, 3]) {
        const plain = run(nodes(count, PLAIN), seed).result
        const { result, atMs } = run(nodes(count, { ...PLAIN, first: FIRST }), seed)
        const last = Math.max(...atMs.values())
        assert.equal(atMs.size, count)
        // Alone, a node reads them in 4 of 300 parts of its time. Of 16, four read one each, and send it 15 times over their
        // uplinks: 1.2 and 2.1 s at best, of 42 s.
        const limit = count === 1 ? 0.02 : 0.13
        assert.ok(last < result.ms * limit, `seed ${seed}: ${last} of ${result.ms} ms`)
        assert.ok(result.ms < plain.ms * 1.05, `seed ${seed}: ${result.ms} ms instead of ${plain.ms}`)
        assert.ok(
          result.originCopies <= Math.max(1.05, plain.originCopies + 0.02),
          `seed ${seed}: ${result.originCopies}`,
        )
      }
    })
  }

  it('come early to one of eight that nobody else hurries for', () => {
    for (const seed of [4, 5, 6]) {
      const { result, atMs } = run([{ ...PLAIN, first: FIRST }, ...nodes(7, PLAIN)], seed)
      const last = atMs.get(0) ?? Number.POSITIVE_INFINITY
      assert.ok(last < result.ms * 0.15, `seed ${seed}: ${last} of ${result.ms} ms`)
      assert.ok(result.originCopies <= 1.05, `seed ${seed}: ${result.originCopies}`)
    }
  })

  it('come from a lone source before the rest', () => {
    const source = { ...PLAIN, origin: 0, source: true }
    const specs = [source, ...nodes(3, { ...PLAIN, origin: 0, first: FIRST })]
    const { result, atMs } = run(specs, 7)
    assert.equal(atMs.size, 3)
    for (const at of atMs.values()) assert.ok(at < result.ms * 0.1, `${at} of ${result.ms} ms`)
  })
})
