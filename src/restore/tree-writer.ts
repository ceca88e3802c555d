// Chunks in, files out. Decides when a chunk counts as stored and when a file gets its final name.
//
// Order that survives a crash: bytes into partial files; sync; the journal; then mode, time and final name. A commit does
// this for everything written since the last one, so many small files cost one sync. What the journal names is found
// under either name.

import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { Bitfield } from '../base/bitfield.ts'
import { invariant } from '../base/errors.ts'
import type { SlabPool } from '../base/slab-pool.ts'
import type { Codec, FileSystemCalls } from '../codec/codec.ts'
import type { ChunkPlaces, Place } from '../snapshot/chunk-places.ts'
import { LARGE_FILE_BYTES } from '../snapshot/limits.ts'
import type { Manifest } from '../snapshot/manifest.ts'
import { forEachBounded } from './bounded.ts'
import { type Destination, READ_NO_FOLLOW } from './destination.ts'
import { diskError } from './disk-errors.ts'
import { FilePool } from './file-pool.ts'
import type { Journal } from './journal.ts'
import {
  BATCH_FILES,
  BATCHES_MAX,
  COMMIT_BYTES,
  COMMIT_INTERVAL_MS,
  DEVICE_STORES,
  OPEN_FILES_MAX,
  STORES_WAITING,
} from './limits.ts'
import { readPlaces, withDescriptors } from './read-places.ts'
import { syncFolder } from './sync-folder.ts'
import { Turns } from './turns.ts'

export interface TreeWriterInit {
  readonly manifest: Manifest & { readonly places: ChunkPlaces }
  readonly destination: Destination
  readonly codec: Codec
  readonly calls: FileSystemCalls
  readonly journal: Journal
  readonly slabs: SlabPool
  /** Files that a commit is due for as soon as one of them is whole. Default: none. */
  readonly urgent?: Bitfield
  /** Milliseconds on a monotonic clock. */
  readonly nowMs: () => number
}

export class TreeWriter {
  /** Chunks whose bytes are in all their files. */
  readonly stored: Bitfield
  /** Entries (files) that have their final name and content. */
  readonly finished: Bitfield
  readonly files: FilePool
  readonly #init: TreeWriterInit
  readonly #remaining: Float64Array
  readonly #settledPlaces: Bitfield
  /** Of chunks being decoded: a few buffers that stay in the processor's cache are better than many. */
  readonly #turns: Turns
  #pendingChunks: number[] = []
  #pendingFiles = new Set<number>()
  #pendingBytes = 0
  #pendingUrgent = false
  #lastCommitMs: number
  #commit: Promise<void> | undefined

