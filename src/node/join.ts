// join: from a target to a verified tree. Owns the order of things; each step lives elsewhere.

import { SwarmError } from '../base/errors.ts'
import { hashText } from '../base/prng.ts'
import { SlabPool } from '../base/slab-pool.ts'
import { AGENT_VERSION } from '../base/version.ts'
import { chunkMemory } from '../codec/chunk-memory.ts'
import type { Codec, FileSystemCalls } from '../codec/codec.ts'
import { ChunkKeeper } from '../restore/chunk-keeper.ts'
import { Destination } from '../restore/destination.ts'
import { finishTree, makeDirectories, makeEmptyFiles } from '../restore/finish-tree.ts'
import { Journal } from '../restore/journal.ts'
import { scanLocal } from '../restore/local-scan.ts'
import { TreeWriter } from '../restore/tree-writer.ts'
import { systemClock } from '../store/clock.ts'
import type { OpenedStore } from '../store/open-store.ts'
import { Throttle } from '../store/throttle.ts'
import { DEFAULT_LIMITS } from '../swarm/limits.ts'
import type { SchedulerInit } from '../swarm/swarm-state.ts'
import type { Trace } from '../telemetry/trace.ts'
import { TransferCounts } from '../telemetry/transfer-counts.ts'
import { Driver } from './driver.ts'
import { findManifest } from './find-manifest.ts'
import { FirstFiles } from './first-files.ts'
import { checkFreeSpace } from './free-space.ts'
import type { NodeEvent, TransferReport } from './join-events.ts'
import type { JoinTarget } from './join-target.ts'
import type { DeclaredRate } from './link-rate.ts'
import type { LoadedManifest } from './manifest-objects.ts'
import type { Patience } from './patience.ts'
import { openPeering, type PeeringOptions } from './peering.ts'
import { traceHeader } from './replay.ts'
import { type Judgement, judgeRun } from './run-bound.ts'
import type { SwarmSession } from './swarm-session.ts'
import { findDeadlock } from './watchdog.ts'

export interface JoinInit {
  readonly target: JoinTarget
  readonly directory: string
  readonly store: OpenedStore | undefined
  readonly codec: Codec
  readonly calls: FileSystemCalls
  readonly peering: PeeringOptions
  readonly origin: { readonly mode: 'auto' | 'once' | 'never'; readonly copiesMax: number | 'unlimited' }
  readonly memoryBytes: number
  /** Bytes per second from the store, which the store itself keeps to, for judging the run; undefined: no limit. */
  readonly limitStoreBytesPerSec: number | undefined
  /** What this machine's link states. */
  readonly link: DeclaredRate | undefined
  /** Bytes per second to and from peers; undefined: no limit. */
  readonly limitUpBytesPerSec: number | undefined
  readonly limitDownBytesPerSec: number | undefined
  /** Patterns of files that are to be usable before all others, as FirstFiles has them. */
  readonly first: readonly string[]
  readonly deleteExtra: boolean
  readonly rehash: boolean
  readonly force: boolean
  /** Monotonic ms when the command started. */
  readonly startedAtMs: number
  readonly trace: Trace | undefined
  /** For a source or an object that is not there yet; undefined: as long as a dial may take. */
  readonly patience?: Patience | undefined
  readonly emit: (event: NodeEvent) => void
  readonly log: (text: string) => void
  /** Aborting stops cleanly: what was stored is committed, and the abort's reason is thrown. */
  readonly signal: AbortSignal
}

/** A tree that is complete, still being served. */
export interface JoinedTree {
  readonly session: SwarmSession
  report(): TransferReport
  /** Ends serving; the tree stays. */
  close(): Promise<void>
}

const WATCH_MS = 1_000
const COMMIT_POLL_MS = 250

