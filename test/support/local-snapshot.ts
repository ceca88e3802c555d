// A snapshot of a directory together with its encoded chunks, and one run of a restore over it, without a network.

import { Bitfield } from '../../src/base/bitfield.ts'
import { SlabPool } from '../../src/base/slab-pool.ts'
import type { Codec } from '../../src/codec/codec.ts'
import { openFileSystemCalls } from '../../src/codec/file-system-calls.ts'
import { openNativeCodec } from '../../src/codec/native-codec.ts'
import type { LoadedManifest } from '../../src/node/manifest-objects.ts'
import { buildSnapshot } from '../../src/node/snapshot-builder.ts'
import { SourceTree } from '../../src/node/source-tree.ts'
import { Destination } from '../../src/restore/destination.ts'
import { finishTree, makeDirectories } from '../../src/restore/finish-tree.ts'
import { Journal } from '../../src/restore/journal.ts'
import { type LocalScanResult, scanLocal } from '../../src/restore/local-scan.ts'
import { TreeWriter } from '../../src/restore/tree-writer.ts'

const MIB = 1024 * 1024

export interface LocalSnapshot {
  readonly manifest: LoadedManifest
  /** Encoded bytes by chunk id. */
  readonly encoded: ReadonlyMap<string, Buffer>
  readonly codec: Codec
}

export async function snapshotOf(directory: string, codec: Codec): Promise<LocalSnapshot> {
  const signal = new AbortController().signal
  const encoded = new Map<string, Buffer>()
  const { manifest } = await buildSnapshot({
    tree: await SourceTree.list(directory, openFileSystemCalls(), signal),
    codec,
    slabs: new SlabPool(8 * MIB),
    chunkBytes: MIB,
    options: { codec: 'auto', zstdLevel: 1 },
    concurrency: 2,
    findKnown: () => undefined,
    async take(chunk, bytes) {
      if (bytes !== undefined) encoded.set(chunk.id, Buffer.from(bytes.bytes))
    },
    signal,
  })
  return { manifest, encoded, codec }
}

export function openTestCodec(): Codec {
  return openNativeCodec()
}

/** One run over a destination, up to where the test stops it. */
export class RestoreRun {
  readonly scanned: LocalScanResult
  readonly writer: TreeWriter
  readonly #snapshot: LocalSnapshot
  readonly #destination: Destination

  private constructor(snapshot: LocalSnapshot, destination: Destination, writer: TreeWriter, scanned: LocalScanResult) {
    this.#snapshot = snapshot
    this.#destination = destination
    this.writer = writer
    this.scanned = scanned
  }

  /** Everything that a join does before it fetches. */
  static async start(
    snapshot: LocalSnapshot,
    directory: string,
    rehash = false,
    urgent = new Bitfield(snapshot.manifest.entries.count),
  ): Promise<RestoreRun> {
    const { manifest, codec } = snapshot
    const calls = openFileSystemCalls()
    const slabs = new SlabPool(8 * MIB)
    const destination = new Destination(directory, calls)
    await destination.prepare()
    const journal = await Journal.open(`${destination.statePath}/journal`, manifest.root, manifest.chunks.count)
    const writer = new TreeWriter({ manifest, destination, codec, calls, journal, slabs, urgent, nowMs: () => 0 })
    await makeDirectories(manifest, destination)
    const scanned = await scanLocal({ manifest, destination, codec, calls, journal, slabs, writer, rehash })
    return new RestoreRun(snapshot, destination, writer, scanned)
  }

  get missing(): number[] {
    const { count } = this.#snapshot.manifest.chunks
    return Array.from({ length: count }, (_, chunk) => chunk).filter((chunk) => !this.writer.stored.has(chunk))
  }

  /** Stores the first `count` missing chunks and leaves them uncommitted. */
  async store(count = Number.POSITIVE_INFINITY): Promise<void> {
    for (const chunk of this.missing.slice(0, count)) await this.storeChunk(chunk)
  }

  /** Stores one chunk and leaves it uncommitted. */
  async storeChunk(chunk: number): Promise<void> {
    const { manifest, encoded } = this.#snapshot
    await this.writer.store(chunk, encoded.get(manifest.chunks.id(chunk)) ?? Buffer.alloc(0))
  }

  /** Stores what is missing and completes the tree. */
  async finish(): Promise<void> {
    await this.store()
    await finishTree(this.#snapshot.manifest, this.#destination, this.writer, false)
    await this.writer.close()
  }

  /** Ends the run as a kill would: nothing more is written. */
  async kill(): Promise<void> {
    await this.writer.close()
  }
}
