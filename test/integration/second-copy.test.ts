// A driver that gets one chunk whole from two peers in the same moment, which happens at the end of a transfer, when an idle
// peer is asked for what is slow to come from another. The peers are in this file; the rest is the real thing.

import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { Bitfield } from '../../src/base/bitfield.ts'
import { chunkIndex, type PeerId, peerId } from '../../src/base/ids.ts'
import { SlabPool } from '../../src/base/slab-pool.ts'
import type { Exchange } from '../../src/exchange/exchange.ts'
import type { ChunkServing } from '../../src/node/chunk-serving.ts'
import { Driver } from '../../src/node/driver.ts'
import { ChunkKeeper } from '../../src/restore/chunk-keeper.ts'
import { FilePool } from '../../src/restore/file-pool.ts'
import { DEFAULT_LIMITS } from '../../src/swarm/limits.ts'
import { TransferCounts } from '../../src/telemetry/transfer-counts.ts'
import { useFolder } from '../support/cli.ts'
import { openTestCodec, snapshotOf } from '../support/local-snapshot.ts'
import { noise } from '../support/trees.ts'

const CHUNK = chunkIndex(0)
const STANDING = { readsOrigin: false, holdsAll: true, site: '' }
/** So little that the rest seems far away soon. */
const FIRST_BYTES = 1000

type Answer = Awaited<ReturnType<Exchange['request']>>

/** Peers that send when the test says so. */
class SlowPeers {
  readonly asked: PeerId[] = []
  readonly #chunk: Uint8Array
  readonly #sends: (() => void)[] = []
  readonly #second = Promise.withResolvers<void>()

  constructor(chunk: Uint8Array) {
    this.#chunk = chunk
  }

  /** Settles when two are asked. */
  get bothAsked(): Promise<void> {
    return this.#second.promise
  }

  /** What of an exchange the driver uses to ask. */
  get exchange(): Exchange {
    const request: Exchange['request'] = (peer, _target, offset, into, { onBytes } = {}) => {
      this.asked.push(peer)
      const answer = Promise.withResolvers<Answer>()
      into.set(this.#chunk.subarray(offset))
      onBytes?.(FIRST_BYTES)
      this.#sends.push(() => {
        onBytes?.(into.length - FIRST_BYTES)
        answer.resolve({ status: 'ok', bytes: into.length })
      })
      if (this.#sends.length === 2) this.#second.resolve()
      return answer.promise
    }
    return { request, send: () => {}, drop: () => {} } as unknown as Exchange
  }

  sendAll(): void {
    for (const send of this.#sends) send()
  }
}

describe('a chunk that two peers send whole at once', function () {
  this.timeout(60_000)
  const folder = useFolder()

  it('is counted, written and reported once; the second copy is wasted', async () => {
    await mkdir(`${folder}/source`)
    await writeFile(`${folder}/source/blob`, noise(1024 * 1024, 1))
    const { manifest, codec, encoded } = await snapshotOf(`${folder}/source`, openTestCodec())
    const chunk = encoded.get(manifest.chunks.id(CHUNK)) ?? Buffer.alloc(0)
    const peers = new SlowPeers(chunk)
    const slabs = new SlabPool(0)
    const counts = new TransferCounts()
    const complete = Promise.withResolvers<void>()
    const files = new FilePool(1, () => Promise.reject(new Error('nothing is read back')))
    const keeper = new ChunkKeeper({ manifest, codec, slabs, files, encodedPath: folder, cacheBytesMax: 0 })
    const disk = Promise.withResolvers<void>()
    let written = 0
    const driver = new Driver({
      ...{ manifest, slabs, counts, keeper, exchange: peers.exchange, serving: {} as ChunkServing, origin: undefined },
      scheduler: {
        self: peerId('12D3KooWDriver'),
        chunkBytes: [chunk.length],
        held: new Bitfield(1),
        limits: DEFAULT_LIMITS,
        seed: 1,
        origin: { readable: false, mode: 'never', copiesMax: 1 },
      },
      async storeChunk() {
        written++
        await disk.promise
      },
      findPeers: () => {},
      completed: complete.resolve,
      failed: complete.reject,
      upThrottle: undefined,
      downThrottle: undefined,
      log: () => {},
      trace: undefined,
    })
    driver.start()
    const [first, second] = [peerId('12D3KooWFirst'), peerId('12D3KooWSecond')]
    for (const peer of [first, second]) driver.peerHaves(peer, Bitfield.full(1).encode(), STANDING)
    await peers.bothAsked
    assert.deepEqual(new Set(peers.asked), new Set([first, second]))

    peers.sendAll()
    await turn()
    // Both are here, and the disk has taken none.
    assert.deepEqual([written, counts.chunksStored], [1, 0])
    disk.resolve()
    await complete.promise
    assert.equal(written, 1)
    assert.deepEqual([counts.chunksStored, counts.rawStored], [1, manifest.rawBytes])
    assert.deepEqual([counts.fromPeers, counts.wasted], [chunk.length, chunk.length])
    await driver.stop()
  })
})
