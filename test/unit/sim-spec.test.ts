import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { boundOf } from '../../bench/sim/bound.ts'
import { summarise, tableOf } from '../../bench/sim/report.ts'
import { percentile, runSeed } from '../../bench/sim/run.ts'
import { parseSpec, readSpec } from '../../bench/sim/spec.ts'

const NODES = [{ count: 3, downMBps: 70, upMBps: 60, originMBps: 10 }]
const FOLDER = join(import.meta.dirname, '..', '..', 'bench', 'specs')

describe('a spec of a simulation', () => {
  it('means what its fields say, with the defaults of the rest', () => {
    const { seeds, policy, originCopies, world } = parseSpec({ chunks: 5, nodes: NODES })
    assert.deepEqual([seeds, policy, originCopies], [10, 'auto', null])
    assert.deepEqual([world.chunkBytes.length, world.chunkBytes[0]], [5, 8_388_608])
    assert.deepEqual(world.nodes[2], {
      down: 70_000,
      up: 60_000,
      origin: 10_000,
      source: false,
      joinAtMs: 0,
      reachable: true,
      behaviour: 'honest',
    })
    assert.equal(world.copiesMax, 'unlimited')
  })

  it('moves a chunk in eight blocks at least, in four where there are many nodes', () => {
    const blockBytes = (chunkBytes: number, count = 3) =>
      parseSpec({ chunks: 5, chunkBytes, nodes: [{ ...NODES[0], count }] }).world.blockBytes
    assert.deepEqual([blockBytes(8_388_608), blockBytes(1_048_576), blockBytes(1)], [1_048_576, 131_072, 1])
    assert.deepEqual([blockBytes(8_388_608, 200), blockBytes(1_048_576, 200)], [2_097_152, 262_144])
    assert.equal(blockBytes(33_554_432), 1_048_576)
  })

  it('is refused with the field that is wrong', () => {
    for (const [change, message] of [
      [{ chunks: 0 }, /chunks is 0, not a number from 1/],
      [{ seed: 3 }, /no field seed; there is chunks/],
      [{ nodes: [] }, /0 nodes/],
      [{ nodes: [{ count: 1, upMBps: 1 }] }, /downMBps is undefined/],
      [{ nodes: [{ ...NODES[0], behaviour: 'odd' }] }, /behaviour is "odd", not one of honest/],
      [{ policy: 'twice' }, /policy is "twice"/],
      [{ links: [{ between: ['a'] }] }, /between does not name two sites/],
      [{ events: [{ atSeconds: 1 }] }, /originMBps is undefined/],
    ] as const)
      assert.throws(() => parseSpec({ chunks: 5, nodes: NODES, ...change }), message)
    assert.throws(() => readSpec('/nowhere.json'), /nowhere\.json: .*no such file/i)
  })

  it('is what each file in bench/specs is, with a bound', () => {
    const names = readdirSync(FOLDER)
    assert.equal(names.length, 40)
    for (const name of names) {
      const spec = readSpec(join(FOLDER, name))
      const { ms } = boundOf(spec)
      assert.ok(ms !== null && ms > 1_000 && Number.isFinite(ms), name)
    }
  })

  it('gives one line for a seed, the same each time, and a summary of several', () => {
    const spec = parseSpec({ chunks: 20, policy: 'once', nodes: NODES })
    const bound = boundOf(spec)
    const lines = [1, 2, 3].map((seed) => runSeed(spec, bound, seed))
    assert.deepEqual(runSeed(spec, bound, 2), lines[1])
    for (const line of lines) assert.ok(!line.stalled && line.ratio !== null && line.ratio >= 1)
    const summary = summarise(lines)
    assert.equal(summary.seeds, 3)
    assert.equal(summary.ratio?.worst, Math.max(...lines.map((line) => line.ratio ?? 0)))
    assert.match(tableOf(new Map([['plain-3', summary]])), /\| plain \| 1\.\d{3} \(1\.\d{3}\) \|/)
  })

  it('has no bound when nodes leave or sites are cut off', () => {
    const leaving = parseSpec({ chunks: 5, nodes: [...NODES, { ...NODES[0], leaveAtSeconds: 3 }] })
    assert.equal(boundOf(leaving).ms, null)
    const cut = parseSpec({ chunks: 5, nodes: NODES, events: [{ atSeconds: 1, partition: ['a', 'b'] }] })
    assert.equal(boundOf(cut).ms, null)
  })

  it('is judged by one copy where more gain less than a fifth, and by those allowed where they gain more', () => {
    const links = { downMBps: 7, originMBps: 1, count: 16 }
    const fast = parseSpec({ chunks: 5, originCopies: 2, nodes: [{ ...links, upMBps: 6 }] })
    const slow = parseSpec({ chunks: 5, nodes: [{ ...links, upMBps: 0.5 }] })
    const ms = 5 * 8_388.608
    assert.ok(Math.abs((boundOf(fast).ms ?? 0) - ms / ((6 * 16) / 15)) < 1e-6)
    assert.ok(Math.abs((boundOf(slow).ms ?? 0) - ms / 1.5) < 1e-6)
  })

  it('takes the nearest rank as a percentile', () => {
    assert.deepEqual([percentile([1, 2, 3, 4], 0.5), percentile([1, 2, 3, 4], 0.95), percentile([], 0.5)], [2, 4, null])
  })
})