  constructor(init: TreeWriterInit) {
    this.#init = init
    const { device, threads } = init.codec.status
    this.#turns = new Turns(device === 'cpu' ? threads + STORES_WAITING : DEVICE_STORES)
    const { chunks, entries, places } = init.manifest
    this.stored = new Bitfield(chunks.count)
    this.finished = new Bitfield(entries.count)
    this.#settledPlaces = new Bitfield(places.total)
    this.#remaining = new Float64Array(entries.count)
    for (let entry = 0; entry < entries.count; entry++) this.#remaining[entry] = entries.size(entry)
    this.files = new FilePool(OPEN_FILES_MAX, (entry) => this.#openFile(entry))
    this.#lastCommitMs = init.nowMs()
  }

  /** Takes over what an earlier run or the local scan proved to be in its file. */
  adoptPlace(place: Place): void {
    if (this.#settledPlaces.add(place.row)) this.#settle(place)
  }

  /** Marks a chunk as stored when all its places are settled; returns whether it is. */
  adoptChunk(chunk: number): boolean {
    if (this.#init.manifest.places.of(chunk).some((place) => !this.#settledPlaces.has(place.row))) return false
    this.stored.add(chunk)
    if (!this.#init.journal.stored.has(chunk)) this.#pendingChunks.push(chunk)
    return true
  }

  /** A file that already stands complete under its final name; only its mode and time are still to be set. */
  adoptFinished(entry: number): void {
    this.finished.add(entry)
    this.#pendingFiles.delete(entry)
  }

  /**
   * Decodes a chunk and writes it to all its files. The encoded bytes must match the chunk's id and stay unchanged until
   * this settles. Throws `integrity` when they do not decode, and disk errors.
   */
  async store(chunk: number, encoded: Uint8Array): Promise<void> {
    const { manifest, codec, slabs } = this.#init
    const places = manifest.places.of(chunk).filter((place) => !this.#settledPlaces.has(place.row))
    await this.#turns.run(async () => {
      const raw = slabs.take(manifest.chunks.rawBytes(chunk))
      try {
        const large = places.filter((place) => this.#isLarge(place.entry))
        if (large.length === places.length) {
          await withDescriptors(large, this.files, (ranges) => codec.restore(encoded, raw.bytes, ranges))
        } else {
          await codec.decode(encoded, raw.bytes)
          await this.#init.destination.writePartials(places, raw.bytes)
        }
      } finally {
        raw.release()
      }
    })
    this.#settleAll(chunk, places)
  }

  /** Writes raw bytes of a chunk, already checked against its raw hash, to the places that still lack them. */
  async storeRaw(chunk: number, raw: Uint8Array): Promise<void> {
    const places = this.#init.manifest.places.of(chunk).filter((place) => !this.#settledPlaces.has(place.row))
    await this.#init.destination.writePartials(places, raw)
    this.#settleAll(chunk, places)
  }

  /** Fills `raw` with parts of files that are here, complete or not, one after the other. */
  async readPack(parts: readonly Place[], raw: Uint8Array): Promise<void> {
    const { manifest, destination, calls, codec } = this.#init
    const wanted = parts.map(({ entry, fileOffset, length }) => {
      const isFinished = this.finished.has(entry)
      const path = isFinished
        ? destination.finalPath(manifest.entries.path(entry))
        : Buffer.from(destination.partialPath(entry))
      return { path, offset: fileOffset, length, listed: undefined }
    })
    // A file may just have got its final name.
    if ((await calls.readFiles(wanted, raw)) !== undefined) await readPlaces(parts, raw, this.files, codec)
  }

  /** Commits when enough was written, enough time has passed, or an urgent file is whole. Cheap otherwise, and during a commit. */
  async commitIfDue(): Promise<void> {
    if (this.#commit !== undefined) return
    const overdue = this.#init.nowMs() - this.#lastCommitMs >= COMMIT_INTERVAL_MS && this.#pendingChunks.length > 0
    if (overdue || this.#pendingUrgent || this.#pendingBytes >= COMMIT_BYTES) await this.commit()
  }

  /** Makes everything stored so far survive a crash. Commits run one after the other. */
  async commit(): Promise<void> {
    while (this.#commit !== undefined) await this.#commit
    const running = this.#runCommit()
    this.#commit = running.finally(() => {
      this.#commit = undefined
    })
    await this.#commit
  }

  async close(): Promise<void> {
    await this.files.closeAll()
    await this.#init.journal.close()
  }

  async #runCommit(): Promise<void> {
    const { destination, manifest, journal } = this.#init
    const chunks = this.#pendingChunks
    const files = this.#pendingFiles
    this.#pendingChunks = []
    this.#pendingFiles = new Set()
    this.#pendingBytes = 0
    this.#pendingUrgent = false
    this.#lastCommitMs = this.#init.nowMs()
    if (chunks.length === 0 && files.size === 0) return
    await this.sync()
    try {
      await journal.append(chunks)
    } catch (cause) {
      throw diskError('writing the journal', cause)
    }
    await forEachBounded(batchesOf([...files]), BATCHES_MAX, async (batch) => {
      await destination.finishFiles(batch.map((index) => [index, manifest.entries.get(index)]))
      for (const index of batch) this.finished.add(index)
    })
  }

  /** One sync of the destination's file system. */
  async sync(): Promise<void> {
    try {
      await syncFolder(this.#init.calls, this.#init.destination.statePath)
    } catch (cause) {
      throw diskError(`syncing ${this.#init.destination.path}`, cause)
    }
  }

  #isLarge(entry: number): boolean {
    return this.#init.manifest.entries.size(entry) >= LARGE_FILE_BYTES
  }

  #settleAll(chunk: number, places: readonly Place[]): void {
    for (const place of places) {
      if (this.#settledPlaces.add(place.row)) this.#settle(place)
    }
    this.stored.add(chunk)
    this.#pendingChunks.push(chunk)
    this.#pendingBytes += this.#init.manifest.chunks.rawBytes(chunk)
  }

  #settle(place: Place): void {
    const remaining = (this.#remaining[place.entry] ?? 0) - place.length
    invariant(remaining >= 0, `entry ${place.entry} got more bytes than it has`)
    this.#remaining[place.entry] = remaining
    if (remaining > 0) return
    this.#pendingFiles.add(place.entry)
    if (this.#init.urgent?.has(place.entry)) this.#pendingUrgent = true
  }

  async #openFile(entry: number): Promise<FileHandle> {
    const { destination, manifest } = this.#init
    try {
      if (this.finished.has(entry)) {
        return await open(destination.finalPath(manifest.entries.path(entry)), READ_NO_FOLLOW)
      }
      const file = await destination.openPartial(entry)
      if (this.#isLarge(entry)) await file.truncate(manifest.entries.size(entry))
      return file
    } catch (cause) {
      throw diskError(`opening file ${entry} of the snapshot in ${destination.path}`, cause)
    }
  }
}

function* batchesOf(files: readonly number[]): Generator<readonly number[]> {
  for (let first = 0; first < files.length; first += BATCH_FILES) yield files.slice(first, first + BATCH_FILES)
}
