import assert from 'node:assert/strict'
import { fluidBoundMs, type NodeRates } from '../../src/swarm/bound.ts'
import { corrupting, crashing, crawling, lying, mustFinish, silent } from './faults.ts'
import { chunks, type NodeSpec, nodes, World, type WorldResult, type WorldSpec } from './world.ts'

// Rates in bytes per ms: origin 1, uplink 6, downlink 7, in units of 10 MB/s.
const PLAIN: NodeSpec = { origin: 10_000, up: 60_000, down: 70_000 }
const CHUNK_BYTES = 8_388_608

function run(spec: WorldSpec): WorldResult {
  const result = new World(spec).run()
  assert.ok(!result.stalled, `seed ${spec.seed}: nodes ${result.unfinished.join(' ')} never finished`)
  return result
}

/** How many times the bound a run took; the bound is that of the policy in force. */
function ratio(spec: WorldSpec, result: WorldResult, copiesMax: number): number {
  const wanting = spec.nodes.filter(mustFinish)
  const sourceUp = spec.nodes.reduce((sum, node) => sum + (node.source === true ? node.up : 0), 0)
  const rates: readonly NodeRates[] = wanting
  const bytes = spec.chunkBytes.reduce((sum, size) => sum + size, 0)
  return result.ms / fluidBoundMs(bytes, { nodes: rates, sourceUp, copiesMax })
}

function atMost(actual: number, limit: number, what: string, seed: number): void {
  assert.ok(actual <= limit, `seed ${seed}: ${what} is ${actual}, above ${limit}`)
}

function plain(count: number, seed: number, change: Partial<WorldSpec> = {}): WorldSpec {
  const chunkBytes = chunks(300, CHUNK_BYTES)
  return { seed, chunkBytes, nodes: nodes(count, PLAIN), mode: 'once', blockBytes: 524_288, ...change }
}