/** The caller holds the destination's lock. Throws SwarmErrors; after one, the same call resumes. */
export async function join(init: JoinInit): Promise<JoinedTree> {
  const destination = new Destination(init.directory, init.calls, init.deleteExtra)
  const readsOrigin = init.store !== undefined && init.origin.mode !== 'never'
  const session = await openPeering(init.target, init.store, readsOrigin, init.peering, init.emit, init.log)
  try {
    return await new Join(init, destination, session).run()
  } catch (error) {
    await session.close()
    throw error
  }
}

class Join {
  readonly #init: JoinInit
  readonly #destination: Destination
  readonly #session: SwarmSession
  readonly #counts = new TransferCounts()
  readonly #slabs: SlabPool
  #stage: Extract<NodeEvent, { type: 'progress' }>['stage'] = 'finding'
  #manifest: LoadedManifest | undefined
  readonly #completed = Promise.withResolvers<void>()
  #firstRequestAtMs: number | null = null
  #readyAtMs = 0
  #seconds = 0
  #chunksHeldAtStart = 0
  #fetchStartedAtMs = 0
  #judgement: Judgement = { bound: null, reason: 'the join is not over' }

  constructor(init: JoinInit, destination: Destination, session: SwarmSession) {
    this.#init = init
    this.#destination = destination
    this.#session = session
    this.#slabs = new SlabPool(init.memoryBytes / 4, chunkMemory())
  }

