// A driver among peers over real connections: what had come of a chunk when its source was lost is not fetched again.

import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { Bitfield } from '../../src/base/bitfield.ts'
import { askId, chunkIndex } from '../../src/base/ids.ts'
import { SlabPool } from '../../src/base/slab-pool.ts'
import { FRAME_BODY_BYTES_MAX } from '../../src/exchange/limits.ts'
import { encodeFrame } from '../../src/exchange/payload-frame.ts'
import { ChunkServing } from '../../src/node/chunk-serving.ts'
import { Driver } from '../../src/node/driver.ts'
import { SwarmSession } from '../../src/node/swarm-session.ts'
import { ChunkKeeper } from '../../src/restore/chunk-keeper.ts'
import { FilePool } from '../../src/restore/file-pool.ts'
import { chunkKey } from '../../src/snapshot/object-keys.ts'
import type { ObjectStore } from '../../src/store/object-store.ts'
import { openStore } from '../../src/store/open-store.ts'
import type { Event } from '../../src/swarm/events.ts'
import { DEFAULT_LIMITS } from '../../src/swarm/limits.ts'
import { TransferCounts } from '../../src/telemetry/transfer-counts.ts'
import { useFolder } from '../support/cli.ts'
import { LOOPBACK, SWARM_KEY, startTestNode, stopTestNodes, type TestNode } from '../support/exchange-node.ts'
import { admitRawPeer, stopRawPeers } from '../support/exchange-raw-peer.ts'
import { type LocalSnapshot, openTestCodec, snapshotOf } from '../support/local-snapshot.ts'
import { noise } from '../support/trees.ts'

const CHUNK = chunkIndex(0)
/** What the first peer sends before it is lost. */
const SENT = 2.5 * FRAME_BODY_BYTES_MAX
const STATUS = { type: 'status', progress: 'partial', readsOrigin: false, holdsAll: true, site: '' } as const
const HAVE_ALL = { type: 'haveAll', bitfield: Bitfield.full(1).encode() } as const

/** A driver that wants one chunk. */
interface Node {
  readonly driver: Driver
  readonly session: SwarmSession
  readonly counts: TransferCounts
  /** What was put into files. */
  readonly stored: Promise<Buffer>
  /** Resolves with the first event, past or future, that matches. */
  until(matches: (event: Event) => boolean): Promise<Event>
}

