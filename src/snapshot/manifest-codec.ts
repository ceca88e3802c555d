// Manifest <-> bytes (protocols/manifest.md). Writing is canonical, reading refuses everything that is not, so that one
// tree has one root. Compression of parts is left to the caller: this folder knows no library that does I/O.

import { create, toBinary } from '@bufbuild/protobuf'
import { SwarmError } from '../base/errors.ts'
import { hashToId } from '../base/hash.ts'
import { type ObjectId, objectIdBytes, objectIdFromBytes, type Root } from '../base/ids.ts'
import * as wire from '../generated/manifest_pb.ts'
import { fail, parseEntries, parseMessage, proveCanonical, refuseNewer } from './canonical.ts'
import { ChunkPlaces } from './chunk-places.ts'
import { EntryWriter, entryBytes, framedBytes } from './entry-codec.ts'
import {
  CHUNK_PART_COUNT_MAX,
  ENTRY_PART_BYTES_TARGET,
  EXTENTS_PER_FILE_MAX,
  HEAD_BYTES_MAX,
  MANIFEST_VERSION,
} from './limits.ts'
import {
  CHUNK_CODECS,
  type ChunkCodecName,
  ChunkTable,
  ELEMENTS,
  type ElementName,
  type Entry,
  EntryTable,
  type Manifest,
} from './manifest.ts'
import { checkChunkColumns, checkHead, EntryChecker, safeNumber } from './manifest-checks.ts'
import { printablePath } from './paths.ts'

const CODEC_ON_WIRE: Record<ChunkCodecName, wire.ChunkCodec> = {
  raw: wire.ChunkCodec.RAW,
  ans: wire.ChunkCodec.ANS,
  zstd: wire.ChunkCodec.ZSTD,
  'ans-fast': wire.ChunkCodec.ANS_FAST,
}
const ELEMENT_ON_WIRE: Record<ElementName, wire.ElementType> = {
  unknown: wire.ElementType.UNKNOWN,
  bytes: wire.ElementType.BYTES,
  bf16: wire.ElementType.BF16,
  fp16: wire.ElementType.FP16,
  fp32: wire.ElementType.FP32,
}

export interface PartReference {
  readonly id: ObjectId
  readonly storedBytes: number
  readonly messageBytes: number
}

/** A part as written: `message` is to be compressed by the caller. */
export interface PartMessage {
  readonly kind: wire.PartKind
  readonly count: number
  readonly message: Uint8Array
}

/** A part as stored. */
export interface StoredPart extends PartMessage {
  readonly stored: Uint8Array
}

/** The part messages of a manifest in their fixed order: chunk parts, then entry parts. */
export function* encodeParts(chunks: ChunkTable, entries: EntryTable): Generator<PartMessage> {
  for (let first = 0; first < chunks.count; first += CHUNK_PART_COUNT_MAX) {
    const count = Math.min(CHUNK_PART_COUNT_MAX, chunks.count - first)
    yield { kind: wire.PartKind.CHUNKS, count, message: encodeChunkPart(chunks, first, count) }
  }
  yield* encodeEntryParts(entries)
}

function* encodeEntryParts(entries: EntryTable): Generator<PartMessage> {
  let count = 0
  let messageBytes = 0
  const writer = new EntryWriter(ENTRY_PART_BYTES_TARGET)
  for (let index = 0; index < entries.count; index++) {
    const entry = entries.get(index)
    refuseManyExtents(entry)
    const length = entryBytes(entry)
    const bytes = framedBytes(length)
    if (count > 0 && messageBytes + bytes > ENTRY_PART_BYTES_TARGET) {
      yield { kind: wire.PartKind.ENTRIES, count, message: writer.take() }
      count = 0
      messageBytes = 0
    }
    writer.write(entry, length)
    count++
    messageBytes += bytes
  }
  if (count > 0) yield { kind: wire.PartKind.ENTRIES, count, message: writer.take() }
}

/** The head that lists `parts`, and the root that it hashes to. */
export function encodeHead(
  chunks: ChunkTable,
  entries: EntryTable,
  chunkBytesMax: number,
  parts: readonly StoredPart[],
): { head: Uint8Array; root: Root } {
  const totals = sumOf(chunks, entries)
  const head = toBinary(
    wire.HeadSchema,
    create(wire.HeadSchema, {
      version: MANIFEST_VERSION,
      chunkBytesMax,
      entryCount: BigInt(entries.count),
      fileCount: BigInt(entries.fileCount),
      chunkCount: BigInt(chunks.count),
      rawBytes: BigInt(totals.rawBytes),
      encodedBytes: BigInt(totals.encodedBytes),
      parts: parts.map((part) => ({
        id: objectIdBytes(hashToId(part.stored)),
        kind: part.kind,
        count: part.count,
        storedBytes: part.stored.length,
        messageBytes: part.message.length,
      })),
    }),
  )
  return { head, root: hashToId(head) }
}

function encodeChunkPart(chunks: ChunkTable, first: number, count: number): Uint8Array {
  const part = create(wire.ChunkPartSchema, {
    ids: new Uint8Array(32 * count),
    rawHashes: new Uint8Array(32 * count),
  })
  for (let row = 0; row < count; row++) {
    const chunk = chunks.get(first + row)
    part.ids.set(objectIdBytes(chunk.id), 32 * row)
    part.rawHashes.set(objectIdBytes(chunk.rawHash), 32 * row)
    part.rawBytes.push(chunk.rawBytes)
    part.encodedBytes.push(chunk.encodedBytes)
    part.codecs.push(CODEC_ON_WIRE[chunk.codec])
    part.elements.push(ELEMENT_ON_WIRE[chunk.element])
  }
  return toBinary(wire.ChunkPartSchema, part)
}