describe('a simulated swarm', () => {
  for (const [count, limit] of [
    [4, 1.1],
    [16, 1.3],
    [50, 1.4],
  ] as const) {
    it(`brings ${count} nodes to the end near the bound while the origin is read about once`, () => {
      const spec = plain(count, 1)
      const result = run(spec)
      atMost(ratio(spec, result, 1), limit, 'time over bound', spec.seed)
      atMost(result.originCopies, 1.05, 'origin copies', spec.seed)
      atMost(result.wastedShare, 0.03, 'wasted share', spec.seed)
      atMost(result.controlShare, 0.005, 'control share', spec.seed)
    })
  }

  it('reads the origin about once when every node knows only eight others', () => {
    const spec = plain(50, 2, { limits: { neighboursWanted: 4 } })
    const result = run(spec)
    atMost(ratio(spec, result, 1), 1.4, 'time over bound', spec.seed)
    atMost(result.originCopies, 1.05, 'origin copies', spec.seed)
  })

  it('stays within 1.15 of the bound for four machines that read 8 MB/s each and trade fast', () => {
    for (const originInOrder of [true, false]) {
      const spec: WorldSpec = {
        seed: 3,
        chunkBytes: chunks(75, 6_000_000),
        nodes: nodes(4, { origin: 8_000, up: 250_000, down: 1_000_000 }),
        mode: 'auto',
        originInOrder,
      }
      const result = run(spec)
      atMost(ratio(spec, result, 1), 1.15, 'time over bound', spec.seed)
      atMost(result.originCopies, 1.05, 'origin copies', spec.seed)
    }
  })

  it('orders the same for the same seed and something else for another', () => {
    const small = (seed: number): WorldResult => run(plain(8, seed, { chunkBytes: chunks(60, 1_000_000) }))
    const first = small(4)
    assert.equal(small(4).traceHash, first.traceHash)
    assert.notEqual(small(5).traceHash, first.traceHash)
  })

  it('brings one node alone to the end at the speed of the origin', () => {
    const spec = plain(1, 6, { mode: 'auto', nodes: nodes(1, { origin: 184_000, up: 60_000, down: 1_000_000 }) })
    const result = run(spec)
    atMost(ratio(spec, result, 1), 1.05, 'time over bound', spec.seed)
    assert.equal(result.originCopies, 1)
  })

  it('brings two nodes to the end in half of the time of one', () => {
    const spec = plain(2, 7, { mode: 'auto', nodes: nodes(2, { origin: 184_000, up: 1e6, down: 1e6 }) })
    const result = run(spec)
    atMost(ratio(spec, result, 1), 1.1, 'time over bound', spec.seed)
    atMost(result.originCopies, 1.05, 'origin copies', spec.seed)
  })

  it('spreads what a lone source has without sending it out once per node', () => {
    const source = { ...PLAIN, origin: 0, source: true }
    const spec = plain(0, 8, { mode: 'never', nodes: [source, ...nodes(3, { ...PLAIN, origin: 0 })] })
    const result = run(spec)
    atMost(ratio(spec, result, 1), 1.15, 'time over bound', spec.seed)
    assert.equal(result.originCopies, 0)
  })

  it('lets everyone else finish when five of fifty crash midway', () => {
    const doomed = nodes(5, crashing(PLAIN, 20_000))
    const spec = plain(0, 9, { nodes: [...doomed, ...nodes(45, PLAIN)] })
    const result = run(spec)
    atMost(ratio(spec, result, 1), 1.6, 'time over bound', spec.seed)
    atMost(result.originCopies, 1.1, 'origin copies', spec.seed)
  })

  for (const [fault, limit] of [
    [lying, 1.2],
    [silent, 1.5],
    [crawling, 1.3],
  ] as const) {
    it(`lets everyone else finish beside a peer that claims everything and is ${fault.name}`, () => {
      const spec = plain(0, 10, { nodes: [...nodes(7, PLAIN), fault(PLAIN)] })
      const result = run(spec)
      atMost(ratio(spec, result, 1), limit, 'time over bound', spec.seed)
    })
  }

  it('drops a peer that sends wrong bytes, and everyone else finishes', () => {
    const spec = plain(0, 11, { nodes: [...nodes(7, PLAIN), corrupting(PLAIN)] })
    const result = run(spec)
    assert.equal(result.dropped.get(7), 7)
    atMost(ratio(spec, result, 1), 1.4, 'time over bound', spec.seed)
  })

  it('serves nodes that join half-way without reading the origin again', () => {
    const late = nodes(2, { ...PLAIN, joinAtMs: 30_000 })
    const spec = plain(0, 12, { nodes: [...nodes(4, PLAIN), ...late] })
    const result = run(spec)
    atMost(result.originCopies, 1.05, 'origin copies', spec.seed)
  })

  it('lets the others read what a node with a tenth of their origin rate would read late', () => {
    const fast: NodeSpec = { origin: 10_000, up: 250_000, down: 250_000 }
    const spec = plain(0, 13, { nodes: [...nodes(7, fast), { ...fast, origin: 1_000 }] })
    const result = run(spec)
    atMost(ratio(spec, result, 1), 1.1, 'time over bound', spec.seed)
    atMost(result.originCopies, 1.02, 'origin copies', spec.seed)
  })

  it('reads further copies in auto when uplinks are slow, and keeps to the copies allowed', () => {
    const slow = nodes(16, { origin: 10_000, up: 5_000, down: 70_000 })
    const few = plain(0, 14, { nodes: slow, mode: 'auto', copiesMax: 2 })
    const two = run(few)
    atMost(ratio(few, two, 2), 1.1, 'time over bound', few.seed)
    atMost(two.originCopies, 2.05, 'origin copies', few.seed)
    assert.ok(two.originCopies > 1.5, `seed ${few.seed}: only ${two.originCopies} copies were read`)
    const many = plain(0, 14, { nodes: slow, mode: 'auto', copiesMax: 'unlimited' })
    const all = run(many)
    atMost(ratio(many, all, Number.POSITIVE_INFINITY), 1.2, 'time over bound', many.seed)
  })

  it('reads no further copy in auto when machine links are what is full', () => {
    const spec = plain(0, 15, { nodes: nodes(4, { origin: 118_000, up: 118_000, down: 118_000 }), mode: 'auto' })
    const result = run(spec)
    atMost(ratio(spec, result, 1), 1.05, 'time over bound', spec.seed)
    atMost(result.originCopies, 1.05, 'origin copies', spec.seed)
  })
})
