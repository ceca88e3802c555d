import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Bitfield } from '../../src/base/bitfield.ts'
import { SwarmError } from '../../src/base/errors.ts'
import { askId, chunkIndex, type PeerId, peerId } from '../../src/base/ids.ts'
import { Prng } from '../../src/base/prng.ts'
import type { Action, Claim } from '../../src/swarm/events.ts'
import { DEFAULT_LIMITS, limitRange, parseLimits } from '../../src/swarm/limits.ts'
import { Outbox } from '../../src/swarm/outbox.ts'
import { PeerTable } from '../../src/swarm/peer-table.ts'
import { RateMeter } from '../../src/swarm/rate-meter.ts'
import { RequestTable } from '../../src/swarm/request-table.ts'
import { SequenceWindow } from '../../src/swarm/sequence-window.ts'
import { UplinkMeter } from '../../src/swarm/uplink-meter.ts'
import { UploadSlots } from '../../src/swarm/upload-slots.ts'

const FIRST = peerId('first')
const SECOND = peerId('second')
const THIRD = peerId('third')

describe('limits', () => {
  it('have defaults within their ranges', () => {
    for (const [name, value] of Object.entries(DEFAULT_LIMITS)) {
      assert.equal(parseLimits({ [name]: value }).stallMs, name === 'stallMs' ? value : DEFAULT_LIMITS.stallMs)
    }
    assert.equal(limitRange('stallMs').value, DEFAULT_LIMITS.stallMs)
  })

  it('refuse unknown names and values out of range', () => {
    const usage = (error: unknown): boolean => error instanceof SwarmError && error.code === 'usage'
    assert.throws(() => parseLimits({ stalMs: 5 }), usage)
    assert.throws(() => parseLimits({ toString: 5 }), usage)
    assert.throws(() => parseLimits({ stallMs: 0 }), usage)
    assert.throws(() => parseLimits({ stallMs: 1000.5 }), usage)
    assert.throws(() => parseLimits({ stallMs: Number.NaN }), usage)
    assert.equal(parseLimits({ stallMs: 1000 }).stallMs, 1000)
  })
})

describe('RateMeter', () => {
  it('counts only the time in which something was asked', () => {
    const meter = new RateMeter()
    meter.start(0)
    for (let ms = 100; ms <= 1000; ms += 100) meter.add(1_000_000, ms * 1000)
    meter.stop(1_000_000)
    assert.equal(meter.rate(1_000_000), 10_000)
    assert.equal(meter.rate(900_000_000), 10_000)
    meter.start(900_000_000)
    for (let ms = 100; ms <= 1000; ms += 100) meter.add(1_000_000, 900_000_000 + ms * 1000)
    assert.equal(meter.rate(901_000_000), 10_000)
  })

  it('knows nothing at first and loses its rate when asked in vain', () => {
    const meter = new RateMeter()
    assert.equal(meter.rate(5_000_000), 0)
    meter.start(0)
    meter.add(50_000, 10_000)
    assert.equal(meter.rate(10_000), 0)
    assert.equal(meter.rate(50_000), 1000)
    assert.equal(meter.rate(50_000_000), 1)
  })
})

describe('SequenceWindow', () => {
  it('takes each sequence once, in any order that is not too late', () => {
    const order = fc.shuffledSubarray(Array.from({ length: 400 }, (_, index) => index + 1))
    fc.assert(
      fc.property(order, (sequences) => {
        const window = new SequenceWindow()
        for (const sequence of sequences) assert.equal(window.add(sequence), true)
        for (const sequence of sequences) assert.equal(window.add(sequence), false)
      }),
    )
  })

  it('counts what is far behind as heard, and takes no impossible sequence', () => {
    const window = new SequenceWindow()
    assert.equal(window.add(10_000), true)
    assert.equal(window.add(10_000 - 512), false)
    assert.equal(window.add(10_000 - 511), true)
    for (const bad of [0, -1, 1.5, Number.NaN, 2 ** 60]) assert.equal(window.add(bad), false)
    assert.equal(window.add(20_000), true)
    assert.equal(window.add(19_999), true)
  })
})

function newcomer(peer: PeerId, have: Bitfield): Parameters<PeerTable['add']>[0] {
  return { peer, have, readsOrigin: true, holdsAll: false }
}

