import assert from 'node:assert/strict'
import fc from 'fast-check'
import { BytesColumn, NumberColumn } from '../../src/base/columns.ts'
import { InvariantError } from '../../src/base/errors.ts'

describe('columns', () => {
  it('gives back every number that was pushed', () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeInteger(), { maxLength: 300 }), fc.nat(8), (values, capacity) => {
        const column = new NumberColumn(capacity)
        for (const value of values) column.push(value)
        assert.equal(column.length, values.length)
        assert.deepEqual(
          values.map((_, index) => column.get(index)),
          values,
        )
      }),
    )
  })

  it('gives back every byte string that was pushed, empty ones too', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 30 }), (values) => {
        const column = new BytesColumn()
        for (const value of values) column.push(value)
        assert.equal(column.length, values.length)
        values.forEach((value, index) => {
          assert.deepEqual(column.get(index), Buffer.from(value))
        })
      }),
    )
  })

  it('keeps a view valid while the column grows', () => {
    const column = new BytesColumn()
    column.push(Buffer.from('first'))
    const view = column.get(0)
    for (let row = 0; row < 1000; row++) column.push(Buffer.alloc(100, row))
    assert.equal(view.toString(), 'first')
    assert.equal(column.get(0).toString(), 'first')
  })

  it('stops on a row that is not there', () => {
    const column = new NumberColumn()
    column.push(1)
    for (const row of [-1, 1, 63]) assert.throws(() => column.get(row), InvariantError)
    assert.throws(() => new BytesColumn().get(0), InvariantError)
  })
})
