// A snapshot in memory: the chunk table, the entries, and which bytes of which chunks make up which file.
// Tables are columns, so that a million files cost about a hundred megabytes and not a gigabyte.

import { BytesColumn, NumberColumn } from '../base/columns.ts'
import { invariant } from '../base/errors.ts'
import { type ChunkIndex, chunkIndex, type ObjectId, objectIdBytes, objectIdFromBytes, type Root } from '../base/ids.ts'

export type ChunkCodecName = 'raw' | 'ans' | 'zstd' | 'ans-fast'
export type ElementName = 'unknown' | 'bytes' | 'bf16' | 'fp16' | 'fp32'

export const CHUNK_CODECS: readonly ChunkCodecName[] = ['raw', 'ans', 'zstd', 'ans-fast']
export const ELEMENTS: readonly ElementName[] = ['unknown', 'bytes', 'bf16', 'fp16', 'fp32']

export interface Chunk {
  /** Over the encoded bytes. */
  readonly id: ObjectId
  /** Over the raw bytes. */
  readonly rawHash: ObjectId
  readonly rawBytes: number
  readonly encodedBytes: number
  readonly codec: ChunkCodecName
  /** What the encoder was told; the same call makes the same bytes again. */
  readonly element: ElementName
}

/** `length` bytes of the concatenated raw bytes of the chunks from `firstChunk` on, from `offset` of the first. */
export interface Extent {
  readonly firstChunk: number
  readonly offset: number
  readonly length: number
}

export type EntryType = 'file' | 'directory' | 'symlink'
export const ENTRY_TYPES: readonly EntryType[] = ['file', 'directory', 'symlink']

export interface Entry {
  /** Relative, `/` between components, any bytes but NUL. */
  readonly path: Buffer
  readonly type: EntryType
  /** The twelve permission bits. */
  readonly mode: number
  readonly mtimeSeconds: number
  readonly mtimeNanos: number
  /** 0 unless a file. */
  readonly size: number
  /** Empty unless a symbolic link. */
  readonly target: Buffer
  readonly extents: readonly Extent[]
}

const HASH_BYTES = 32

export class ChunkTable {
  readonly #ids = new BytesColumn()
  readonly #rawHashes = new BytesColumn()
  readonly #rawBytes = new NumberColumn()
  readonly #encodedBytes = new NumberColumn()
  readonly #codecs = new NumberColumn()
  readonly #elements = new NumberColumn()

  get count(): number {
    return this.#rawBytes.length
  }

  push(chunk: Chunk): ChunkIndex {
    this.pushColumns(objectIdBytes(chunk.id), objectIdBytes(chunk.rawHash), chunk)
    return chunkIndex(this.count - 1)
  }

  /** As push(), with both hashes as 32 bytes each, which are copied. */
  pushColumns(id: Uint8Array, rawHash: Uint8Array, facts: Omit<Chunk, 'id' | 'rawHash'>): void {
    invariant(id.length === HASH_BYTES && rawHash.length === HASH_BYTES, 'hashes have 32 bytes')
    this.#ids.push(id)
    this.#rawHashes.push(rawHash)
    this.#rawBytes.push(facts.rawBytes)
    this.#encodedBytes.push(facts.encodedBytes)
    this.#codecs.push(CHUNK_CODECS.indexOf(facts.codec))
    this.#elements.push(ELEMENTS.indexOf(facts.element))
  }