describe('PeerTable', () => {
  const limits = parseLimits({ peersMax: 2, bannedPeersMax: 1 })

  function withPeer(): { table: PeerTable; peer: ReturnType<PeerTable['add']> } {
    const table = new PeerTable(limits)
    const peer = table.add(newcomer(FIRST, new Bitfield(8)), false, 8, 0)
    peer.counted = true
    return { table, peer }
  }

  it('copies the bitfield and takes none of the wrong size', () => {
    const table = new PeerTable(limits)
    const have = Bitfield.full(8)
    const peer = table.add(newcomer(FIRST, have), false, 8, 0)
    have.remove(3)
    assert.equal(peer.have.count, 8)
    assert.equal(table.add(newcomer(SECOND, Bitfield.full(9)), false, 8, 0).have.count, 0)
    assert.equal(table.full, true)
  })

  it('backs off twice as long each time in a row, to a limit, until forgiven', () => {
    const { table, peer } = withPeer()
    const waits: number[] = []
    for (let round = 0; round < 8; round++) {
      table.backOff(peer, 0)
      waits.push(peer.busyUntil / 1000)
    }
    assert.deepEqual(waits, [50, 100, 200, 400, 800, 1600, 2000, 2000])
    assert.equal(table.mayAsk(peer, 2, 1000, 1_999_999), false)
    assert.equal(table.mayAsk(peer, 2, 1000, 2_000_000), true)
    assert.equal(table.nextReturn(1_500_000), 2_000_000)
    assert.equal(table.nextReturn(2_000_000), Number.POSITIVE_INFINITY)
    table.forgive(peer)
    table.backOff(peer, 0)
    assert.equal(peer.busyUntil, 50_000)
  })

  it('gives a suspended peer one request to prove itself', () => {
    const { table, peer } = withPeer()
    table.suspend(peer, 0)
    peer.counted = false
    assert.equal(table.mayAsk(peer, 2, 1000, 1_000_000), false)
    assert.equal(table.mayAsk(peer, 2, 1000, 2_000_000), true)
    peer.open = 1
    assert.equal(table.mayAsk(peer, 2, 1000, 2_000_000), false)
  })

  it('asks more of a fast peer, within the limits', () => {
    const { table, peer } = withPeer()
    peer.open = 2
    assert.equal(table.mayAsk(peer, 2, 1_000_000, 0), false)
    peer.rate.start(0)
    peer.rate.add(10_000_000, 1_000_000)
    peer.open = 5
    assert.equal(table.mayAsk(peer, 2, 1_000_000, 1_000_000), true)
    peer.open = 6
    assert.equal(table.mayAsk(peer, 2, 1_000_000, 1_000_000), false)
  })

  it('remembers why it dropped a peer, for so many peers', () => {
    const { table } = withPeer()
    table.ban(FIRST, 'corrupt')
    assert.equal(table.bannedFor(FIRST), 'corrupt')
    table.ban(SECOND, 'lying')
    assert.equal(table.bannedFor(FIRST), undefined)
    assert.equal(table.bannedFor(SECOND), 'lying')
  })
})

describe('RequestTable', () => {
  const limits = parseLimits({ memoryBytesMax: 2 ** 21, requestsOpenMax: 4 })

  function peerOf(): ReturnType<PeerTable['add']> {
    return new PeerTable(limits).add(newcomer(FIRST, Bitfield.full(8)), false, 8, 0)
  }

  it('counts memory from the request until the chunk is stored', () => {
    const table = new RequestTable(limits)
    const peer = peerOf()
    const request = table.open(3, peer, 2 ** 20, 0)
    assert.deepEqual([table.memoryBytes, peer.open, peer.openBytes], [2 ** 20, 1, 2 ** 20])
    table.close(request, 5)
    table.keep(3, 2 ** 20)
    assert.deepEqual([table.memoryBytes, peer.open, peer.openBytes], [2 ** 20, 0, 0])
    table.stored(3)
    table.stored(3)
    assert.equal(table.memoryBytes, 0)
  })

  it('keeps the memory of a cancelled request until it is closed, and frees its place at once', () => {
    const table = new RequestTable(limits)
    const peer = peerOf()
    const request = table.open(3, peer, 100, 0)
    table.cancel(request, 1)
    assert.deepEqual([table.openCount, peer.open, table.memoryBytes, table.of(3).length], [0, 0, 100, 0])
    assert.equal([...table.all()].length, 0)
    table.close(request, 2)
    assert.deepEqual([table.openCount, peer.open, table.memoryBytes], [0, 0, 0])
    assert.equal(table.find(request.id), undefined)
  })

  it('has room for one chunk of any size, and no more than the memory allows', () => {
    const table = new RequestTable(limits)
    assert.equal(table.hasRoom(2 ** 30), true)
    table.open(0, null, 2 ** 20, 0)
    assert.equal(table.hasRoom(2 ** 20), true)
    assert.equal(table.hasRoom(2 ** 20 + 1), false)
    for (let chunk = 1; chunk < 4; chunk++) table.open(chunk, null, 1, 0)
    assert.equal(table.hasRoom(1), false)
  })

  it('knows what is still to come from the origin', () => {
    const table = new RequestTable(limits)
    const first = table.open(0, null, 1000, 0)
    const second = table.open(1, null, 500, 0)
    table.progress(first, 400, 1)
    assert.equal(table.originRestBytes, 1100)
    table.progress(first, 5000, 2)
    assert.equal(first.received, 1000)
    table.close(first, 2)
    table.cancel(second, 2)
    assert.deepEqual([table.originRestBytes, table.originCount], [0, 0])
  })
})

