// Buffers are used again, and only when nobody holds them.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { InvariantError } from '../../src/base/errors.ts'
import { type Slab, SlabPool } from '../../src/base/slab-pool.ts'

const KIB = 1024

describe('slab pool', () => {
  it('gives released memory to the next taker of a like size', () => {
    const pool = new SlabPool(1024 * KIB)
    const first = pool.take(100 * KIB)
    const memory = first.bytes.buffer
    first.release()
    const second = pool.take(120 * KIB)
    assert.equal(second.bytes.buffer, memory)
    assert.equal(second.bytes.length, 120 * KIB)
  })

  it('keeps memory until the last owner has released it', () => {
    const pool = new SlabPool(1024 * KIB)
    const slab = pool.take(1)
    slab.retain()
    slab.release()
    assert.notEqual(pool.take(1).bytes.buffer, slab.bytes.buffer)
    slab.release()
    assert.equal(pool.take(1).bytes.buffer, slab.bytes.buffer)
  })

  it('keeps no more idle memory than it may', () => {
    const pool = new SlabPool(128 * KIB)
    const slabs = [pool.take(64 * KIB), pool.take(64 * KIB), pool.take(64 * KIB)]
    const memories = slabs.map((slab) => slab.bytes.buffer)
    for (const slab of slabs) slab.release()
    const again = [pool.take(1), pool.take(1), pool.take(1)].map((slab) => slab.bytes.buffer)
    assert.equal(again.filter((memory) => memories.includes(memory)).length, 2)
  })

  it('says so when an owner releases twice or comes too late', () => {
    const slab = new SlabPool(0).take(5)
    slab.release()
    assert.throws(() => slab.release(), InvariantError)
    assert.throws(() => slab.retain(), InvariantError)
    assert.throws(() => new SlabPool(0).take(5).narrow(6), InvariantError)
  })

  it('two live slabs never share memory, whatever is taken and released', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(300 * KIB)), { maxLength: 60 }), (steps) => {
        const pool = new SlabPool(512 * KIB)
        const live: Slab[] = []
        for (const [take, size] of steps) {
          if (take) live.push(pool.take(size))
          else live.splice(size % Math.max(1, live.length), 1)[0]?.release()
          assert.equal(new Set(live.map((slab) => slab.bytes.buffer)).size, live.length)
        }
      }),
    )
  })
})
