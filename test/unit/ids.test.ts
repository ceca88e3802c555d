import assert from 'node:assert/strict'
import fc from 'fast-check'
import { InvariantError } from '../../src/base/errors.ts'
import {
  chunkIndex,
  isObjectId,
  micros,
  objectId,
  objectIdBytes,
  objectIdFromBytes,
  peerId,
} from '../../src/base/ids.ts'

describe('ids', () => {
  it('turns 32 bytes into an object id and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const id = objectIdFromBytes(bytes)
        assert.equal(isObjectId(id), true)
        assert.deepEqual(objectIdBytes(id), Buffer.from(bytes))
      }),
    )
  })

  it('reads an id out of the middle of a larger buffer', () => {
    const bytes = Buffer.alloc(96, 1).fill(7, 32, 64)
    assert.equal(objectIdFromBytes(bytes.subarray(32, 64)), '07'.repeat(32))
  })

  it('takes only 64 lower-case hex digits for an object id', () => {
    const good = 'a0'.repeat(32)
    assert.equal(isObjectId(good), true)
    for (const bad of ['', good.toUpperCase(), good.slice(1), `${good}0`, `${good}\n`, `g${good.slice(1)}`]) {
      assert.equal(isObjectId(bad), false, JSON.stringify(bad))
      assert.throws(() => objectId(bad), InvariantError)
    }
    assert.throws(() => objectIdFromBytes(new Uint8Array(31)), InvariantError)
  })

  it('refuses chunk indexes, times and peer ids that cannot be', () => {
    assert.equal(chunkIndex(0), 0)
    for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => chunkIndex(bad), InvariantError)
    }
    assert.equal(micros(-5), -5)
    assert.throws(() => micros(1.5), InvariantError)
    assert.throws(() => micros(2 ** 53), InvariantError)
    assert.throws(() => peerId(''), InvariantError)
    assert.throws(() => peerId('x'.repeat(129)), InvariantError)
  })
})
