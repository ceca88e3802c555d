import assert from 'node:assert/strict'
import { crashing, poisoning, slow } from './faults.ts'
import { chunks, type NodeSpec, nodes, type Recorder, World, type WorldResult, type WorldSpec } from './world.ts'

const MIB = 1_048_576
/** Rates in bytes per ms. A chunk takes a source some seconds. */
const CLIENT: NodeSpec = { origin: 0, up: 60_000, down: 70_000 }
const SOURCE: NodeSpec = { origin: 0, up: 2_000, down: 70_000, source: true }

function run(spec: WorldSpec): WorldResult {
  const result = new World(spec).run()
  assert.ok(!result.stalled, `seed ${spec.seed}: nodes ${result.unfinished.join(' ')} never finished`)
  return result
}

/** The run as it is, and as it would be if nothing of a given-up request were kept. */
function both(spec: WorldSpec): { kept: WorldResult; lost: WorldResult } {
  return { kept: run(spec), lost: run({ ...spec, limits: { ...spec.limits, beginningsMax: 0 } }) }
}

describe('requests that are given up, in a simulated swarm', () => {
  it('cost nothing when sources vanish in the middle of chunks', () => {
    const doomed = [3_000, 7_000, 11_000, 15_000, 19_000].map((atMs) => crashing(SOURCE, atMs))
    const spec: WorldSpec = {
      seed: 1,
      chunkBytes: chunks(12, 8 * MIB),
      nodes: [CLIENT, ...doomed, SOURCE],
      mode: 'never',
    }
    const { kept, lost } = both(spec)
    assert.equal(kept.wastedShare, 0)
    assert.ok(lost.wastedShare > 0.1, `only ${lost.wastedShare} would be lost`)
    assert.ok(kept.ms < lost.ms, `${kept.ms} ms, and ${lost.ms} without`)
  })

  it('cost nothing when sources crawl', () => {
    const spec: WorldSpec = {
      seed: 2,
      // Without doubled requests, of which one is thrown away.
      limits: { endgameChunksMax: 0 },
      chunkBytes: chunks(60, 8 * MIB),
      nodes: [CLIENT, ...nodes(5, { ...SOURCE, up: 10_000 }), ...nodes(4, slow({ ...SOURCE, up: 20_000 }))],
      mode: 'never',
    }
    const { kept, lost } = both(spec)
    assert.equal(kept.wastedShare, 0)
    assert.ok(lost.wastedShare > 0.01, `only ${lost.wastedShare} would be lost`)
  })

  it('go on at the origin when the peers are gone, which sends the rest alone', () => {
    const spec: WorldSpec = {
      seed: 3,
      chunkBytes: chunks(4, 16 * MIB),
      nodes: [{ ...CLIENT, origin: 5_000, joinAtMs: 10 }, crashing(SOURCE, 9_000)],
      mode: 'once',
    }
    const { kept, lost } = both(spec)
    assert.equal(kept.wastedShare, 0)
    assert.ok(kept.originCopies < lost.originCopies, `${kept.originCopies} copies, and ${lost.originCopies} without`)
  })

  it('of peers that send wrong bytes and refuse the rest cost the others a few chunks each, and no honest peer is dropped', () => {
    const spec: WorldSpec = {
      seed: 4,
      chunkBytes: chunks(100, 4 * MIB),
      nodes: [...nodes(4, CLIENT), ...nodes(2, SOURCE), ...nodes(3, poisoning({ ...SOURCE, up: 20_000 }))],
      mode: 'never',
    }
    const wrong = new Array<number>(4).fill(0)
    const recorder: Recorder = {
      begin: () => {},
      step(index, _now, event) {
        if (event.type === 'requestFailed' && event.reason === 'corrupt') wrong[index] = (wrong[index] ?? 0) + 1
      },
    }
    const result = run({ ...spec, recorder })
    // Three begin two chunks each, which honest ones finish, and some more before that is known.
    assert.ok(Math.max(...wrong) <= 12, `wrong chunks: ${wrong.join(' ')}`)
    assert.deepEqual(
      [...result.dropped.keys()].filter((index) => index < 6),
      [],
    )
  })
})
