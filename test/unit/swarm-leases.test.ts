import assert from 'node:assert/strict'
import { Bitfield } from '../../src/base/bitfield.ts'
import { chunkIndex, peerId } from '../../src/base/ids.ts'
import { Prng } from '../../src/base/prng.ts'
import type { Claim } from '../../src/swarm/events.ts'
import { parseLimits } from '../../src/swarm/limits.ts'
import { CLAIMED, HELD_BY_STRANGER, OriginLeases } from '../../src/swarm/origin-leases.ts'
import { outranks } from '../../src/swarm/rendezvous.ts'

const SELF = peerId('self')
const OTHER = peerId('other')
const SECOND_US = 1_000_000

function leasesOf(chunkCount: number): OriginLeases {
  const leases = new OriginLeases(SELF, chunkCount, parseLimits(), new Prng(1))
  for (let chunk = 0; chunk < chunkCount; chunk++) leases.place(chunk, true, chunk === 2, 0)
  return leases
}

function word(sequence: number, change: Partial<Claim> = {}): Claim {
  return {
    holder: OTHER,
    sequence,
    chunk: chunkIndex(0),
    state: 'pulling',
    timeToLiveMs: 5_000,
    originRate: 0,
    hops: 0,
    ...change,
  }
}

describe('OriginLeases', () => {
  it('offers our share first, then what nobody has taken, then nothing', () => {
    const leases = leasesOf(4)
    leases.hear(word(1, { chunk: chunkIndex(0) }), true, 0)
    leases.place(0, true, false, 0)
    assert.equal(leases.freeCount, 3)
    assert.equal(leases.pickFree(true), 2)
    leases.place(2, false, true, 0)
    assert.ok([1, 3].includes(leases.pickFree(true) ?? -1))
    leases.place(1, false, false, 0)
    leases.place(3, false, false, 0)
    assert.equal(leases.pickFree(true), undefined)
  })

  it('leaves the shares of others alone where it is told to, but for what comes before all others', () => {
    const first = new Bitfield(3)
    first.add(2)
    const leases = new OriginLeases(SELF, 3, parseLimits(), new Prng(1), first)
    for (let chunk = 0; chunk < 3; chunk++) leases.place(chunk, true, chunk === 1, 0)
    assert.equal(leases.freeElsewhereCount, 1)
    assert.equal(leases.pickFree(false), 2)
    leases.place(2, false, false, 0)
    assert.equal(leases.pickFree(false), 1)
    leases.place(1, false, true, 0)
    assert.equal(leases.pickFree(false), undefined)
    assert.equal(leases.pickFree(true), 0)
  })

  it('offers what comes first before our share of the rest, unless somebody has taken it', () => {
    const first = new Bitfield(6)
    first.add(4)
    first.add(5)
    const leases = new OriginLeases(SELF, 6, parseLimits(), new Prng(1), first)
    for (let chunk = 0; chunk < 6; chunk++) leases.place(chunk, true, chunk === 2 || chunk === 5, 0)
    assert.equal(leases.freeCount, 6)
    assert.equal(leases.pickFree(true), 5)
    leases.place(5, false, true, 0)
    assert.equal(leases.pickFree(true), 4)
    leases.hear(word(1, { chunk: chunkIndex(4) }), true, 0)
    leases.place(4, true, false, 0)
    assert.equal(leases.pickFree(true), 2)
    assert.equal(leases.freeCount, 4)
  })

  it('respects a claim until it expires, and longer when it is refreshed', () => {
    const leases = leasesOf(1)
    leases.hear(word(1), true, 0)
    leases.place(0, true, true, 0)
    assert.deepEqual(leases.expired(4 * SECOND_US), [])
    leases.hear(word(2), true, 4 * SECOND_US)
    assert.deepEqual(leases.expired(8 * SECOND_US), [])
    assert.deepEqual(leases.expired(9 * SECOND_US), [0])
    leases.place(0, true, true, 9 * SECOND_US)
    assert.equal(leases.pickFree(true), 0)
  })

  it('hears each word once and never lets an old word undo a newer one', () => {
    const leases = leasesOf(1)
    assert.equal(leases.hear(word(5, { state: 'held', timeToLiveMs: 0 }), true, 0), true)
    assert.equal(leases.hear(word(5, { state: 'held', timeToLiveMs: 0 }), true, 0), false)
    assert.equal(leases.hear(word(4), true, 0), true)
    leases.place(0, true, true, 0)
    assert.equal(
      leases.search(HELD_BY_STRANGER, 0, () => true),
      0,
    )
  })

  it('takes a dropped word as the end of a claim', () => {
    const leases = leasesOf(1)
    leases.hear(word(1), true, 0)
    leases.hear(word(2, { state: 'dropped', timeToLiveMs: 0 }), true, 0)
    leases.place(0, true, true, 0)
    assert.equal(leases.pickFree(true), 0)
  })

  it('forgets what a lost neighbour held at once and what it pulled after a grace', () => {
    const leases = leasesOf(2)
    leases.hear(word(1), true, 0)
    leases.hear(word(2, { chunk: chunkIndex(1), state: 'held', timeToLiveMs: 0 }), true, 0)
    assert.deepEqual(leases.forgetHolder(OTHER, 0), [0, 1])
    for (const chunk of [0, 1]) leases.place(chunk, true, true, 0)
    assert.equal(leases.freeCount, 1)
    assert.equal(leases.pickFree(true), 1)
    assert.deepEqual(leases.expired(SECOND_US), [0])
  })

  it('never offers what the origin does not have', () => {
    const leases = leasesOf(1)
    leases.absent.add(0)
    leases.place(0, true, true, 0)
    assert.equal(leases.freeCount, 0)
  })

  it('numbers its words, tells the end of a lease once, and refreshes at half time', () => {
    const leases = leasesOf(1)
    const taken = leases.take(0, false, 1_000, 4_000, 0)
    assert.deepEqual([taken?.sequence, taken?.state, taken?.timeToLiveMs], [1, 'pulling', 12_000])
    assert.equal(leases.refresh(0, 1_000, 5 * SECOND_US), undefined)
    assert.equal(leases.refresh(0, 1_000, 6 * SECOND_US)?.sequence, 2)
    const [repeated] = leases.current(8 * SECOND_US)
    assert.deepEqual([repeated?.sequence, repeated?.timeToLiveMs], [2, 10_000], 'a newcomer hears what others heard')
    assert.equal(leases.end(0, 'held')?.state, 'held')
    assert.equal(leases.end(0, 'held'), undefined)
    assert.equal(leases.refresh(0, 1_000, 60 * SECOND_US), undefined)
  })

  it('says nothing of a copy but that it was read, and that to neighbours alone', () => {
    const leases = leasesOf(2)
    assert.equal(leases.take(0, true, 1_000, 4_000, 0), undefined)
    assert.ok(leases.isCopy(0))
    assert.deepEqual([leases.refresh(0, 1_000, 60 * SECOND_US), leases.current(SECOND_US)], [undefined, []])
    const read = leases.end(0, 'held')
    assert.deepEqual([read?.state, read?.hops], ['held', 0])
    leases.take(1, true, 1_000, 4_000, 0)
    assert.equal(leases.end(1, 'dropped'), undefined)
  })

  it('keeps the time to live between its limits and long while the rate is unknown', () => {
    const leases = leasesOf(3)
    assert.equal(leases.take(0, false, 0, 0, 0)?.timeToLiveMs, 10_000)
    assert.equal(leases.take(1, false, 1, 1, 0)?.timeToLiveMs, 2_000)
    assert.equal(leases.take(2, false, 1, 1_000_000, 0)?.timeToLiveMs, 60_000)
  })

  it('lets words travel far only at first and now and then while it knows no stranger', () => {
    const leases = leasesOf(100)
    const hops = Array.from({ length: 24 }, (_, chunk) => leases.take(chunk, false, 0, 0, 0)?.hops)
    assert.deepEqual(
      hops.map((count) => (count ?? 0) > 0),
      hops.map((_, index) => index <= 8 || index === 16),
    )
    leases.hear(word(1), true, 0)
    leases.setStrangers(() => false)
    assert.ok((leases.take(30, false, 0, 0, 0)?.hops ?? 0) > 0)
    leases.setStrangers(() => true)
    assert.equal(leases.take(31, false, 0, 0, 0)?.hops, 0)
  })

  it('settles a double pull the same way on both sides', () => {
    const rates = [0, 1, 1000, 1023, 1024, 1900, 2000, 4_000_000_000]
    for (const ourRate of rates)
      for (const theirRate of rates) {
        const ours = new OriginLeases(SELF, 1, parseLimits(), new Prng(1))
        const theirs = new OriginLeases(OTHER, 1, parseLimits(), new Prng(2))
        const ourWord = ours.take(0, false, ourRate, 0, 0)
        const theirWord = theirs.take(0, false, theirRate, 0, 0)
        assert.ok(ourWord !== undefined && theirWord !== undefined)
        assert.notEqual(ours.yieldsTo(theirWord), theirs.yieldsTo(ourWord), `at ${ourRate} and ${theirRate}`)
        if (ourRate === theirRate) assert.equal(ours.yieldsTo(theirWord), outranks(OTHER, SELF, 0))
        if (theirRate >= 2 * ourRate && theirRate > 0) assert.equal(ours.yieldsTo(theirWord), true)
      }
  })

  it('believes a word that comes again after its holder was lost, and only that one', () => {
    const leases = leasesOf(2)
    leases.hear(word(1), true, 0)
    leases.hear(word(2, { chunk: chunkIndex(1), state: 'held', timeToLiveMs: 0 }), true, 0)
    leases.forgetHolder(OTHER, 0)
    assert.equal(leases.hear(word(1), true, SECOND_US), false)
    assert.equal(leases.renew(word(1), SECOND_US), true)
    leases.place(0, true, true, SECOND_US)
    assert.equal(leases.freeCount, 1, 'the other chunk')
    assert.equal(leases.renew(word(3), SECOND_US), false)
    assert.equal(leases.renew(word(2, { chunk: chunkIndex(1), state: 'held' }), SECOND_US), false)
  })

  it('has room for new words about a chunk when older ones are over', () => {
    const leases = new OriginLeases(SELF, 1, parseLimits({ claimsPerChunkMax: 1 }), new Prng(1))
    leases.hear(word(1, { holder: peerId('a') }), true, 0)
    leases.hear(word(1, { holder: peerId('b'), state: 'held', timeToLiveMs: 0 }), true, 60 * SECOND_US)
    leases.place(0, true, true, 60 * SECOND_US)
    assert.equal(
      leases.search(HELD_BY_STRANGER, 60 * SECOND_US, () => true),
      0,
    )
  })

  it('bounds the words about one chunk and the holders that it knows', () => {
    const limits = parseLimits({ claimHoldersMax: 3, claimsPerChunkMax: 2 })
    const leases = new OriginLeases(SELF, 1, limits, new Prng(1))
    const heard = ['a', 'b', 'c', 'd'].map((name) => leases.hear(word(1, { holder: peerId(name) }), true, 0))
    assert.deepEqual(heard, [true, true, true, false])
    leases.place(0, true, true, 0)
    let words = 0
    leases.search(CLAIMED, 0, () => {
      words++
      return true
    })
    assert.equal(words, 2)
  })
})
