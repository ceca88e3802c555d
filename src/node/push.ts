// push: workspace -> chunks -> store, then manifest, key and name, in this order, so that a reader never sees half a snapshot.

import { isSwarmError } from '../base/errors.ts'
import type { ObjectId } from '../base/ids.ts'
import { SlabPool } from '../base/slab-pool.ts'
import { chunkMemory } from '../codec/chunk-memory.ts'
import type { Codec, CodecChoice, FileSystemCalls } from '../codec/codec.ts'
import { forEachBounded } from '../restore/bounded.ts'
import type { Chunk } from '../snapshot/manifest.ts'
import { chunkKey, manifestKey } from '../snapshot/object-keys.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { MEMORY_BYTES_DEFAULT } from './limits.ts'
import { fetchFromStore, loadManifest } from './manifest-objects.ts'
import { type BuiltSnapshot, buildSnapshot } from './snapshot-builder.ts'
import { findCurrent, obtainSwarmKey, publish } from './snapshot-records.ts'
import { SourceTree } from './source-tree.ts'
import { StoredChunks } from './stored-chunks.ts'

export interface PushInit {
  readonly directory: string
  readonly name: string
  readonly store: ObjectStore
  readonly codec: Codec
  readonly calls: FileSystemCalls
  readonly choice: CodecChoice
  readonly zstdLevel: number
  readonly chunkBytes: number
  readonly concurrency: number
  readonly signal: AbortSignal
  readonly onProgress: (progress: PushProgress) => void
}

export interface PushProgress {
  readonly stage: 'listing' | 'encoding' | 'publishing'
  readonly rawBytesDone: number
  readonly rawBytesTotal: number
  readonly uploadedBytes: number
}

export interface PushResult {
  readonly snapshot: BuiltSnapshot
  readonly swarmKey: Uint8Array
  readonly sequence: number
  /** Whether the name already meant this very root. */
  readonly unchanged: boolean
  /** Encoded bytes that this push sent to the store, manifest included. */
  readonly uploadedBytes: number
  /** Raw bytes whose chunks the store already had. */
  readonly reusedBytes: number
  readonly warnings: readonly string[]
  readonly tree: SourceTree
}

export async function push(init: PushInit): Promise<PushResult> {
  const { store, signal } = init
  const progress = { stage: 'listing' as PushProgress['stage'], rawBytesDone: 0, rawBytesTotal: 0, uploadedBytes: 0 }
  const report = (): void => init.onProgress({ ...progress })
  report()
  const current = await findCurrent(store, init.name, { signal })
  const known = current === undefined ? new Map<ObjectId, Chunk>() : await chunksOf(init, current.record.root)
  const tree = await SourceTree.list(init.directory, init.calls, signal)
  progress.stage = 'encoding'
  progress.rawBytesTotal = tree.rawBytes
  report()
  let reusedBytes = 0
  const stored = new StoredChunks(store, tree.rawBytes / init.chunkBytes, signal)
  const snapshot = await buildSnapshot({
    tree,
    codec: init.codec,
    slabs: new SlabPool(MEMORY_BYTES_DEFAULT / 2, chunkMemory()),
    chunkBytes: init.chunkBytes,
    options: { codec: init.choice, zstdLevel: init.zstdLevel },
    concurrency: init.concurrency,
    signal,
    findKnown(rawHash) {
      const chunk = known.get(rawHash)
      return chunk && stored.has(chunk).then((isThere) => (isThere ? chunk : undefined))
    },
    async take(chunk, encoded) {
      if (encoded === undefined || (await stored.has(chunk))) {
        reusedBytes += chunk.rawBytes
        return
      }
      await store.put(chunkKey(chunk.id), encoded.bytes, { signal })
      progress.uploadedBytes += encoded.bytes.length
    },
    onRead(bytes) {
      progress.rawBytesDone += bytes
      report()
    },
  }).finally(() => stored.stop())
  await checkReadable(snapshot)
  progress.stage = 'publishing'
  report()
  progress.uploadedBytes += await uploadManifest(store, snapshot, init.concurrency, signal)
  const swarmKey = await obtainSwarmKey(store, snapshot.root, { signal })
  const unchanged = current?.record.root === snapshot.root
  const sequence = unchanged ? current.sequence : await publishNext(init, snapshot)
  report()
  const { uploadedBytes } = progress
  return { snapshot, swarmKey, sequence, unchanged, uploadedBytes, reusedBytes, warnings: tree.warnings, tree }
}

/** Chunks of an earlier version by raw hash, so that unchanged bytes keep their ids. None when it cannot be read. */
async function chunksOf(init: PushInit, root: BuiltSnapshot['root']): Promise<Map<ObjectId, Chunk>> {
  const known = new Map<ObjectId, Chunk>()
  try {
    const { chunks } = await loadManifest(root, fetchFromStore(init.store, { signal: init.signal }), new Map())
    for (let index = 0; index < chunks.count; index++) known.set(chunks.rawHash(index), chunks.get(index))
  } catch (error) {
    // A damaged earlier version must not stop the push that repairs it.
    const damaged = isSwarmError(error) && ['integrity', 'objectNotFound', 'unsupportedVersion'].includes(error.code)
    if (!damaged) throw error
  }
  return known
}

/** What joiners would refuse is refused here, before anything is published under a name. */
async function checkReadable({ root, head, parts }: BuiltSnapshot): Promise<void> {
  await loadManifest(root, async (id) => parts.get(id) ?? head, new Map())
}

async function uploadManifest(
  store: ObjectStore,
  snapshot: BuiltSnapshot,
  concurrency: number,
  signal: AbortSignal,
): Promise<number> {
  let bytes = 0
  const upload = async (id: ObjectId, body: Uint8Array): Promise<void> => {
    if ((await store.size(manifestKey(id), { signal })) === body.length) return
    await store.put(manifestKey(id), body, { signal })
    bytes += body.length
  }
  await forEachBounded(snapshot.parts, concurrency, ([id, part]) => upload(id, part))
  await upload(snapshot.root, snapshot.head)
  return bytes
}

async function publishNext(init: PushInit, snapshot: BuiltSnapshot): Promise<number> {
  const { manifest, root } = snapshot
  const record = {
    root,
    createdAt: new Date().toISOString(),
    files: manifest.entries.fileCount,
    rawBytes: manifest.rawBytes,
    encodedBytes: manifest.encodedBytes,
  }
  return (await publish(init.store, init.name, record, { signal: init.signal })).sequence
}
