import assert from 'node:assert/strict'
import { hashText, mix32, Prng } from '../../src/base/prng.ts'

const PINNED_DRAWS = [1849552023, 4223452576, 118919111]
const PINNED_MIX = 3441078823

function draw(seed: number, count: number): number[] {
  const random = new Prng(seed)
  return Array.from({ length: count }, () => random.nextUint32())
}

describe('Prng', () => {
  it('gives the same numbers for the same seed and others for another', () => {
    assert.deepEqual(draw(1, 20), draw(1, 20))
    assert.notDeepEqual(draw(1, 20), draw(2, 20))
    assert.notDeepEqual(draw(1, 20), draw(1 + 2 ** 32, 20))
  })

  it('gives the numbers that it gave when traces were first recorded', () => {
    assert.deepEqual(draw(42, 3), PINNED_DRAWS)
  })

  it('spreads evenly below a limit', () => {
    const random = new Prng(3)
    const counts = new Array<number>(10).fill(0)
    for (let round = 0; round < 10_000; round++) {
      const value = random.below(10)
      assert.ok(Number.isInteger(value) && value >= 0 && value < 10)
      counts[value] = (counts[value] ?? 0) + 1
    }
    for (const count of counts) assert.ok(count > 850 && count < 1150, `${counts}`)
  })
})

describe('mixing and hashing', () => {
  it('gives each of several nodes about its share of the chunks', () => {
    const hashes = ['a', 'b', 'c', 'd'].map((id) => hashText(`peer ${id}`))
    const wins = new Array<number>(4).fill(0)
    for (let chunk = 0; chunk < 4000; chunk++) {
      const ranks = hashes.map((hash) => mix32(hash, chunk))
      const winner = ranks.indexOf(Math.max(...ranks))
      wins[winner] = (wins[winner] ?? 0) + 1
    }
    for (const count of wins) assert.ok(count > 880 && count < 1120, `${wins}`)
  })

  it('gives the values that other nodes compute', () => {
    assert.equal(hashText(''), 0x811c9dc5)
    assert.equal(hashText('a'), 0xe40c292c)
    assert.equal(mix32(1, 2, 3), PINNED_MIX)
  })
})