  async run(): Promise<JoinedTree> {
    const { target, signal } = this.#init
    this.#progress()
    const store = this.#init.store?.store
    const manifest = await findManifest(target, this.#session, store, signal, this.#init.patience)
    this.#manifest = manifest
    const statePath = this.#destination.statePath
    const journal = await Journal.open(`${statePath}/journal`, target.root, manifest.chunks.count)
    const { codec, calls } = this.#init
    const slabs = this.#slabs
    const first = this.#findFirst(manifest)
    const writer = new TreeWriter({
      manifest,
      destination: this.#destination,
      codec,
      calls,
      journal,
      slabs,
      urgent: first.entries,
      nowMs: () => performance.now(),
    })
    const keeper = new ChunkKeeper({
      manifest,
      codec,
      slabs,
      files: writer.files,
      readPack: (parts, raw) => writer.readPack(parts, raw),
      encodedPath: `${statePath}/encoded`,
      cacheBytesMax: this.#init.memoryBytes / 4,
    })
    try {
      await this.#scan(manifest, writer, journal)
      await makeEmptyFiles(manifest, this.#destination, writer, first.entries)
      const driver = this.#makeDriver(manifest, writer, keeper, first)
      await this.#fetch(driver, manifest, writer, first)
      await this.#finish(manifest, writer)
      this.#tellFirst(first, writer)
      this.#session.markComplete()
      return this.#served(driver, keeper, writer, manifest)
    } catch (error) {
      await writer.commit().catch((late: unknown) => this.#init.log(`committing what was stored: ${String(late)}`))
      await writer.close()
      throw error
    }
  }

  async #scan(manifest: LoadedManifest, writer: TreeWriter, journal: Journal): Promise<void> {
    this.#stage = 'scanning'
    await makeDirectories(manifest, this.#destination)
    let scanned = 0
    const { resumedBytes, reusedBytes } = await scanLocal({
      manifest,
      destination: this.#destination,
      codec: this.#init.codec,
      calls: this.#init.calls,
      journal,
      slabs: this.#slabs,
      writer,
      rehash: this.#init.rehash,
      onProgress: (bytes) => {
        scanned += bytes
        this.#progress(scanned)
      },
    })
    this.#counts.fromSelf = resumedBytes + reusedBytes
    this.#counts.rawStored = this.#counts.fromSelf
    this.#counts.chunksStored = writer.stored.count
    this.#chunksHeldAtStart = writer.stored.count
    if (this.#init.force) return
    await checkFreeSpace(this.#destination.path, manifest.rawBytes - this.#counts.fromSelf)
  }

  #findFirst(manifest: LoadedManifest): FirstFiles {
    const first = new FirstFiles(manifest, this.#init.first)
    for (const pattern of first.unmatched) {
      this.#init.emit({ type: 'warning', message: `--first ${pattern} matches no file of the snapshot` })
    }
    return first
  }

  #makeDriver(manifest: LoadedManifest, writer: TreeWriter, keeper: ChunkKeeper, first: FirstFiles): Driver {
    const { store, origin, memoryBytes } = this.#init
    const chunkBytes = Float64Array.from({ length: manifest.chunks.count }, (_, chunk) =>
      manifest.chunks.encodedBytes(chunk),
    )
    const readable = store !== undefined && origin.mode !== 'never'
    const scheduler: SchedulerInit = {
      self: this.#session.exchange.peerId,
      chunkBytes,
      held: writer.stored,
      ...(first.chunks.count === 0 ? {} : { first: first.chunks }),
      site: this.#session.site,
      limits: { ...DEFAULT_LIMITS, memoryBytesMax: Math.floor(memoryBytes / 2) },
      // Different in every process, the same in a replay of its trace.
      seed: hashText(this.#session.exchange.peerId),
      origin: { readable, mode: origin.mode, copiesMax: origin.copiesMax },
    }
    this.#init.trace?.begin(traceHeader(AGENT_VERSION, scheduler))
    return new Driver({
      manifest,
      scheduler,
      exchange: this.#session.exchange,
      serving: this.#session.serving,
      keeper,
      slabs: this.#slabs,
      counts: this.#counts,
      origin: readable ? store.store : undefined,
      storeChunk: async (chunk, encoded) => {
        await writer.store(chunk, encoded.bytes)
        void this.#commitIfDue(writer, first)
      },
      findPeers: () => this.#session.lookForPeers(),
      completed: () => this.#completed.resolve(),
      failed: (error) => this.#completed.reject(error),
      upThrottle: throttleOf(this.#init.limitUpBytesPerSec),
      downThrottle: throttleOf(this.#init.limitDownBytesPerSec),
      log: this.#init.log,
      trace: this.#init.trace,
    })
  }

  /** Until every chunk is in its files. Commits and reports on the way, and notices when there is no way on. */
  async #fetch(driver: Driver, manifest: LoadedManifest, writer: TreeWriter, first: FirstFiles): Promise<void> {
    this.#stage = 'fetching'
    const { signal } = this.#init
    const abort = (): void => this.#completed.reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    const watch = setInterval(() => {
      const deadlock = findDeadlock(driver, this.#session, manifest, this.#init.store !== undefined)
      if (deadlock !== undefined) this.#completed.reject(deadlock)
    }, WATCH_MS)
    const commit = setInterval(() => {
      this.#progress()
      void this.#commitIfDue(writer, first)
    }, COMMIT_POLL_MS)
    try {
      const readsStore = this.#init.store !== undefined && writer.stored.count < manifest.chunks.count
      if (readsStore) await this.#session.meetPeers(signal)
      signal.throwIfAborted()
      this.#fetchStartedAtMs = performance.now()
      this.#session.attach(driver)
      driver.start()
      await this.#completed.promise
    } catch (error) {
      await driver.stop()
      throw error
    } finally {
      clearInterval(watch)
      clearInterval(commit)
      signal.removeEventListener('abort', abort)
    }
    this.#firstRequestAtMs = driver.firstRequestAtMs ?? null
  }

  async #commitIfDue(writer: TreeWriter, first: FirstFiles): Promise<void> {
    try {
      await writer.commitIfDue()
      this.#tellFirst(first, writer)
    } catch (error) {
      this.#completed.reject(error)
    }
  }

  #tellFirst(first: FirstFiles, writer: TreeWriter): void {
    if (!first.arrived(writer.finished)) return
    this.#init.emit({ type: 'first', files: first.entries.count, seconds: this.#secondsSinceStart() })
  }

  #secondsSinceStart(): number {
    return (performance.now() - this.#init.startedAtMs) / 1000
  }

  async #finish(manifest: LoadedManifest, writer: TreeWriter): Promise<void> {
    this.#stage = 'finishing'
    this.#progress()
    await finishTree(manifest, this.#destination, writer, this.#init.deleteExtra)
    if (writer.finished.count !== manifest.entries.fileCount) {
      throw new SwarmError('internal', `${writer.finished.count} of ${manifest.entries.fileCount} files are in place`, {
        cure: 'run the same command again; if it happens twice, please report it',
      })
    }
    this.#readyAtMs = Date.now()
    this.#seconds = this.#secondsSinceStart()
    this.#judgement = this.#judge(manifest)
    this.#progress()
  }

  #judge(manifest: LoadedManifest): Judgement {
    const { store, origin, link, limitStoreBytesPerSec, limitDownBytesPerSec, limitUpBytesPerSec } = this.#init
    const { fromStore, fromPeers } = this.#counts
    return judgeRun({
      encodedBytes: manifest.encodedBytes,
      chunks: manifest.chunks.count,
      seconds: this.#seconds,
      fetchStartedAtMs: this.#fetchStartedAtMs,
      chunksHeldAtStart: this.#chunksHeldAtStart,
      bytesFetched: fromStore + fromPeers,
      readsStore: store !== undefined && origin.mode !== 'never',
      ...origin,
      rates: {
        store: declared(limitStoreBytesPerSec, '--limit-store'),
        fromPeers: declared(limitDownBytesPerSec, '--limit-down'),
        toPeers: declared(limitUpBytesPerSec, '--limit-up'),
        link,
      },
      swarm: this.#session.participants(),
    })
  }

  #served(driver: Driver, keeper: ChunkKeeper, writer: TreeWriter, manifest: LoadedManifest): JoinedTree {
    return {
      session: this.#session,
      report: () => this.#report(manifest),
      close: async () => {
        await driver.stop()
        await this.#session.close()
        keeper.clear()
        await writer.close()
        await this.#destination.sweep()
      },
    }
  }

  #report(manifest: LoadedManifest): TransferReport {
    const { codec, store, target } = this.#init
    const { fromStore, fromPeers, fromSelf, wasted } = this.#counts
    const { serving, exchange } = this.#session
    return {
      command: 'join',
      snapshot: target.name,
      root: manifest.root,
      files: manifest.entries.fileCount,
      seconds: this.#seconds,
      bytes: {
        raw: manifest.rawBytes,
        encoded: manifest.encodedBytes,
        fromStore,
        fromPeers,
        fromSelf,
        toPeers: serving.sentBytes,
        toStore: 0,
        wasted: wasted + exchange.wastedBytes,
      },
      chunks: manifest.chunks.count,
      device: codec.status.device,
      codecPath: codec.status.path,
      peers: this.#session.peersSeen,
      bound: this.#judgement.bound,
      boundMissing: this.#judgement.reason,
      firstRequestAtMs: this.#firstRequestAtMs,
      readyAtMs: this.#readyAtMs,
      store: store?.meter.read() ?? null,
    }
  }

  #progress(scanned = 0): void {
    const counts = this.#counts
    this.#init.emit({
      type: 'progress',
      stage: this.#stage,
      rawBytesDone: counts.rawStored + scanned,
      rawBytesTotal: this.#manifest?.rawBytes ?? 0,
      fromStore: counts.fromStore,
      fromPeers: counts.fromPeers,
      fromSelf: counts.fromSelf,
      toPeers: this.#session.serving.sentBytes,
      toStore: 0,
      peers: this.#session.peerCount,
    })
  }
}

function declared(bytesPerSec: number | undefined, by: string): DeclaredRate | undefined {
  return bytesPerSec === undefined ? undefined : { bytesPerSec, by }
}

function throttleOf(bytesPerSec: number | undefined): Throttle | undefined {
  return bytesPerSec === undefined ? undefined : new Throttle(bytesPerSec, systemClock)
}
