import assert from 'node:assert/strict'
import { type BoundInput, fluidBoundMs } from '../../src/swarm/bound.ts'
import { unfairness } from './fairness.ts'
import { corrupting, crashing, mustFinish, slow } from './faults.ts'
import { chunks, type NodeSpec, nodes, World, type WorldResult, type WorldSpec } from './world.ts'

// Rates in bytes per ms: origin 1, uplink 6, downlink 7, in units of 10 MB/s.
const PLAIN: NodeSpec = { origin: 10_000, up: 60_000, down: 70_000 }
/** Few, so that tests are quick: start and end weigh more here than in bench/specs. */
const CHUNKS = 300
const CHUNK_BYTES = 8_388_608

function worldOf(seed: number, nodeSpecs: readonly NodeSpec[], change: Partial<WorldSpec> = {}): World {
  const chunkBytes = chunks(CHUNKS, CHUNK_BYTES)
  return new World({ seed, chunkBytes, nodes: nodeSpecs, mode: 'once', blockBytes: 524_288, ...change })
}

function run(world: World): WorldResult {
  const result = world.run()
  assert.ok(!result.stalled, `seed ${world.spec.seed}: nodes ${result.unfinished.join(' ')} never finished`)
  return result
}

function boundMs(world: World, change: Partial<BoundInput> = {}): number {
  const wanting = world.spec.nodes.filter(mustFinish)
  return fluidBoundMs(CHUNKS * CHUNK_BYTES, { nodes: wanting, copiesMax: 1, ...change })
}

function atMost(actual: number, limit: number, what: string, seed: number): void {
  assert.ok(actual <= limit, `seed ${seed}: ${what} is ${actual}, above ${limit}`)
}

describe('a simulated swarm in two sites', () => {
  const inSites = (each: number): NodeSpec[] => [
    ...nodes(each, { ...PLAIN, site: 'a' }),
    ...nodes(each, { ...PLAIN, site: 'b' }),
  ]

  it('sends each chunk about once over a link of a twentieth of the uplinks of one', () => {
    const rate = (4 * PLAIN.up) / 20
    const world = worldOf(21, inSites(4), { links: [{ between: ['a', 'b'], rate, delayUs: 30_000 }] })
    const result = run(world)
    const siteInbound = new Map([
      ['a', rate],
      ['b', rate],
    ])
    atMost(result.ms / boundMs(world, { siteInbound }), 1.4, 'time over bound', 21)
    atMost(result.originCopies, 1.05, 'origin copies', 21)
  })

  it('comes to its end when they are cut off from each other for a while', () => {
    const events = [
      { atMs: 15_000, type: 'partition' as const, sites: ['a', 'b'] as const },
      { atMs: 40_000, type: 'heal' as const },
    ]
    run(worldOf(22, inSites(4), { events }))
  })
})

describe('a simulated swarm whose nodes are alike', () => {
  function fair(world: World): void {
    const { time, sent, origin } = unfairness(world, run(world))
    atMost(time, 1.1, 'the longest time by the shortest', world.spec.seed)
    atMost(sent, 1.3, 'the most sent by the least', world.spec.seed)
    atMost(origin, 1.1, 'the most read from the origin by the mean', world.spec.seed)
  }

  it('has all of them end at about the same time, and carry about the same', () => {
    for (const count of [4, 16]) fair(worldOf(41, nodes(count, PLAIN)))
  })

  it('treats them alike when uplinks are what is short', () => {
    fair(worldOf(42, nodes(12, { ...PLAIN, up: 5_000 })))
  })

  it('treats those alike who came late together, beside those who were there first', () => {
    fair(worldOf(43, [...nodes(8, PLAIN), ...nodes(8, { ...PLAIN, joinAtMs: 8_000 })]))
  })
})

describe('a simulated swarm whose nodes differ', () => {
  it('has a lone source send each chunk about once', () => {
    const world = worldOf(23, [{ ...PLAIN, origin: 0, source: true }, ...nodes(7, { ...PLAIN, origin: 0 })], {
      mode: 'never',
    })
    run(world)
    const [source] = world.nodes
    assert.ok(source !== undefined)
    const times = source.up.sentBytes / world.totalBytes
    assert.ok(times < 1.2, `${times} times`)
  })

  it('has a lone source keep nothing from a fast node for the sake of slow ones', () => {
    const fast: NodeSpec = { origin: 0, up: 300_000, down: 300_000 }
    const world = worldOf(31, [{ ...fast, source: true }, ...nodes(7, { ...fast, down: 2_000 }), fast], {
      mode: 'never',
    })
    const ms = run(world).completeAtMs.at(-1) ?? Number.POSITIVE_INFINITY
    atMost(ms / ((CHUNKS * CHUNK_BYTES) / fast.down), 2, 'its time over that of its downlink', 31)
  })

  it('brings those who can only dial out to the end with the others', () => {
    const world = worldOf(24, [...nodes(8, PLAIN), ...nodes(8, { ...PLAIN, reachable: false })])
    atMost(run(world).ms / boundMs(world), 1.25, 'time over bound', 24)
  })

  it('does not wait for a node that reads fast and passes on slowly', () => {
    const world = worldOf(25, [...nodes(7, PLAIN), slow(PLAIN)])
    atMost(run(world).ms / boundMs(world), 1.4, 'time over bound', 25)
  })

  it('loses no time to a node that sends wrong bytes', () => {
    const honest = worldOf(26, nodes(7, PLAIN))
    const world = worldOf(26, [...nodes(7, PLAIN), corrupting(PLAIN)])
    atMost(run(world).ms / run(honest).ms, 1.1, 'time over that without it', 26)
  })

  it('has survivors end as soon as they would alone', () => {
    const late = nodes(2, { ...PLAIN, joinAtMs: 20_000 })
    const alone = run(worldOf(27, [...nodes(16, PLAIN), ...late]))
    const doomed = [crashing(PLAIN, 10_000), crashing(PLAIN, 25_000)]
    const churned = run(worldOf(27, [...nodes(16, PLAIN), ...doomed, ...late]))
    atMost(churned.ms / alone.ms, 1.2, 'time over that of survivors alone', 27)
  })

  it('goes on when the origin gives a tenth, and ends without it once it was read', () => {
    const throttled = worldOf(28, nodes(8, PLAIN), { events: [{ atMs: 5_000, type: 'originRate', rate: 1_000 }] })
    const originChanges = [{ atMs: 5_000, rate: 1_000 }]
    atMost(run(throttled).ms / boundMs(throttled, { originChanges }), 1.2, 'time over bound', 28)
    run(worldOf(29, nodes(8, PLAIN), { events: [{ atMs: 35_000, type: 'originRate', rate: 0 }] }))
  })
})
