import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Bitfield } from '../../src/base/bitfield.ts'
import { peerId } from '../../src/base/ids.ts'
import { Prng } from '../../src/base/prng.ts'
import { ChunkPicker } from '../../src/swarm/chunk-picker.ts'
import { IndexBuckets, NO_BUCKET } from '../../src/swarm/index-buckets.ts'
import { PeerOffers } from '../../src/swarm/peer-offers.ts'
import { outranks, RendezvousShare } from '../../src/swarm/rendezvous.ts'

describe('IndexBuckets', () => {
  it('holds each index in the bucket that it was moved to last', () => {
    const move = fc.tuple(fc.nat(19), fc.integer({ min: -1, max: 3 }))
    fc.assert(
      fc.property(fc.array(move, { maxLength: 200 }), (moves) => {
        const buckets = new IndexBuckets(20, 4)
        const expected = new Map<number, number>()
        for (const [index, bucket] of moves) {
          buckets.move(index, bucket)
          expected.set(index, bucket)
        }
        for (let bucket = 0; bucket < 4; bucket++) {
          const inside = Array.from({ length: buckets.count(bucket) }, (_, position) => buckets.at(bucket, position))
          const wanted = [...expected].filter(([, last]) => last === bucket).map(([index]) => index)
          assert.deepEqual(new Set(inside), new Set(wanted))
          assert.equal(inside.length, wanted.length)
        }
        for (const [index, bucket] of expected) assert.equal(buckets.bucketOf(index), bucket)
        assert.equal(new IndexBuckets(1, 1).bucketOf(0), NO_BUCKET)
      }),
    )
  })
})

function pickerOf(availability: readonly number[]): ChunkPicker {
  const picker = new ChunkPicker(availability.length, new Prng(1))
  for (const [chunk, count] of availability.entries()) {
    picker.setWanted(chunk, true)
    for (let peer = 0; peer < count; peer++) picker.changeAvailability(chunk, 1)
  }
  return picker
}

/** As a peer that holds these chunks. */
function pick(picker: ChunkPicker, have: Bitfield): number | undefined {
  return picker.pick(have, offersOf(have))
}

function offersOf(have: Bitfield): PeerOffers {
  const offers = new PeerOffers(have.size)
  for (const chunk of have) offers.add(chunk)
  return offers
}

describe('PeerOffers', () => {
  it('lists a chunk once, and again after it was taken out', () => {
    const offers = new PeerOffers(4)
    for (const chunk of [3, 1, 3]) offers.add(chunk)
    assert.equal(offers.size, 2)
    offers.removeAt(0)
    assert.deepEqual([offers.size, offers.at(0)], [1, 1])
    offers.removeAt(0)
    offers.add(3)
    assert.deepEqual([offers.size, offers.at(0)], [1, 3])
  })
})

