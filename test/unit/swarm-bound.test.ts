import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type BoundInput, fluidBound, fluidBoundMs, type NodeRates, nodeBoundsMs } from '../../src/swarm/bound.ts'

/** The bound by trying every cut: every set of receivers, and for each receiver every way to cut the others off. */
function byAllSubsets(input: BoundInput): number {
  const { nodes } = input
  const originTotal = input.originTotal ?? Number.POSITIVE_INFINITY
  const copiesMax = input.copiesMax ?? Number.POSITIVE_INFINITY
  const sourceUp = input.sourceUp ?? 0
  const uplinks = nodes.reduce((sum, node) => sum + node.up, sourceUp)
  let best = Math.min(...nodes.map((node) => node.down), originTotal + sourceUp)
  for (let mask = 1; mask < 2 ** nodes.length; mask++) {
    const inside = nodes.filter((_, index) => (mask & (1 << index)) !== 0)
    const origin = inside.reduce((sum, node) => sum + node.origin, 0)
    // What all in the set receive comes from the origin, within its limits, or over somebody's uplink.
    best = Math.min(best, (Math.min(originTotal, origin) + uplinks) / inside.length)
    if (inside.length > copiesMax) best = Math.min(best, uplinks / (inside.length - copiesMax))
    // One receiver against the rest: each other node is cut off before it reads the origin or behind its uplink.
    for (const [target, node] of nodes.entries()) {
      if ((mask & (1 << target)) === 0) continue
      let cut = sourceUp + node.origin
      for (const [other, { origin: read, up }] of nodes.entries()) {
        if (other !== target) cut += (mask & (1 << other)) === 0 ? up : read
      }
      best = Math.min(best, cut)
    }
  }
  return best
}

function equal(count: number, node: NodeRates): NodeRates[] {
  return Array.from({ length: count }, () => node)
}

function close(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-6 * Math.max(1, expected), `${actual} is not ${expected}`)
}

describe('the fluid bound', () => {
  it('agrees with the least of all cuts over every subset of nodes', () => {
    const rate = fc.integer({ min: 0, max: 50 })
    const node = fc.record({ down: fc.integer({ min: 1, max: 60 }), up: rate, origin: rate })
    const input = fc.record({
      nodes: fc.array(node, { minLength: 1, maxLength: 6 }),
      originTotal: fc.option(fc.integer({ min: 0, max: 100 }), { nil: Number.POSITIVE_INFINITY }),
      copiesMax: fc.option(fc.integer({ min: 1, max: 7 }), { nil: Number.POSITIVE_INFINITY }),
      sourceUp: fc.integer({ min: 0, max: 40 }),
    })
    fc.assert(
      fc.property(input, (drawn) => {
        close(fluidBound(drawn).rate, byAllSubsets(drawn))
      }),
      { numRuns: 2000, seed: 7 },
    )
  })

  it('is the closed form for equal nodes', () => {
    for (const [count, down, up, origin, total] of [
      [4, 70, 60, 10, Number.POSITIVE_INFINITY],
      [16, 70, 60, 10, Number.POSITIVE_INFINITY],
      [8, 1000, 5, 10, 40],
      [50, 16, 15, 1, Number.POSITIVE_INFINITY],
    ] as const) {
      const perNode = Math.min(origin, total / count)
      const expected = Math.min(down, count * perNode, perNode + up)
      close(fluidBound({ nodes: equal(count, { down, up, origin }), originTotal: total }).rate, expected)
    }
  })

  it('is u * N / (N - 1) for one copy over slow uplinks', () => {
    close(fluidBound({ nodes: equal(16, { down: 70, up: 60, origin: 10 }), copiesMax: 1 }).rate, (60 * 16) / 15)
  })

  it('is the closed form for a lone source without a bucket', () => {
    const nodes = equal(3, { down: 70, up: 60, origin: 0 })
    close(fluidBound({ nodes, sourceUp: 60 }).rate, 60)
    close(fluidBound({ nodes: equal(10, { down: 1000, up: 5, origin: 0 }), sourceUp: 60 }).rate, 5 + 60 / 10)
  })

  it('names the links that end it', () => {
    assert.equal(fluidBound({ nodes: equal(4, { down: 7, up: 60, origin: 10 }) }).limitedBy, 'downlink')
    assert.equal(fluidBound({ nodes: equal(4, { down: 1000, up: 60, origin: 10 }) }).limitedBy, 'origin')
    assert.equal(fluidBound({ nodes: equal(4, { down: 1000, up: 5, origin: 10 }) }).limitedBy, 'uplinks')
  })

  it('is endless where no source has the bytes', () => {
    assert.equal(fluidBoundMs(1000, { nodes: equal(2, { down: 70, up: 60, origin: 0 }) }), Number.POSITIVE_INFINITY)
  })

  it('does not depend on whether equal nodes are one object', () => {
    const keeper = { down: 1000, up: 1, origin: 10 }
    const giver = { down: 1000, up: 50, origin: 10 }
    close(
      fluidBound({ nodes: [keeper, giver, keeper] }).rate,
      fluidBound({ nodes: [{ ...keeper }, giver, { ...keeper }] }).rate,
    )
    close(fluidBound({ nodes: [keeper, giver, keeper] }).rate, 12)
  })

  it('starts for each node when it joins, and for all with what was put in by then', () => {
    const late = [...equal(3, { down: 10, up: 100, origin: 10 }), { down: 10, up: 100, origin: 10, joinAtMs: 50 }]
    close(fluidBoundMs(1000, { nodes: late }), 150)
    // The first is alone with the origin for 100 ms: 400 bytes. Then 2 * 1000 - 400 come at 2 * (4 + 3) a ms.
    const slow = [
      { down: 1e9, up: 3, origin: 4 },
      { down: 1e9, up: 3, origin: 4, joinAtMs: 100 },
    ]
    close(fluidBoundMs(1000, { nodes: slow }), 100 + 1600 / 14)
  })

  it('counts what the origin gave before it changed', () => {
    const nodes = equal(1, { down: 100, up: 1, origin: 10 })
    close(fluidBoundMs(1000, { nodes, originChanges: [{ atMs: 50, rate: 5 }] }), 150)
    assert.equal(fluidBoundMs(1000, { nodes, originChanges: [{ atMs: 50, rate: 0 }] }), Number.POSITIVE_INFINITY)
  })

  it('is twice the link between two sites when one copy may be read', () => {
    const nodes = ['a', 'a', 'b', 'b'].map((site) => ({ down: 1000, up: 1000, origin: 100, site }))
    const siteInbound = new Map([
      ['a', 20],
      ['b', 20],
    ])
    close(fluidBound({ nodes, siteInbound, copiesMax: 1 }).rate, 40)
    assert.equal(fluidBound({ nodes, siteInbound, copiesMax: 1 }).limitedBy, 'sites')
    close(fluidBound({ nodes, siteInbound }).rate, 220)
  })

  it('takes the downlink of one node in the place of the slowest', () => {
    const nodes = [
      { down: 10, up: 60, origin: 10 },
      { down: 50, up: 60, origin: 10 },
    ]
    const [slower, faster] = nodeBoundsMs(1000, { nodes })
    close(slower ?? 0, 100)
    close(faster ?? 0, 50)
  })
})
