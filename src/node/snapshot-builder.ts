// A workspace becomes a snapshot: plan, read, hash, encode, hash again; then the tables and the manifest's objects.
// What happens to the encoded bytes (upload, keep, forget) is the caller's part.

import { promisify } from 'node:util'
import { constants as zlibConstants, zstdCompress } from 'node:zlib'
import { hashToId } from '../base/hash.ts'
import type { ObjectId, Root } from '../base/ids.ts'
import type { Slab, SlabPool } from '../base/slab-pool.ts'
import type { Codec, EncodeOptions } from '../codec/codec.ts'
import { forEachBounded } from '../restore/bounded.ts'
import { Turns } from '../restore/turns.ts'
import { ChunkPlaces } from '../snapshot/chunk-places.ts'
import { type PlannedChunk, planChunks } from '../snapshot/chunk-plan.ts'
import { type Chunk, ChunkTable, EntryTable, type Extent, type Manifest } from '../snapshot/manifest.ts'
import { encodeHead, encodeParts, type StoredPart } from '../snapshot/manifest-codec.ts'
import { MANIFEST_ZSTD_LEVEL } from './limits.ts'
import type { SourceTree } from './source-tree.ts'

const compress = promisify(zstdCompress)

export interface BuildInit {
  readonly tree: SourceTree
  readonly codec: Codec
  readonly slabs: SlabPool
  readonly chunkBytes: number
  readonly options: Pick<EncodeOptions, 'codec' | 'zstdLevel'>
  /**
   * Chunks being read, encoded and handed on at the same time, 1 or more. Of these at most one more than the codec has threads are being
   * read and encoded; the others hold their encoded bytes alone, or raw bytes of a chunk that is being looked for.
   */
  readonly concurrency: number
  /** A chunk with these raw bytes that need not be encoded again; undefined at once where there is none to be looked for. */
  readonly findKnown: (rawHash: ObjectId) => Promise<Chunk | undefined> | undefined
  /** Called once per distinct chunk, `encoded` undefined for a known one; the slab is the builder's again afterwards. */
  readonly take: (chunk: Chunk, encoded: Slab | undefined) => Promise<void>
  readonly onRead?: (rawBytes: number) => void
  readonly signal: AbortSignal
}

/** A manifest together with the objects that it consists of, head first. */
export interface BuiltSnapshot {
  readonly manifest: Manifest & { readonly places: ChunkPlaces }
  readonly root: Root
  readonly head: Uint8Array
  /** Stored bytes by id, without the head. */
  readonly parts: ReadonlyMap<ObjectId, Uint8Array>
  /** Raw bytes that were found twice in the tree. */
  readonly duplicateBytes: number
}

export async function buildSnapshot(init: BuildInit): Promise<BuiltSnapshot> {
  const plan = [...planChunks(await init.tree.plannedFiles(), init.chunkBytes)]
  const results = new Array<Chunk>(plan.length)
  const known = new Map<ObjectId, Promise<Chunk>>()
  // More would wait for a processor, each with a buffer of its own that has left the caches when its turn comes.
  const encoders = new Turns(init.codec.status.threads + 1)
  await forEachBounded(plan.entries(), init.concurrency, async ([position, planned]) => {
    const { chunk } = await encoders.run(() => readChunk(init, encoders, planned, known))
    results[position] = await chunk
    init.onRead?.(planned.rawBytes)
  })
  return assemble(init, plan, results)
}

/** Settles when the raw bytes are encoded, or need not be now; `chunk` when it has been handed on, or with what went wrong. */
async function readChunk(
  init: BuildInit,
  encoders: Turns,
  planned: PlannedChunk,
  known: Map<ObjectId, Promise<Chunk>>,
): Promise<{ readonly chunk: Promise<Chunk> }> {
  init.signal.throwIfAborted()
  const raw = init.slabs.take(planned.rawBytes)
  try {
    await init.tree.readPieces(planned.pieces, raw.bytes)
    const rawHash = hashToId(raw.bytes)
    const twin = known.get(rawHash)
    if (twin !== undefined) return { chunk: twin }
    const looking = init.findKnown(rawHash)
    if (looking !== undefined) {
      const chunk = reuseChunk(init, encoders, planned, rawHash, raw.retain(), looking)
      known.set(rawHash, chunk)
      return { chunk }
    }
    const encoding = encodeChunk(init, planned, rawHash, raw.bytes)
    const chunk = encoding.then((encoded) => handOn(init, encoded))
    known.set(rawHash, chunk)
    await encoding.catch(() => undefined)
    return { chunk }
  } finally {
    raw.release()
  }
}