function refuseManyExtents(entry: Entry): void {
  if (entry.extents.length <= EXTENTS_PER_FILE_MAX) return
  throw new SwarmError('usage', `"${printablePath(entry.path)}" lies in ${entry.extents.length} runs of chunks`, {
    blame: 'caller',
    cure: 'push with a larger --chunk-size',
  })
}

function sumOf(chunks: ChunkTable, entries: EntryTable): { rawBytes: number; encodedBytes: number } {
  let rawBytes = 0
  for (let entry = 0; entry < entries.count; entry++) rawBytes += entries.size(entry)
  let encodedBytes = 0
  for (let chunk = 0; chunk < chunks.count; chunk++) encodedBytes += chunks.encodedBytes(chunk)
  return { rawBytes, encodedBytes }
}

/**
 * Reads a manifest part by part: construct with the head, pass each message of `parts` in order, then finish().
 * Every failure is a SwarmError, `integrity` or `unsupportedVersion`, and leaves nothing usable behind.
 */
export class ManifestReader {
  readonly root: Root
  readonly parts: readonly PartReference[]
  readonly #head: wire.Head
  readonly #chunks = new ChunkTable()
  readonly #entries = new EntryTable()
  readonly #checker = new EntryChecker(this.#chunks)
  readonly #chunkIds = new Set<string>()
  #next = 0

  /** `head` is what the store or a peer gave for `root`; it is hashed here. */
  constructor(head: Uint8Array, root: Root) {
    if (head.length > HEAD_BYTES_MAX) fail(`the head has ${head.length} bytes, more than ${HEAD_BYTES_MAX}`)
    const actual = hashToId(head)
    if (actual !== root) fail(`the head of snapshot ${root} hashes to ${actual}`)
    this.root = root
    this.#head = parseMessage(wire.HeadSchema, head, 'head')
    // Before the rest: a newer version may differ in everything else.
    if (this.#head.version !== MANIFEST_VERSION) refuseNewer(`manifest version ${this.#head.version}`)
    proveCanonical(wire.HeadSchema, this.#head, head, 'head', this.#head.parts)
    checkHead(this.#head)
    this.parts = this.#head.parts.map((part) => ({
      id: objectIdFromBytes(part.id),
      storedBytes: part.storedBytes,
      messageBytes: part.messageBytes,
    }))
  }

  /** Takes the next part's decompressed message; the caller has checked the stored bytes against the part's id. */
  addPart(message: Uint8Array): void {
    const part = this.#head.parts[this.#next]
    if (part === undefined) fail('more parts than the head lists')
    if (message.length !== part.messageBytes) {
      fail(`part ${this.#next} has ${message.length} bytes, the head says ${part.messageBytes}`)
    }
    this.#next++
    if (part.kind === wire.PartKind.CHUNKS) this.#addChunks(message, part.count)
    else this.#addEntries(message, part.count)
  }

  finish(): Manifest & { readonly places: ChunkPlaces } {
    if (this.#next !== this.#head.parts.length) fail(`${this.#next} of ${this.#head.parts.length} parts given`)
    const head = this.#head
    const totals = sumOf(this.#chunks, this.#entries)
    const said = [head.entryCount, head.fileCount, head.chunkCount, head.rawBytes, head.encodedBytes].map(safeNumber)
    const found = [
      this.#entries.count,
      this.#entries.fileCount,
      this.#chunks.count,
      totals.rawBytes,
      totals.encodedBytes,
    ]
    if (said.some((value, index) => value !== found[index])) {
      fail(`the head's totals (${said.join(', ')}) are not those of the parts (${found.join(', ')})`)
    }
    this.#checker.finish(this.#entries)
    const manifest = {
      root: this.root,
      chunkBytesMax: head.chunkBytesMax,
      chunks: this.#chunks,
      entries: this.#entries,
      ...totals,
    }
    const places = new ChunkPlaces(manifest)
    for (let chunk = 0; chunk < manifest.chunks.count; chunk++) {
      if (!places.isCovered(chunk, manifest.chunks.rawBytes(chunk))) {
        fail(`chunk ${chunk} holds bytes that belong to no file`)
      }
    }
    return { ...manifest, places }
  }

  #addChunks(message: Uint8Array, count: number): void {
    const part = parseMessage(wire.ChunkPartSchema, message, 'chunk part')
    proveCanonical(wire.ChunkPartSchema, part, message, 'chunk part')
    checkChunkColumns(part, count, this.#head.chunkBytesMax)
    for (let row = 0; row < count; row++) {
      const id = part.ids.subarray(32 * row, 32 * row + 32)
      const before = this.#chunkIds.size
      if (this.#chunkIds.add(Buffer.from(id).toString('latin1')).size === before) fail('a chunk id comes twice')
      this.#chunks.pushColumns(id, part.rawHashes.subarray(32 * row, 32 * row + 32), {
        rawBytes: part.rawBytes[row] ?? 0,
        encodedBytes: part.encodedBytes[row] ?? 0,
        codec: CHUNK_CODECS[part.codecs[row] ?? 0] ?? 'raw',
        element: ELEMENTS[part.elements[row] ?? 0] ?? 'unknown',
      })
    }
  }

  #addEntries(message: Uint8Array, count: number): void {
    let found = 0
    for (const entry of parseEntries(message)) {
      if (++found > count) break
      this.#entries.push(this.#checker.check(entry))
    }
    if (found !== count) fail(`an entry part has not the ${count} entries that the head says`)
  }
}
