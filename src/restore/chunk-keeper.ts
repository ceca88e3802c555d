// Encoded chunks for other nodes: from memory when recent, from a kept copy when zstd made them (its output differs
// between library versions), else encoded again from the files and checked against the chunk's id.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { systemErrorCode } from '../base/errors.ts'
import { hashToId } from '../base/hash.ts'
import type { ObjectId } from '../base/ids.ts'
import type { Slab, SlabPool } from '../base/slab-pool.ts'
import type { Codec } from '../codec/codec.ts'
import type { ChunkPlaces, Place } from '../snapshot/chunk-places.ts'
import type { Manifest } from '../snapshot/manifest.ts'
import { diskError } from './disk-errors.ts'
import type { FilePool } from './file-pool.ts'
import { FILES_AT_ONCE, readPlaces, withDescriptors } from './read-places.ts'

export interface ChunkKeeperInit {
  readonly manifest: Manifest & { readonly places: ChunkPlaces }
  readonly codec: Codec
  readonly slabs: SlabPool
  /** Descriptors of the tree's files by entry index. */
  readonly files: FilePool
  /** Fills a buffer with the parts of many files, one after the other. Default: through `files`, a few at a time. */
  readonly readPack?: (parts: readonly Place[], raw: Uint8Array) => Promise<void>
  /** Directory for encoded chunks that cannot be made again. */
  readonly encodedPath: string
  /** Fills a buffer with a chunk that can neither be made again nor was kept, or throws. Default: there is no such place. */
  readonly fetch?: (id: ObjectId, into: Uint8Array) => Promise<void>
  /** Encoded bytes kept in memory. */
  readonly cacheBytesMax: number
}

export class ChunkKeeper {
  readonly #init: ChunkKeeperInit
  readonly #cache = new Map<number, Slab>()
  /** Chunks that are not in their files yet. Their writers own the slabs. */
  readonly #writing = new Map<number, Slab>()
  readonly #reading = new Map<number, Promise<Slab | undefined>>()
  #cacheBytes = 0

  constructor(init: ChunkKeeperInit) {
    this.#init = init
  }