/** A chunk that nobody else has. */
const LONE = chunkIndex(5)

describe('UplinkMeter', () => {
  const SECOND_US = 1_000_000

  it('knows the rate of many uploads that share the uplink, once there were enough', () => {
    const meter = new UplinkMeter()
    // Four at a time, each a megabyte that takes four seconds: 1 MB a second.
    for (let second = 4; second < 40; second++) {
      if (second < 10) assert.equal(meter.rate, 0)
      meter.sent(1_000_000, (second - 4) * SECOND_US, second * SECOND_US, 4)
    }
    assert.ok(meter.rate > 900 && meter.rate <= 1_000, String(meter.rate))
  })

  it('does not take what buffers swallow for what the uplink carries', () => {
    const meter = new UplinkMeter()
    for (let upload = 0; upload < 40; upload++) meter.sent(1_000_000, upload * SECOND_US, upload * SECOND_US + 1_000, 1)
    assert.ok(meter.rate <= 1_400, String(meter.rate))
  })

  it('does not take uploads that end together for a faster uplink', () => {
    const meter = new UplinkMeter()
    for (let round = 0; round < 5; round++)
      for (let upload = 0; upload < 8; upload++)
        meter.sent(1_000_000, round * 8 * SECOND_US, (round + 1) * 8 * SECOND_US, 8 - upload)
    assert.ok(meter.rate <= 1_000, String(meter.rate))
  })
})

describe('UploadSlots', () => {
  const limits = parseLimits({ uploadSlots: 2, uploadSlotsPerPeer: 1, uploadQueueMax: 4, uploadQueuePerPeerMax: 3 })
  const ask = (id: number, peer: typeof FIRST) => ({ id: askId(id), peer, chunk: chunkIndex(0) })

  function start(slots: UploadSlots, lateness: (peer: PeerId) => number = () => 0) {
    return slots.startNext(2, lateness, (chunk) => chunk === LONE)
  }

  it('serves peers in turn, however many asks one of them has', () => {
    const slots = new UploadSlots(limits)
    for (const id of [1, 2, 3]) assert.ok(slots.accept(ask(id, FIRST)))
    assert.ok(slots.accept(ask(4, SECOND)))
    assert.equal(start(slots)?.id, 1)
    assert.equal(start(slots)?.id, 4)
    assert.equal(start(slots), undefined)
    slots.finish(askId(1))
    assert.ok(slots.accept(ask(5, THIRD)))
    assert.equal(start(slots)?.id, 2)
    slots.finish(askId(2))
    assert.equal(start(slots)?.id, 5)
  })

  it('serves the peer that is furthest behind first, and more of its asks at once', () => {
    const slots = new UploadSlots(parseLimits({ uploadSlots: 8, uploadSlotsPerPeer: 1, uploadSlotsPerLatePeer: 2 }))
    const lateness = (peer: typeof FIRST): number => (peer === FIRST ? 0 : 3)
    for (const id of [1, 2]) slots.accept(ask(id, FIRST))
    for (const id of [3, 4]) slots.accept(ask(id, SECOND))
    const order = Array.from({ length: 4 }, () => slots.startNext(8, lateness, () => false)?.id)
    assert.deepEqual(order, [3, 4, 1, undefined])
  })

  it('sends what only we have first, and to one peer at a time', () => {
    const slots = new UploadSlots(parseLimits({ uploadSlotsPerPeer: 2 }))
    slots.accept(ask(1, FIRST))
    slots.accept({ id: askId(2), peer: FIRST, chunk: LONE })
    slots.accept(ask(3, SECOND))
    slots.accept({ id: askId(4), peer: SECOND, chunk: LONE })
    assert.deepEqual([start(slots)?.id, start(slots)?.id, start(slots)?.id], [2, 3, undefined])
    slots.finish(askId(2))
    assert.equal(start(slots)?.id, 4)
  })

  it('sends what only we have before what a peer that is behind asks for', () => {
    const slots = new UploadSlots(limits)
    slots.accept(ask(1, FIRST))
    slots.accept({ id: askId(2), peer: SECOND, chunk: LONE })
    const lateness = (peer: PeerId): number => (peer === FIRST ? 3 : 0)
    assert.deepEqual([start(slots, lateness)?.id, start(slots, lateness)?.id], [2, 1])
  })

  it('refuses when the queue of one peer or of all is full', () => {
    const slots = new UploadSlots(limits)
    assert.deepEqual(
      [1, 2, 3, 4].map((id) => slots.accept(ask(id, FIRST))),
      [true, true, true, false],
    )
    assert.equal(slots.accept(ask(5, SECOND)), true)
    assert.equal(slots.accept(ask(6, THIRD)), false)
  })

  it('forgets cancelled asks and asks of peers that are gone', () => {
    const slots = new UploadSlots(limits)
    slots.accept(ask(1, FIRST))
    slots.accept(ask(2, SECOND))
    slots.cancel(askId(1))
    slots.cancel(askId(77))
    assert.deepEqual(
      slots.clear(SECOND).map((one) => one.id),
      [2],
    )
    assert.deepEqual([slots.waiting, start(slots)], [0, undefined])
    assert.equal(slots.finish(askId(1)), undefined)
  })
})