/** Takes a known chunk if it is still where it was, which may take a while, and encodes the bytes again if not. Releases `raw`. */
async function reuseChunk(
  init: BuildInit,
  encoders: Turns,
  planned: PlannedChunk,
  rawHash: ObjectId,
  raw: Slab,
  looking: Promise<Chunk | undefined>,
): Promise<Chunk> {
  try {
    const before = await looking
    if (before === undefined)
      return await handOn(init, await encoders.run(() => encodeChunk(init, planned, rawHash, raw.bytes)))
    await init.take(before, undefined)
    return before
  } finally {
    raw.release()
  }
}

/** A new chunk and its bytes, which whoever has it must release. */
interface EncodedChunk {
  readonly chunk: Chunk
  readonly encoded: Slab
}

async function encodeChunk(
  init: BuildInit,
  planned: PlannedChunk,
  rawHash: ObjectId,
  raw: Uint8Array,
): Promise<EncodedChunk> {
  const out = init.slabs.take(init.codec.maxEncodedBytes(raw.length))
  try {
    const encodedBytes = await init.codec.encode(raw, out.bytes, { ...init.options, element: planned.element })
    const encoded = out.narrow(encodedBytes)
    const chunk: Chunk = {
      id: hashToId(encoded.bytes),
      rawHash,
      rawBytes: raw.length,
      encodedBytes,
      codec: init.codec.inspect(encoded.bytes).codec,
      element: planned.element,
    }
    return { chunk, encoded }
  } catch (error) {
    out.release()
    throw error
  }
}

async function handOn(init: BuildInit, { chunk, encoded }: EncodedChunk): Promise<Chunk> {
  try {
    await init.take(chunk, encoded)
    return chunk
  } finally {
    encoded.release()
  }
}

async function assemble(
  init: BuildInit,
  plan: readonly PlannedChunk[],
  results: readonly Chunk[],
): Promise<BuiltSnapshot> {
  const chunks = new ChunkTable()
  const indexOf = new Map<ObjectId, number>()
  const extents = new GrowingExtents(init.tree.entries.length)
  let duplicateBytes = 0
  for (const [position, chunk] of results.entries()) {
    let index = indexOf.get(chunk.id)
    if (index === undefined) {
      index = chunks.push(chunk)
      indexOf.set(chunk.id, index)
    } else {
      duplicateBytes += chunk.rawBytes
    }
    const planned = plan[position]
    if (planned !== undefined) extents.add(planned, index)
  }
  const entries = new EntryTable()
  for (const [index, entry] of init.tree.entries.entries()) entries.pushWith(entry, extents.of(index))
  const parts: StoredPart[] = []
  for (const part of encodeParts(chunks, entries)) {
    const level = { params: { [zlibConstants.ZSTD_c_compressionLevel]: MANIFEST_ZSTD_LEVEL } }
    parts.push({ ...part, stored: await compress(part.message, level) })
  }
  const { head, root } = encodeHead(chunks, entries, init.chunkBytes, parts)
  const totals = { rawBytes: init.tree.rawBytes, encodedBytes: sumEncoded(chunks) }
  const manifest: Manifest = { root, chunkBytesMax: init.chunkBytes, chunks, entries, ...totals }
  return {
    manifest: { ...manifest, places: new ChunkPlaces(manifest) },
    root,
    head,
    parts: new Map(parts.map((part) => [hashToId(part.stored), part.stored])),
    duplicateBytes,
  }
}

/** The extents of all files while their pieces come in, each file's in file order. */
class GrowingExtents {
  readonly #lists: (Extent[] | undefined)[]
  /** For each file the chunk that would continue its last extent: the last one was used up to its end. -1: none would. */
  readonly #nextChunks: Int32Array

  constructor(entryCount: number) {
    this.#lists = new Array<Extent[] | undefined>(entryCount)
    this.#nextChunks = new Int32Array(entryCount).fill(-1)
  }

  of(file: number): readonly Extent[] {
    return this.#lists[file] ?? NO_EXTENTS
  }

  /** Files are cut into consecutive chunks, so most files end up with one extent however large they are. */
  add({ pieces, rawBytes }: PlannedChunk, chunk: number): void {
    let rawOffset = 0
    for (const { file, length } of pieces) {
      const list = this.#lists[file]
      const last = list?.at(-1)
      if (list === undefined) {
        this.#lists[file] = [{ firstChunk: chunk, offset: rawOffset, length }]
      } else if (last !== undefined && rawOffset === 0 && this.#nextChunks[file] === chunk) {
        list[list.length - 1] = { ...last, length: last.length + length }
      } else {
        list.push({ firstChunk: chunk, offset: rawOffset, length })
      }
      rawOffset += length
      this.#nextChunks[file] = rawOffset === rawBytes ? chunk + 1 : -1
    }
  }
}

const NO_EXTENTS: readonly Extent[] = []

function sumEncoded(chunks: ChunkTable): number {
  let sum = 0
  for (let index = 0; index < chunks.count; index++) sum += chunks.encodedBytes(index)
  return sum
}