describe('a chunk whose source is lost in the middle', function () {
  this.timeout(60_000)
  const folder = useFolder()
  let snapshot: LocalSnapshot
  let encoded: Buffer
  const sessions: SwarmSession[] = []

  before(async () => {
    await mkdir(`${folder}/source`)
    await writeFile(`${folder}/source/blob`, noise(1024 * 1024, 1))
    snapshot = await snapshotOf(`${folder}/source`, openTestCodec())
    encoded = snapshot.encoded.get(snapshot.manifest.chunks.id(CHUNK)) ?? Buffer.alloc(0)
    assert.equal(snapshot.manifest.chunks.count, 1)
    assert.ok(encoded.length > SENT)
  })

  afterEach(async () => {
    await Promise.all(sessions.splice(0).map((session) => session.close()))
    await stopTestNodes()
    await stopRawPeers()
  })

  /** `disk` settles when the disk has taken a chunk. */
  async function startNode(origin?: ObjectStore, disk = Promise.resolve()): Promise<Node> {
    const { manifest, codec } = snapshot
    const session = await SwarmSession.open({
      ...{ swarmKey: SWARM_KEY, root: manifest.root, listen: LOOPBACK, listenIsDefault: false, announce: [] },
      ...{ readsOrigin: origin !== undefined, site: '', log: () => {} },
    })
    sessions.push(session)
    const slabs = new SlabPool(0)
    const counts = new TransferCounts()
    const stored = Promise.withResolvers<Buffer>()
    const events: Event[] = []
    const waiters = new Set<(event: Event) => void>()
    const files = new FilePool(1, () => Promise.reject(new Error('nothing is read back')))
    const driver = new Driver({
      ...{ manifest, origin, slabs, counts, exchange: session.exchange, serving: session.serving },
      scheduler: {
        self: session.exchange.peerId,
        chunkBytes: [encoded.length],
        held: new Bitfield(1),
        limits: DEFAULT_LIMITS,
        seed: 1,
        origin: { readable: origin !== undefined, mode: 'once', copiesMax: 1 },
      },
      keeper: new ChunkKeeper({ manifest, codec, slabs, files, encodedPath: folder, cacheBytesMax: 0 }),
      storeChunk: async (_chunk, slab) => {
        await disk
        stored.resolve(Buffer.from(slab.bytes))
      },
      findPeers: () => {},
      completed: () => {},
      failed: stored.reject,
      upThrottle: undefined,
      downThrottle: undefined,
      log: () => {},
      trace: {
        begin: () => {},
        step(_now, event) {
          events.push(event)
          for (const waiter of [...waiters]) waiter(event)
        },
        close: async () => {},
      },
    })
    // It is not started: the first thing that it hears of is a peer, and the store is left alone until that is lost.
    session.attach(driver)
    return {
      ...{ driver, session, counts },
      stored: stored.promise,
      until(matches) {
        const past = events.find(matches)
        if (past !== undefined) return Promise.resolve(past)
        return new Promise((resolve) => {
          const waiter = (event: Event): void => {
            if (!matches(event)) return
            waiters.delete(waiter)
            resolve(event)
          }
          waiters.add(waiter)
        })
      },
    }
  }

  /** A peer that says it has the chunk, sends so much of it as soon as it is asked, and is gone. */
  async function loseAfter(node: Node, bytes: Uint8Array): Promise<void> {
    const raw = await admitRawPeer(node.session.exchange.addresses()[0] ?? '')
    raw.send(STATUS)
    raw.send(HAVE_ALL)
    const asked = await raw.until('request')
    assert.ok(asked.type === 'request' && asked.offset === 0 && asked.length === encoded.length)
    for (let offset = 0; offset < bytes.length; offset += FRAME_BODY_BYTES_MAX) {
      const body = bytes.subarray(offset, offset + FRAME_BODY_BYTES_MAX)
      raw.payload.send(encodeFrame({ id: asked.id, offset, length: body.length }, body))
    }
    await raw.payload.close()
    await node.until(({ type }) => type === 'peerDown')
  }

  /** A peer that has the chunk and answers. */
  async function startHolder(node: Node): Promise<TestNode> {
    const holder = await startTestNode()
    holder.serves.set(CHUNK, encoded)
    const outcome = await holder.exchange.dial(node.session.exchange.addresses())
    assert.equal(outcome.status, 'connected')
    const { peerId } = node.session.exchange
    holder.exchange.send(peerId, STATUS)
    holder.exchange.send(peerId, HAVE_ALL)
    return holder
  }

  const ranges = ({ happenings }: TestNode): [number, number][] =>
    happenings.flatMap((one) => (one.type === 'asked' ? [[one.ask.offset, one.ask.length]] : []))

  it('is asked of the next peer from there on, and no byte comes twice', async () => {
    const node = await startNode()
    await loseAfter(node, encoded.subarray(0, SENT))
    const holder = await startHolder(node)
    assert.ok((await node.stored).equals(encoded))
    assert.deepEqual(ranges(holder), [[SENT, encoded.length - SENT]])
    assert.deepEqual([node.counts.fromPeers, node.counts.wasted], [encoded.length, 0])
  })

  it('is read from the store from there on', async () => {
    const { store, meter } = await openStore({ url: `file://${folder}/store`, env: {} })
    await store.put(chunkKey(snapshot.manifest.chunks.id(CHUNK)), encoded)
    const node = await startNode(store)
    await loseAfter(node, encoded.subarray(0, SENT))
    assert.ok((await node.stored).equals(encoded))
    assert.equal(meter.read().readBytes, encoded.length - SENT)
    assert.deepEqual([node.counts.fromStore, node.counts.fromPeers], [encoded.length - SENT, SENT])
    assert.equal(node.counts.wasted, 0)
  })

  it('and had sent wrong bytes is asked whole of the next peer, which is not blamed', async () => {
    const node = await startNode()
    await loseAfter(node, noise(SENT, 2))
    const holder = await startHolder(node)
    assert.ok((await node.stored).equals(encoded))
    assert.deepEqual(ranges(holder), [
      [SENT, encoded.length - SENT],
      [0, encoded.length],
    ])
    assert.deepEqual([node.counts.fromPeers, node.counts.wasted], [encoded.length, encoded.length])
    assert.deepEqual(node.session.exchange.peers(), [holder.exchange.peerId])
  })

  it('and had sent wrong bytes is read whole from the store, whose object nobody is told to delete', async () => {
    const { store, meter } = await openStore({ url: `file://${folder}/other-store`, env: {} })
    await store.put(chunkKey(snapshot.manifest.chunks.id(CHUNK)), encoded)
    const node = await startNode(store)
    await loseAfter(node, noise(SENT, 2))
    assert.ok((await node.stored).equals(encoded))
    assert.equal(meter.read().readBytes, 2 * encoded.length - SENT)
    assert.equal(node.driver.wrongChunk, undefined)
  })

  it('and is whole after all is served while it waits for the disk, though the cache has no room for it', async () => {
    const disk = Promise.withResolvers<void>()
    const node = await startNode(undefined, disk.promise)
    await loseAfter(node, encoded.subarray(0, SENT))
    await startHolder(node)
    await node.until(({ type }) => type === 'chunkVerified')
    const client = await startTestNode()
    const { peerId } = node.session.exchange
    await client.exchange.dial(node.session.exchange.addresses())
    client.exchange.send(peerId, STATUS)
    client.exchange.send(peerId, { type: 'haveAll', bitfield: new Bitfield(1).encode() })
    await node.until((event) => event.type === 'peerUp' && event.peer === client.exchange.peerId)
    const into = Buffer.alloc(encoded.length)
    const { status } = await client.exchange.request(peerId, { chunk: CHUNK }, 0, into)
    assert.equal(status, 'ok')
    assert.ok(into.equals(encoded))
    disk.resolve()
    assert.ok((await node.stored).equals(encoded))
  })

  it('takes of the limit on uploads what is asked for, not the whole chunk', async () => {
    const serving = new ChunkServing((await startTestNode()).exchange)
    const wanted = (offset: number, length: number): number => {
      serving.hold({ ask: askId(1), target: { chunk: CHUNK }, offset, length })
      return serving.bytesAsked(askId(1), 1000)
    }
    assert.deepEqual([wanted(0, 1000), wanted(600, 400), wanted(600, 9999), wanted(2000, 5)], [1000, 400, 400, 0])
    assert.equal(serving.bytesAsked(askId(2), 1000), 0)
  })
})