describe('Outbox', () => {
  const limits = parseLimits({ haveBatchMax: 3, claimBatchMax: 2 })
  const claim = (sequence: number): Claim => ({
    holder: THIRD,
    sequence,
    chunk: chunkIndex(0),
    state: 'pulling',
    timeToLiveMs: 1,
    originRate: 0,
    hops: 1,
  })

  function flush(outbox: Outbox, now: number): Action[] {
    const actions: Action[] = []
    outbox.flush(now, () => [FIRST, SECOND], new Prng(1), actions)
    return actions
  }

  it('gathers haves for a short time or until there are enough', () => {
    const outbox = new Outbox(limits)
    outbox.addHave(chunkIndex(1), 0)
    assert.deepEqual(flush(outbox, 19_999), [])
    assert.equal(outbox.nextDeadline(), 20_000)
    assert.equal(flush(outbox, 20_000).length, 1)
    for (const chunk of [2, 3, 4]) outbox.addHave(chunkIndex(chunk), 30_000)
    assert.deepEqual(flush(outbox, 30_000), [{ type: 'tellHave', chunks: [2, 3, 4], to: [FIRST, SECOND] }])
    assert.equal(outbox.nextDeadline(), undefined)
  })

  it('tells a word of our own at once, and one of others later to all but the neighbour who told us', () => {
    const outbox = new Outbox(limits)
    outbox.passClaim(claim(1), FIRST, 0)
    outbox.addOwnClaim(claim(2))
    assert.deepEqual(flush(outbox, 0), [{ type: 'tellClaims', claims: [claim(2)], to: [FIRST, SECOND] }])
    const later = outbox.nextDeadline() ?? 0
    assert.deepEqual(flush(outbox, later), [{ type: 'tellClaims', claims: [claim(1)], to: [SECOND] }])
    assert.equal(outbox.nextDeadline(), undefined)
  })

  it('passes words of others on to a few neighbours only', () => {
    const few = new Outbox(parseLimits({ claimFanOut: 1 }))
    few.passClaim(claim(1), THIRD, 0)
    assert.equal(flush(few, few.nextDeadline() ?? 0).length, 1)
  })

  it('passes them on to as large a part of many neighbours, so that each is told as often as by a node that has few', () => {
    const outbox = new Outbox(parseLimits({ claimFanOut: 1, neighboursWanted: 2 }))
    outbox.passClaim(claim(1), THIRD, 0)
    const peers = Array.from({ length: 8 }, (_, index) => peerId(`peer${index}`))
    const actions: Action[] = []
    outbox.flush(outbox.nextDeadline() ?? 0, () => peers, new Prng(1), actions)
    assert.equal(actions.length, 4)
  })

  it('splits what is too much for one message', () => {
    const outbox = new Outbox(limits)
    for (const sequence of [1, 2, 3]) outbox.addOwnClaim(claim(sequence))
    assert.equal(flush(outbox, 0).length, 2)
  })

  it('repeats to a new neighbour what was verified lately', () => {
    const outbox = new Outbox(limits)
    outbox.addHave(chunkIndex(1), 0)
    outbox.addHave(chunkIndex(2), 20_000_000)
    assert.deepEqual(outbox.recentHaves(40_000_000), [2])
  })
})