describe('ChunkPicker', () => {
  it('picks the rarest wanted chunk that the peer holds', () => {
    const picker = pickerOf([3, 1, 2, 0])
    assert.equal(pick(picker, Bitfield.full(4)), 1)
    picker.setWanted(1, false)
    assert.equal(pick(picker, Bitfield.full(4)), 2)
    const only = new Bitfield(4)
    only.add(0)
    assert.equal(pick(picker, only), 0)
    assert.equal(picker.pickable, 2)
  })

  it('picks our own share first among equally rare chunks', () => {
    const picker = pickerOf([1, 1, 1, 1, 1, 1, 1, 1])
    picker.setShare(5, true)
    assert.equal(pick(picker, Bitfield.full(8)), 5)
  })

  it('takes equally rare chunks in another order for another seed', () => {
    const orders = new Set<string>()
    for (let seed = 1; seed <= 5; seed++) {
      const picker = new ChunkPicker(20, new Prng(seed))
      for (let chunk = 0; chunk < 20; chunk++) {
        picker.setWanted(chunk, true)
        picker.changeAvailability(chunk, 1)
      }
      const order: (number | undefined)[] = []
      for (let round = 0; round < 20; round++) {
        const chunk = pick(picker, Bitfield.full(20))
        order.push(chunk)
        if (chunk !== undefined) picker.setWanted(chunk, false)
      }
      assert.equal(new Set(order).size, 20)
      orders.add(order.join())
    }
    assert.equal(orders.size, 5)
  })

  it('finds the one chunk of a peer among very many that it does not hold', () => {
    const picker = pickerOf(new Array<number>(2000).fill(1))
    const have = new Bitfield(2000)
    have.add(1234)
    for (let round = 0; round < 20; round++) assert.equal(pick(picker, have), 1234)
  })

  it('takes a chunk of our share that the peer alone holds before others that it alone holds', () => {
    const picker = pickerOf(new Array<number>(500).fill(1))
    picker.setShare(123, true)
    assert.equal(pick(picker, Bitfield.full(500)), 123)
  })

  it('finds the few chunks that the peer alone holds among very many that others hold as well', () => {
    const picker = pickerOf(Array.from({ length: 5000 }, (_, chunk) => (chunk === 1234 ? 1 : 2)))
    const have = Bitfield.full(5000)
    const offers = offersOf(have)
    for (let round = 0; round < 20; round++) assert.equal(picker.pick(have, offers), 1234)
  })

  it('forgets offers that are no longer wanted', () => {
    const picker = pickerOf([1, 1, 1])
    const offers = offersOf(Bitfield.full(3))
    for (const chunk of [0, 1, 2]) picker.setWanted(chunk, false)
    assert.equal(picker.pick(Bitfield.full(3), offers), undefined)
    assert.equal(offers.size, 0)
  })

  it('never picks what is not wanted or what no counted peer holds', () => {
    const picker = pickerOf([0, 1])
    picker.setWanted(1, false)
    assert.equal(pick(picker, Bitfield.full(2)), undefined)
    assert.equal(picker.pickAny(), undefined)
    assert.equal(picker.pickUncounted(offersOf(Bitfield.full(2))), 0)
  })
})

describe('ChunkPicker with chunks that come first', () => {
  it('picks them before rarer chunks as long as there are any', () => {
    const first = new Bitfield(6)
    first.add(2)
    first.add(4)
    const picker = new ChunkPicker(6, new Prng(1), first)
    for (const [chunk, count] of [1, 1, 3, 1, 2, 0].entries()) {
      picker.setWanted(chunk, true)
      for (let peer = 0; peer < count; peer++) picker.changeAvailability(chunk, 1)
    }
    assert.equal(picker.pickable, 5)
    const order: (number | undefined)[] = []
    for (let round = 0; round < 2; round++) {
      const chunk = picker.pickAny()
      order.push(chunk)
      if (chunk !== undefined) picker.setWanted(chunk, false)
    }
    assert.deepEqual(order.sort(), [2, 4])
    assert.ok([0, 1, 3].includes(picker.pickAny() ?? -1))
    picker.setWanted(2, true)
    assert.equal(picker.pickAny(), 2)
  })
})

describe('RendezvousShare', () => {
  const members = ['one', 'two', 'three', 'four'].map(peerId)

  it('gives every chunk to exactly one of the members, whatever the order in which they came', () => {
    const shares = members.map((self, turn) => {
      const share = new RendezvousShare(500, self, 10, () => {})
      for (let step = 0; step < members.length; step++) {
        const other = members[(step + turn) % members.length]
        if (other !== undefined) share.add(other)
      }
      return share
    })
    for (let chunk = 0; chunk < 500; chunk++) {
      assert.equal(shares.filter((share) => share.isMine(chunk)).length, 1)
    }
  })

  it('takes back what a member that left had, and reports each change', () => {
    const [self, second, third] = members
    assert.ok(self !== undefined && second !== undefined && third !== undefined)
    const mine = new Set<number>(Array.from({ length: 200 }, (_, chunk) => chunk))
    const share: RendezvousShare = new RendezvousShare(200, self, 10, (chunk) => {
      if (share.isMine(chunk)) mine.add(chunk)
      else mine.delete(chunk)
    })
    share.add(second)
    share.add(third)
    share.remove(third)
    for (let chunk = 0; chunk < 200; chunk++) {
      assert.equal(share.isMine(chunk), outranks(self, second, chunk))
      assert.equal(mine.has(chunk), share.isMine(chunk))
    }
    share.remove(second)
    assert.equal(mine.size, 200)
  })

  it('counts no more members than it may', () => {
    const [self, second, third] = members
    assert.ok(self !== undefined && second !== undefined && third !== undefined)
    const share = new RendezvousShare(10, self, 1, () => {})
    share.add(second)
    share.add(third)
    assert.equal(share.size, 2)
  })
})
