import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Bitfield } from '../../src/base/bitfield.ts'

const sizeAndIndexes = fc
  .integer({ min: 1, max: 300 })
  .chain((size) => fc.tuple(fc.constant(size), fc.uniqueArray(fc.integer({ min: 0, max: size - 1 }))))

function fieldOf(size: number, indexes: readonly number[]): Bitfield {
  const field = new Bitfield(size)
  for (const index of indexes) field.add(index)
  return field
}

describe('Bitfield', () => {
  it('holds exactly what was added and not removed', () => {
    fc.assert(
      fc.property(sizeAndIndexes, ([size, indexes]) => {
        const field = fieldOf(size, indexes)
        assert.deepEqual(
          [...field],
          [...indexes].sort((left, right) => left - right),
        )
        assert.equal(field.count, indexes.length)
        for (const index of indexes) assert.ok(field.remove(index))
        assert.equal(field.count, 0)
        assert.deepEqual([...field], [])
      }),
    )
  })

  it('comes back from its wire form', () => {
    fc.assert(
      fc.property(sizeAndIndexes, ([size, indexes]) => {
        const field = fieldOf(size, indexes)
        const back = Bitfield.parse(field.encode(), size)
        assert.deepEqual(back === undefined ? undefined : [...back], [...field])
        assert.equal(back?.count, field.count)
      }),
    )
  })

  it('puts bit i into byte floor(i / 8), lowest first', () => {
    assert.deepEqual([...fieldOf(10, [0, 3, 9]).encode()], [0b1001, 0b10])
  })

  it('refuses a wire form of the wrong length or with bits past the end', () => {
    assert.equal(Bitfield.parse(new Uint8Array(1), 9), undefined)
    assert.equal(Bitfield.parse(new Uint8Array(3), 9), undefined)
    assert.equal(Bitfield.parse(Uint8Array.of(0, 0b10), 9), undefined)
    assert.equal(Bitfield.parse(Uint8Array.of(0, 0b1), 9)?.count, 1)
    assert.equal(Bitfield.parse(new Uint8Array(0), 0)?.complete, true)
  })

  it('is complete when full and has no bit past the end', () => {
    for (const size of [0, 1, 7, 8, 9, 64, 65]) {
      const full = Bitfield.full(size)
      assert.equal(full.complete, true)
      assert.equal([...full].length, size)
      assert.equal(Bitfield.parse(full.encode(), size)?.count, size)
    }
  })

  it('finds an index of both sets wherever the search begins, and none when there is none', () => {
    fc.assert(
      fc.property(sizeAndIndexes, sizeAndIndexes, fc.nat(400), ([size, left], [, right], start) => {
        const inside = right.filter((index) => index < size)
        const found = fieldOf(size, left).findCommon(fieldOf(size, inside), start % size)
        const common = left.filter((index) => inside.includes(index))
        if (found === undefined) assert.deepEqual(common, [])
        else assert.ok(common.includes(found))
      }),
    )
  })

  it('copies are independent', () => {
    const field = fieldOf(8, [1])
    const copy = field.copy()
    copy.add(2)
    assert.deepEqual([...field], [1])
    assert.equal(copy.count, 2)
  })

  it('says whether adding and removing changed anything', () => {
    const field = new Bitfield(4)
    assert.deepEqual([field.add(1), field.add(1), field.remove(1), field.remove(1)], [true, false, true, false])
    assert.throws(() => field.add(4), /invariant/)
    assert.equal(field.has(4), false)
  })
})
