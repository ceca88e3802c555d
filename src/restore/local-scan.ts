// What is already on this disk: chunks that an earlier run stored, and bytes of files that stand in the destination.
// The journal is trusted as far as the files that it speaks of still look untouched; everything else is read and hashed.

import { type BigIntStats, constants } from 'node:fs'
import { chmod, copyFile, lstat, mkdir, open, rm, truncate } from 'node:fs/promises'
import { Bitfield } from '../base/bitfield.ts'
import { systemErrorCode } from '../base/errors.ts'
import { hashToId } from '../base/hash.ts'
import type { SlabPool } from '../base/slab-pool.ts'
import type { Codec, FileSystemCalls } from '../codec/codec.ts'
import type { ChunkPlaces, Place } from '../snapshot/chunk-places.ts'
import { type Entry, type Manifest, slicesOf } from '../snapshot/manifest.ts'
import { forEachBounded } from './bounded.ts'
import { type Destination, MODE_BITS_RESTORED, READ_NO_FOLLOW } from './destination.ts'
import { diskError } from './disk-errors.ts'
import { FilePool } from './file-pool.ts'
import type { Journal } from './journal.ts'
import { OPEN_FILES_MAX } from './limits.ts'
import { readPlaces } from './read-places.ts'
import type { TreeWriter } from './tree-writer.ts'

export interface LocalScanInit {
  readonly manifest: Manifest & { readonly places: ChunkPlaces }
  readonly destination: Destination
  readonly codec: Codec
  readonly calls: FileSystemCalls
  readonly journal: Journal
  readonly slabs: SlabPool
  readonly writer: TreeWriter
  /** Distrust the journal's word on finished files: read and hash everything. */
  readonly rehash: boolean
  /** Raw bytes looked at so far, of all that will be looked at. */
  readonly onProgress?: (bytes: number) => void
}

export interface LocalScanResult {
  /** Raw bytes that need not be fetched, from an interrupted run of the same snapshot. */
  readonly resumedBytes: number
  /** Raw bytes that need not be fetched, found in files of the destination. */
  readonly reusedBytes: number
}

/** Throws disk errors; the tree itself is not changed but for modes and times of files that are right. */
export async function scanLocal(init: LocalScanInit): Promise<LocalScanResult> {
  const scan = new LocalScan(init)
  try {
    if (!init.journal.resumed) {
      await rm(`${init.destination.statePath}/partial`, { recursive: true, force: true })
      await mkdir(`${init.destination.statePath}/partial`)
    }
    const resumedBytes = await scan.resume()
    const reusedBytes = await scan.reuse()
    return { resumedBytes, reusedBytes }
  } catch (cause) {
    if (systemErrorCode(cause) === undefined) throw cause
    throw diskError(`checking what is in ${init.destination.path}`, cause)
  }
}

type Standing = 'partial' | 'final' | 'none'

class LocalScan {
  readonly #init: LocalScanInit
  readonly #standings = new Map<number, Standing>()
  readonly #existing: FilePool