  /** Keeps a verified encoded chunk; adds itself as an owner of the slab. */
  remember(chunk: number, encoded: Slab): void {
    if (this.#cache.has(chunk)) return
    this.#cache.set(chunk, encoded.retain())
    this.#cacheBytes += encoded.bytes.length
    for (const [oldest, slab] of this.#cache) {
      if (this.#cacheBytes <= this.#init.cacheBytesMax) break
      this.#cache.delete(oldest)
      this.#cacheBytes -= slab.bytes.length
      slab.release()
    }
  }

  /**
   * Runs `write`, which puts a verified chunk into its files. Until it settles the chunk is read from `encoded`, whatever the
   * cache has room for: a slow disk lets many chunks wait. The caller owns the slab for as long.
   */
  async whileWriting(chunk: number, encoded: Slab, write: () => Promise<void>): Promise<void> {
    this.#writing.set(chunk, encoded)
    try {
      await write()
    } finally {
      this.#writing.delete(chunk)
    }
  }

  /** Puts a chunk that cannot be made again on disk for as long as this node serves. Others are left alone. */
  async keep(chunk: number, encoded: Uint8Array): Promise<void> {
    const { codec, id } = this.#init.manifest.chunks.get(chunk)
    if (codec === 'zstd') await keepEncoded(this.#init.encodedPath, id, encoded)
  }

  /**
   * The encoded bytes, with the caller as one owner. Undefined when the files no longer give the bytes that the chunk's id
   * names: the chunk is lost here and must be fetched again.
   */
  async read(chunk: number): Promise<Slab | undefined> {
    const unwritten = this.#writing.get(chunk)
    if (unwritten !== undefined) return unwritten.retain()
    const cached = this.#cache.get(chunk)
    if (cached !== undefined) {
      this.#cache.delete(chunk)
      this.#cache.set(chunk, cached)
      return cached.retain()
    }
    const underWay = this.#reading.get(chunk)
    if (underWay !== undefined) return (await underWay)?.retain()
    const reading = this.#make(chunk)
    this.#reading.set(chunk, reading)
    try {
      const made = await reading
      if (made !== undefined) this.remember(chunk, made)
      return made
    } finally {
      this.#reading.delete(chunk)
    }
  }

  /** Gives up all memory. */
  clear(): void {
    for (const slab of this.#cache.values()) slab.release()
    this.#cache.clear()
    this.#cacheBytes = 0
  }

  async #make(chunk: number): Promise<Slab | undefined> {
    const { manifest, slabs } = this.#init
    const { codec, rawBytes, encodedBytes } = manifest.chunks.get(chunk)
    const out = slabs.take(Math.max(encodedBytes, this.#init.codec.maxEncodedBytes(rawBytes)))
    try {
      if (codec !== 'zstd' && this.#isRight(chunk, out, await this.#encodeAgain(chunk, out))) {
        return trimmed(slabs, out, encodedBytes)
      }
      if (this.#isRight(chunk, out, await this.#readKept(chunk, out))) return trimmed(slabs, out, encodedBytes)
      if (codec === 'zstd' && this.#isRight(chunk, out, await this.#fetchAgain(chunk, out))) {
        return trimmed(slabs, out, encodedBytes)
      }
      return undefined
    } finally {
      out.release()
    }
  }

  #isRight(chunk: number, out: Slab, length: number): boolean {
    const { id, encodedBytes } = this.#init.manifest.chunks.get(chunk)
    return length === encodedBytes && hashToId(out.bytes.subarray(0, length)) === id
  }

  async #readKept(chunk: number, out: Slab): Promise<number> {
    try {
      const kept = await readFile(`${this.#init.encodedPath}/${this.#init.manifest.chunks.id(chunk)}`)
      if (kept.length > out.bytes.length) return 0
      out.bytes.set(kept)
      return kept.length
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return 0
      throw error
    }
  }

  async #fetchAgain(chunk: number, out: Slab): Promise<number> {
    const { id, encodedBytes } = this.#init.manifest.chunks.get(chunk)
    if (this.#init.fetch === undefined) return 0
    await this.#init.fetch(id, out.bytes.subarray(0, encodedBytes))
    return encodedBytes
  }

  async #encodeAgain(chunk: number, out: Slab): Promise<number> {
    const { manifest, codec, slabs, files, readPack } = this.#init
    const facts = manifest.chunks.get(chunk)
    const places = manifest.places.covering(chunk, facts.rawBytes) ?? []
    const raw = slabs.take(facts.rawBytes)
    const options = { codec: facts.codec, element: facts.element, zstdLevel: 1 }
    try {
      if (places.length <= FILES_AT_ONCE)
        return await withDescriptors(places, files, (ranges) =>
          codec.readAndEncode(ranges, raw.bytes, out.bytes, options),
        )
      if (readPack === undefined) await readPlaces(places, raw.bytes, files, codec)
      else await readPack(places, raw.bytes)
      return await codec.encode(raw.bytes, out.bytes, options)
    } finally {
      raw.release()
    }
  }
}

/** The first `length` bytes in a slab of their own, so that a cached chunk holds no room that it does not use. */
function trimmed(slabs: SlabPool, slab: Slab, length: number): Slab {
  const exact = slabs.take(length)
  slab.bytes.copy(exact.bytes, 0, 0, length)
  return exact
}

/** Writes an encoded chunk where a keeper with this `encodedPath` finds it. Throws disk errors. */
export async function keepEncoded(encodedPath: string, id: ObjectId, encoded: Uint8Array): Promise<void> {
  try {
    await mkdir(encodedPath, { recursive: true })
    await writeFile(`${encodedPath}/${id}`, encoded)
  } catch (cause) {
    throw diskError(`keeping chunk ${id} in ${encodedPath}`, cause)
  }
}
