import assert from 'node:assert/strict'
import { Turns } from '../../src/restore/turns.ts'

describe('turns', () => {
  it('let so many run at a time, the rest in the order in which they came, also after failures', async () => {
    const turns = new Turns(2)
    const begun: number[] = []
    const works = Array.from({ length: 5 }, () => Promise.withResolvers<number>())
    const ends = works.map((work, index) =>
      turns.run(() => {
        begun.push(index)
        return work.promise
      }),
    )
    const settled = Promise.allSettled(ends)
    assert.deepEqual(begun, [0, 1])
    works[1]?.reject(new Error('no'))
    await assert.rejects(ends[1] ?? Promise.resolve())
    assert.deepEqual(begun, [0, 1, 2])
    for (const [index, work] of works.entries()) work.resolve(index)
    const results = await settled
    assert.deepEqual(begun, [0, 1, 2, 3, 4])
    assert.deepEqual(
      results.map((result) => (result.status === 'fulfilled' ? result.value : 'failed')),
      [0, 'failed', 2, 3, 4],
    )
  })

  it('end with the error of work that throws at once', async () => {
    const turns = new Turns(1)
    await assert.rejects(
      turns.run(() => {
        throw new Error('at once')
      }),
      /at once/,
    )
    assert.equal(await turns.run(async () => 7), 7)
  })
})