  constructor(init: LocalScanInit) {
    this.#init = init
    this.#existing = new FilePool(OPEN_FILES_MAX, (entry) =>
      open(init.destination.finalPath(init.manifest.entries.path(entry)), READ_NO_FOLLOW),
    )
  }

  /**
   * Adopts what the journal vouches for, in files that still look as the journal left them. Of chunks that lost a place
   * since then the journal's word is taken back before anything is written: a new partial file of the same size would
   * otherwise pass for the lost one in the next run.
   */
  async resume(): Promise<number> {
    const { manifest, journal, writer } = this.#init
    const sound: number[] = []
    let bytes = 0
    for (const chunk of journal.stored) {
      for (const place of manifest.places.of(chunk)) {
        if ((await this.#standing(place.entry)) !== 'none') writer.adoptPlace(place)
      }
      if (!writer.adoptChunk(chunk)) continue
      sound.push(chunk)
      bytes += manifest.places.bytes(chunk)
    }
    for (const [entry, standing] of this.#standings) if (standing === 'final') writer.adoptFinished(entry)
    if (sound.length < journal.stored.count) await journal.restart(sound)
    return bytes
  }

  async #standing(index: number): Promise<Standing> {
    const known = this.#standings.get(index)
    if (known !== undefined) return known
    const entry = this.#init.manifest.entries.get(index)
    const found = await this.#lookAt(index, entry)
    this.#standings.set(index, found)
    return found
  }

  /** A file under its final name counts only as a whole: what it lacks would have to go into a partial file. */
  async #lookAt(index: number, entry: Entry): Promise<Standing> {
    const { destination, journal, rehash } = this.#init
    const partial = await statOrUndefined(Buffer.from(destination.partialPath(index)))
    if (partial?.isFile() && partial.size === BigInt(entry.size)) return 'partial'
    if (rehash || !this.#isWhole(index, journal.stored)) return 'none'
    const final = await statOrUndefined(destination.finalPath(entry.path))
    return final !== undefined && isUntouched(final, entry) ? 'final' : 'none'
  }

  /** Hashes what stands under final names and takes every chunk that is there. */
  async reuse(): Promise<number> {
    const { manifest, writer } = this.#init
    const sizes = await this.#existingSizes()
    const inPlace = new Bitfield(manifest.places.total)
    const matched: number[] = []
    await forEachBounded(this.#chunksWithin(sizes), Math.max(2, this.#init.codec.status.threads), async (chunk) => {
      if (await this.#matches(chunk, sizes, inPlace)) matched.push(chunk)
    })
    await this.#adoptFiles(sizes, inPlace)
    let bytes = 0
    for (const chunk of matched) {
      if (!writer.adoptChunk(chunk)) await this.#copyToOtherPlaces(chunk, sizes)
      bytes += manifest.places.bytes(chunk)
    }
    await this.#existing.closeAll()
    return bytes
  }

  /** Sizes of regular files that stand under final names, unless a partial file is further than they are. */
  async #existingSizes(): Promise<Map<number, number>> {
    const { manifest, writer } = this.#init
    const folders = new Map<string, ReadonlyMap<string, number>>()
    const sizes = new Map<number, number>()
    for (let index = 0; index < manifest.entries.count; index++) {
      if (manifest.entries.type(index) !== 'file' || manifest.entries.size(index) === 0) continue
      if (this.#standings.get(index) === 'partial') continue
      if (writer.finished.has(index)) {
        sizes.set(index, manifest.entries.size(index))
        continue
      }
      const path = manifest.entries.path(index)
      const slash = path.lastIndexOf(SLASH)
      const folder = path.subarray(0, Math.max(0, slash)).toString('latin1')
      const listed = folders.get(folder) ?? (await this.#sizesIn(path.subarray(0, Math.max(0, slash))))
      folders.set(folder, listed)
      const size = listed.get(path.subarray(slash + 1).toString('latin1')) ?? 0
      if (size > 0) sizes.set(index, size)
    }
    return sizes
  }

  /** Sizes of the regular files in a folder of the destination, by name in latin1; none where there is no such folder. */
  async #sizesIn(folder: Uint8Array): Promise<ReadonlyMap<string, number>> {
    const { destination, calls } = this.#init
    try {
      const listed = await calls.listFolder(destination.finalPath(folder))
      const files = listed.filter(({ mode }) => (mode & constants.S_IFMT) === constants.S_IFREG)
      return new Map(files.map(({ name, size }) => [name.toString('latin1'), size]))
    } catch (error) {
      if (isAbsent(error)) return new Map()
      throw error
    }
  }

  *#chunksWithin(sizes: ReadonlyMap<number, number>): Generator<number> {
    const { manifest, writer } = this.#init
    for (let chunk = 0; chunk < manifest.chunks.count; chunk++) {
      if (!writer.stored.has(chunk) && this.#coverWithin(chunk, sizes) !== undefined) yield chunk
    }
  }

  /** Places in existing files from which the chunk can be read: one that has it whole, else one after the other. */
  #coverWithin(chunk: number, sizes: ReadonlyMap<number, number>): readonly Place[] | undefined {
    const { places, chunks } = this.#init.manifest
    const rawBytes = chunks.rawBytes(chunk)
    const whole = places.of(chunk).find((place) => place.length === rawBytes && isWithin(place, sizes))
    if (whole !== undefined) return [whole]
    const cover = places.covering(chunk, rawBytes)
    return cover?.every((place) => isWithin(place, sizes)) ? cover : undefined
  }

  /** Whether existing files hold the chunk; notes every place that already has the right bytes. */
  async #matches(chunk: number, sizes: ReadonlyMap<number, number>, inPlace: Bitfield): Promise<boolean> {
    const { manifest, slabs, writer } = this.#init
    const rawBytes = manifest.chunks.rawBytes(chunk)
    const raw = slabs.take(rawBytes)
    const other = slabs.take(rawBytes)
    try {
      await this.#readPlaces(this.#coverWithin(chunk, sizes) ?? [], raw.bytes)
      this.#init.onProgress?.(rawBytes)
      if (hashToId(raw.bytes) !== manifest.chunks.rawHash(chunk)) return false
      for (const place of manifest.places.of(chunk)) {
        if (writer.finished.has(place.entry) || !isWithin(place, sizes)) continue
        const bytes = other.bytes.subarray(0, place.length)
        await this.#readPlaces([place], bytes)
        if (bytes.equals(raw.bytes.subarray(place.rawOffset, place.rawOffset + place.length))) inPlace.add(place.row)
      }
      return true
    } finally {
      raw.release()
      other.release()
    }
  }

  /** Keeps files that are right as a whole; of the others makes partial files that start from what is there. */
  async #adoptFiles(sizes: ReadonlyMap<number, number>, inPlace: Bitfield): Promise<void> {
    const { manifest, destination, writer } = this.#init
    const rows = new Map<number, Place[]>()
    for (let chunk = 0; chunk < manifest.chunks.count; chunk++) {
      for (const place of manifest.places.of(chunk)) {
        if (!inPlace.has(place.row)) continue
        const known = rows.get(place.entry)
        if (known === undefined) rows.set(place.entry, [place])
        else known.push(place)
      }
    }
    for (const [index, places] of rows) {
      const size = manifest.entries.size(index)
      const path = manifest.entries.path(index)
      const covered = places.reduce((sum, place) => sum + place.length, 0)
      const whole = covered === size && sizes.get(index) === size
      await destination.makeParent(path)
      if (!whole) await copyAsPartial(destination.finalPath(path), destination.partialPath(index), size)
      for (const place of places) writer.adoptPlace(place)
      if (!whole) continue
      writer.adoptFinished(index)
      await destination.finishInPlace(manifest.entries.get(index))
    }
  }

  async #copyToOtherPlaces(chunk: number, sizes: ReadonlyMap<number, number>): Promise<void> {
    const { manifest, slabs, writer } = this.#init
    const rawBytes = manifest.chunks.rawBytes(chunk)
    const raw = slabs.take(rawBytes)
    try {
      await this.#readPlaces(this.#coverWithin(chunk, sizes) ?? [], raw.bytes)
      if (hashToId(raw.bytes) === manifest.chunks.rawHash(chunk)) await writer.storeRaw(chunk, raw.bytes)
    } finally {
      raw.release()
    }
  }

  #readPlaces(places: readonly Place[], raw: Uint8Array): Promise<void> {
    return readPlaces(places, raw, this.#existing, this.#init.codec)
  }

  #isWhole(index: number, stored: Bitfield): boolean {
    const { entries, chunks } = this.#init.manifest
    for (const slice of slicesOf(entries.extents(index), (chunk) => chunks.rawBytes(chunk))) {
      if (!stored.has(slice.chunk)) return false
    }
    return true
  }
}

function isUntouched(found: BigIntStats, entry: Entry): boolean {
  const mtimeNs = BigInt(entry.mtimeSeconds) * 1_000_000_000n + BigInt(entry.mtimeNanos)
  if (!found.isFile() || found.size !== BigInt(entry.size) || found.mtimeNs !== mtimeNs) return false
  return (Number(found.mode) & MODE_BITS_RESTORED) === (entry.mode & MODE_BITS_RESTORED)
}

/** Without the mode, which may forbid writing. */
async function copyAsPartial(from: Buffer, to: string, size: number): Promise<void> {
  await rm(to, { force: true })
  await copyFile(from, to, constants.COPYFILE_FICLONE)
  await chmod(to, 0o600)
  await truncate(to, size)
}

function isWithin(place: Place, sizes: ReadonlyMap<number, number>): boolean {
  return place.fileOffset + place.length <= (sizes.get(place.entry) ?? -1)
}

async function statOrUndefined(path: Buffer): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true })
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')
}

const SLASH = 0x2f
