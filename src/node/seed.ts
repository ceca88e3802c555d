// seed: serves a workspace straight from its files. `push --seed` uses the same with the snapshot it has just made.

import { randomBytes } from 'node:crypto'
import { Bitfield } from '../base/bitfield.ts'
import { SlabPool } from '../base/slab-pool.ts'
import { chunkMemory } from '../codec/chunk-memory.ts'
import type { Codec, EncodeOptions, FileSystemCalls } from '../codec/codec.ts'
import { ChunkKeeper, keepEncoded } from '../restore/chunk-keeper.ts'
import { FilePool } from '../restore/file-pool.ts'
import { OPEN_FILES_MAX } from '../restore/limits.ts'
import { chunkKey } from '../snapshot/object-keys.ts'
import type { OpenedStore } from '../store/open-store.ts'
import { DEFAULT_LIMITS } from '../swarm/limits.ts'
import { TransferCounts } from '../telemetry/transfer-counts.ts'
import { Driver } from './driver.ts'
import type { NodeEvent, TransferReport } from './join-events.ts'
import type { JoinTarget } from './join-target.ts'
import { openPeering, type PeeringOptions } from './peering.ts'
import { type BuiltSnapshot, buildSnapshot } from './snapshot-builder.ts'
import { SourceTree } from './source-tree.ts'
import type { SwarmSession } from './swarm-session.ts'

export interface BuildForSeedInit {
  readonly directory: string
  readonly codec: Codec
  readonly calls: FileSystemCalls
  readonly options: Pick<EncodeOptions, 'codec' | 'zstdLevel'>
  readonly chunkBytes: number
  readonly memoryBytes: number
  /** Where encoded chunks are kept that cannot be made again. */
  readonly encodedPath: string
  readonly emit: (event: NodeEvent) => void
  readonly signal: AbortSignal
}

/** Encodes the whole workspace once, to learn its chunks' ids. Keeps only what cannot be encoded again. */
export async function buildForSeed(init: BuildForSeedInit): Promise<{ tree: SourceTree; snapshot: BuiltSnapshot }> {
  const progress = { fromStore: 0, fromPeers: 0, fromSelf: 0, toPeers: 0, toStore: 0, peers: 0 }
  const report = (stage: 'listing' | 'encoding', rawBytesDone: number, rawBytesTotal: number): void =>
    init.emit({ type: 'progress', stage, rawBytesDone, rawBytesTotal, ...progress })
  report('listing', 0, 0)
  const tree = await SourceTree.list(init.directory, init.calls, init.signal)
  for (const message of tree.warnings) init.emit({ type: 'warning', message })
  let done = 0
  const snapshot = await buildSnapshot({
    tree,
    codec: init.codec,
    slabs: new SlabPool(init.memoryBytes / 4, chunkMemory()),
    chunkBytes: init.chunkBytes,
    options: init.options,
    concurrency: init.codec.status.threads + 1,
    signal: init.signal,
    findKnown: () => undefined,
    async take(chunk, encoded) {
      if (chunk.codec === 'zstd' && encoded !== undefined) await keepEncoded(init.encodedPath, chunk.id, encoded.bytes)
    },
    onRead(bytes) {
      done += bytes
      report('encoding', done, tree.rawBytes)
    },
  })
  return { tree, snapshot }
}

export interface SeedInit {
  readonly tree: SourceTree
  readonly snapshot: BuiltSnapshot
  readonly target: JoinTarget
  /** Where this node announces itself; undefined: the ticket is the only way here. */
  readonly store: OpenedStore | undefined
  readonly codec: Codec
  readonly encodedPath: string
  readonly peering: PeeringOptions
  readonly memoryBytes: number
  readonly startedAtMs: number
  readonly emit: (event: NodeEvent) => void
  readonly log: (text: string) => void
}

export interface Seeding {
  readonly session: SwarmSession
  report(): TransferReport
  close(): Promise<void>
}

/** Resolves as soon as peers can dial and ask. */
export async function seed(init: SeedInit): Promise<Seeding> {
  const { snapshot, codec, target } = init
  const { manifest } = snapshot
  const store = init.store?.store
  const slabs = new SlabPool(init.memoryBytes / 4, chunkMemory())
  const files = new FilePool(OPEN_FILES_MAX, (entry) => init.tree.openFile(entry))
  const keeper = new ChunkKeeper({
    manifest,
    codec,
    slabs,
    files,
    readPack: (parts, raw) =>
      init.tree.readPieces(
        parts.map(({ entry, fileOffset, length }) => ({ file: entry, offset: fileOffset, length })),
        raw,
      ),
    encodedPath: init.encodedPath,
    cacheBytesMax: init.memoryBytes / 4,
    // `push --seed` keeps no chunks of its own: those that cannot be made again are in the store.
    ...(store === undefined ? {} : { fetch: (id, into) => store.getInto(chunkKey(id), into) }),
  })
  const session = await openPeering(target, init.store, false, init.peering, init.emit, init.log, (opened) => {
    opened.objects.set(snapshot.root, snapshot.head)
    for (const [id, part] of snapshot.parts) opened.objects.set(id, part)
  })
  const seconds = (performance.now() - init.startedAtMs) / 1000
  const readyAtMs = Date.now()
  const driver = new Driver({
    manifest,
    scheduler: {
      self: session.exchange.peerId,
      chunkBytes: Float64Array.from({ length: manifest.chunks.count }, (_, chunk) =>
        manifest.chunks.encodedBytes(chunk),
      ),
      held: Bitfield.full(manifest.chunks.count),
      limits: DEFAULT_LIMITS,
      seed: randomBytes(4).readUInt32LE(),
      origin: { readable: false, mode: 'never', copiesMax: 0 },
      site: session.site,
    },
    exchange: session.exchange,
    serving: session.serving,
    keeper,
    slabs,
    counts: new TransferCounts(),
    origin: undefined,
    // A chunk that the source's files lost comes back from a peer and is then served from its kept copy.
    storeChunk: (chunk, encoded) => keepEncoded(init.encodedPath, manifest.chunks.id(chunk), encoded.bytes),
    findPeers: () => session.lookForPeers(),
    completed: () => undefined,
    failed: (error) => init.log(error.message),
    upThrottle: undefined,
    downThrottle: undefined,
    log: init.log,
    trace: undefined,
  })
  session.markComplete()
  session.attach(driver)
  driver.start()
  return {
    session,
    report: () => seedReport(init, session, seconds, readyAtMs),
    async close() {
      await driver.stop()
      await session.close()
      keeper.clear()
      await files.closeAll()
    },
  }
}

function seedReport(init: SeedInit, session: SwarmSession, seconds: number, readyAtMs: number): TransferReport {
  const { manifest } = init.snapshot
  return {
    command: 'seed',
    snapshot: init.target.name,
    root: manifest.root,
    files: manifest.entries.fileCount,
    seconds,
    bytes: {
      raw: manifest.rawBytes,
      encoded: manifest.encodedBytes,
      fromStore: 0,
      fromPeers: 0,
      fromSelf: manifest.rawBytes,
      toPeers: session.serving.sentBytes,
      toStore: 0,
      wasted: session.exchange.wastedBytes,
    },
    chunks: manifest.chunks.count,
    device: init.codec.status.device,
    codecPath: init.codec.status.path,
    peers: session.peersSeen,
    bound: null,
    boundMissing: null,
    firstRequestAtMs: null,
    readyAtMs,
    store: init.store?.meter.read() ?? null,
  }
}