  id(index: number): ObjectId {
    return objectIdFromBytes(this.#ids.get(index))
  }

  rawHash(index: number): ObjectId {
    return objectIdFromBytes(this.#rawHashes.get(index))
  }

  rawBytes(index: number): number {
    return this.#rawBytes.get(index)
  }

  encodedBytes(index: number): number {
    return this.#encodedBytes.get(index)
  }

  get(index: number): Chunk {
    return {
      id: this.id(index),
      rawHash: this.rawHash(index),
      rawBytes: this.rawBytes(index),
      encodedBytes: this.encodedBytes(index),
      codec: CHUNK_CODECS[this.#codecs.get(index)] ?? 'raw',
      element: ELEMENTS[this.#elements.get(index)] ?? 'unknown',
    }
  }
}

export class EntryTable {
  readonly #paths = new BytesColumn()
  readonly #targets = new BytesColumn()
  readonly #types = new NumberColumn()
  readonly #modes = new NumberColumn()
  readonly #mtimeSeconds = new NumberColumn()
  readonly #mtimeNanos = new NumberColumn()
  readonly #sizes = new NumberColumn()
  readonly #extentEnds = new NumberColumn()
  readonly #extentChunks = new NumberColumn()
  readonly #extentOffsets = new NumberColumn()
  readonly #extentLengths = new NumberColumn()
  #fileCount = 0

  get count(): number {
    return this.#types.length
  }

  get fileCount(): number {
    return this.#fileCount
  }

  push(entry: Entry): void {
    this.pushWith(entry, entry.extents)
  }

  /** As push(), for an entry whose extents lie elsewhere. */
  pushWith(entry: Omit<Entry, 'extents'>, extents: readonly Extent[]): void {
    this.#paths.push(entry.path)
    this.#targets.push(entry.target)
    this.#types.push(ENTRY_TYPES.indexOf(entry.type))
    this.#modes.push(entry.mode)
    this.#mtimeSeconds.push(entry.mtimeSeconds)
    this.#mtimeNanos.push(entry.mtimeNanos)
    this.#sizes.push(entry.size)
    for (const extent of extents) {
      this.#extentChunks.push(extent.firstChunk)
      this.#extentOffsets.push(extent.offset)
      this.#extentLengths.push(extent.length)
    }
    this.#extentEnds.push(this.#extentChunks.length)
    if (entry.type === 'file') this.#fileCount++
  }

  path(index: number): Buffer {
    return this.#paths.get(index)
  }

  /** Index of the entry with this path, or undefined. The entries must lie in the manifest's order. */
  find(path: Uint8Array): number | undefined {
    let first = 0
    let end = this.count
    while (first < end) {
      const middle = Math.floor((first + end) / 2)
      const order = Buffer.compare(this.path(middle), path)
      if (order === 0) return middle
      if (order < 0) first = middle + 1
      else end = middle
    }
    return undefined
  }

  type(index: number): EntryType {
    return ENTRY_TYPES[this.#types.get(index)] ?? 'file'
  }

  size(index: number): number {
    return this.#sizes.get(index)
  }

  extents(index: number): readonly Extent[] {
    const extents: Extent[] = []
    for (let row = index === 0 ? 0 : this.#extentEnds.get(index - 1); row < this.#extentEnds.get(index); row++) {
      extents.push({
        firstChunk: this.#extentChunks.get(row),
        offset: this.#extentOffsets.get(row),
        length: this.#extentLengths.get(row),
      })
    }
    return extents
  }

  get(index: number): Entry {
    return {
      path: this.path(index),
      type: this.type(index),
      mode: this.#modes.get(index),
      mtimeSeconds: this.#mtimeSeconds.get(index),
      mtimeNanos: this.#mtimeNanos.get(index),
      size: this.size(index),
      target: this.#targets.get(index),
      extents: this.extents(index),
    }
  }
}

export interface Manifest {
  readonly root: Root
  readonly chunkBytesMax: number
  readonly chunks: ChunkTable
  readonly entries: EntryTable
  /** Sum of the sizes of all files. */
  readonly rawBytes: number
  /** Sum of the encoded sizes of all chunks. */
  readonly encodedBytes: number
}

/** The part of one chunk that an extent covers. */
export interface Slice {
  readonly chunk: number
  /** Where in the chunk's raw bytes. */
  readonly rawOffset: number
  /** Where in the file. */
  readonly fileOffset: number
  readonly length: number
}

/** Cuts extents at chunk borders, in file order. The extents must have passed the manifest's checks. */
export function* slicesOf(extents: readonly Extent[], rawBytesOf: (chunk: number) => number): Generator<Slice> {
  let fileOffset = 0
  for (const extent of extents) {
    let rest = extent.length
    let rawOffset = extent.offset
    for (let chunk = extent.firstChunk; rest > 0; chunk++) {
      const length = Math.min(rest, rawBytesOf(chunk) - rawOffset)
      yield { chunk, rawOffset, fileOffset, length }
      fileOffset += length
      rest -= length
      rawOffset = 0
    }
  }
}
