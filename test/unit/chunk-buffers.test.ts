import assert from 'node:assert/strict'
import { chunkIndex, peerId } from '../../src/base/ids.ts'
import { SlabPool } from '../../src/base/slab-pool.ts'
import { ChunkBuffers } from '../../src/node/chunk-buffers.ts'
import type { Source } from '../../src/swarm/events.ts'
import { TransferCounts } from '../../src/telemetry/transfer-counts.ts'

const STORE: Source = { kind: 'origin' }
const ANN: Source = { kind: 'peer', peer: peerId('ann') }
const CHUNK = chunkIndex(3)
const BYTES = 100_000

describe('the buffers of chunks', () => {
  let counts: TransferCounts
  let buffers: ChunkBuffers

  beforeEach(() => {
    counts = new TransferCounts()
    buffers = new ChunkBuffers(new SlabPool(1 << 20), counts)
  })

  /** A buffer of a given-up request into which so much came. */
  function given(bytes: number, from: Source = ANN) {
    const buffer = buffers.open(CHUNK, BYTES, 0)
    buffer.add(bytes, from)
    buffers.keep(CHUNK, buffer)
    return buffer
  }

  it('give the next request the same memory, and count each byte where it came from', () => {
    const before = given(300)
    const next = buffers.open(CHUNK, BYTES, 300)
    assert.equal(next.slab, before.slab)
    assert.equal(next.filled, 300)
    next.add(BYTES - 300, STORE)
    next.count(counts)
    assert.deepEqual([counts.fromPeers, counts.fromStore, counts.wasted], [300, BYTES - 300, 0])
    assert.deepEqual([...next.senders], ['peer ann', 'the store'])
  })

  it('give a request from the start a buffer of its own', () => {
    const before = given(300)
    assert.notEqual(buffers.open(CHUNK, BYTES, 0).slab, before.slab)
    assert.equal(buffers.open(CHUNK, BYTES, 300).slab, before.slab)
  })

  it('keep the longer one of a chunk, the older of two alike, and count the other as wasted', () => {
    const long = given(300)
    given(300)
    given(200)
    assert.equal(counts.wasted, 500)
    assert.equal(buffers.open(CHUNK, BYTES, 300).slab, long.slab)
    const short = given(10)
    const longer = given(20)
    assert.notEqual(short.slab, longer.slab)
    assert.equal(counts.wasted, 510)
    assert.equal(buffers.open(CHUNK, BYTES, 20).slab, longer.slab)
  })

  it('forget the bytes after the place at which a request goes on', () => {
    const buffer = given(BYTES - 10, STORE)
    buffer.add(10, ANN)
    const next = buffers.open(CHUNK, BYTES, BYTES - 11)
    assert.equal(next.filled, BYTES - 11)
    assert.equal(counts.wasted, 11)
    next.count(counts)
    assert.deepEqual([counts.fromPeers, counts.fromStore], [0, BYTES - 11])
  })

  it('count a second copy of a chunk as wasted, wherever it came from', () => {
    const second = buffers.open(CHUNK, BYTES, 0)
    second.add(BYTES - 10, ANN)
    second.add(10, STORE)
    buffers.discard(second)
    assert.deepEqual([counts.fromPeers, counts.fromStore, counts.wasted], [0, 0, BYTES])
  })

  it('refuse to go on where nothing is', () => {
    given(300)
    assert.throws(() => buffers.open(CHUNK, BYTES, 301))
    buffers.drop(CHUNK)
    assert.throws(() => buffers.open(CHUNK, BYTES, 300))
    assert.equal(counts.wasted, 300)
  })

  it('give back all memory when they close, and what comes later, too', () => {
    const slabs = new SlabPool(1 << 20)
    buffers = new ChunkBuffers(slabs, counts)
    const late = buffers.open(CHUNK, BYTES, 0)
    const kept = given(300)
    buffers.close()
    late.add(400, ANN)
    buffers.keep(CHUNK, late)
    assert.equal(counts.wasted, 700)
    const again = new Set([slabs.take(BYTES), slabs.take(BYTES)].map(({ bytes }) => bytes.buffer))
    assert.deepEqual(again, new Set([late.slab.bytes.buffer, kept.slab.bytes.buffer]))
  })
})
