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
    const second = pool.take(104 * KIB)
    assert.equal(second.bytes.buffer, memory)
    assert.equal(second.bytes.length, 104 * KIB)
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

  it('takes a little more for a buffer of a little more than a power of two', () => {
    const pool = new SlabPool(0)
    const taken = [1, 64 * KIB, 64 * KIB + 1, 8192 * KIB, 8193 * KIB, 9217 * KIB, 16_384 * KIB].map(
      (bytes) => pool.take(bytes).bytes.buffer.byteLength / KIB,
    )
    assert.deepEqual(taken, [64, 64, 72, 8192, 9216, 10_240, 16_384])
  })

  it('keeps what was released last, in place of sizes that nobody released for longer', () => {
    const pool = new SlabPool(256 * KIB)
    const slabs = [64, 64, 96, 128, 512].map((kib) => pool.take(kib * KIB))
    const memories = slabs.map((slab) => slab.bytes.buffer)
    for (const slab of slabs.slice(0, 4)) slab.release()
    // 64 of 64 + 64, 96 and 128 would be 288.
    const again = [64, 64, 96, 128].map((kib) => memories.includes(pool.take(kib * KIB).bytes.buffer))
    assert.deepEqual(again, [false, false, true, true])
    slabs[4]?.release()
    assert.notEqual(pool.take(512 * KIB).bytes.buffer, memories[4], 'more than may be idle at all')
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
