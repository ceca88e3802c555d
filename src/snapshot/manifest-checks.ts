// What a stranger's manifest must prove before anything in it is believed. Each check names what it saw.

import * as wire from '../generated/manifest_pb.ts'
import { fail, refuseNewer } from './canonical.ts'
import type { EntryMessage } from './entry-codec.ts'
import {
  CHUNK_BYTES_MAX,
  CHUNK_PART_COUNT_MAX,
  CHUNKS_MAX,
  ENCODED_OVERHEAD_BYTES_MAX,
  ENTRIES_MAX,
  LINK_TARGET_BYTES_MAX,
  MANIFEST_MESSAGE_BYTES_MAX,
  MODE_MAX,
  MTIME_SECONDS_MAX,
  MTIME_SECONDS_MIN,
  PART_MESSAGE_BYTES_MAX,
  PART_STORED_BYTES_MAX,
  PARTS_MAX,
  PLACES_MAX,
} from './limits.ts'
import {
  CHUNK_CODECS,
  type ChunkTable,
  ELEMENTS,
  ENTRY_TYPES,
  type Entry,
  type EntryTable,
  type Extent,
} from './manifest.ts'
import { normalForm, pathProblem, printablePath } from './paths.ts'

const NANOS_PER_SECOND = 1_000_000_000
/** Two hashes, two sizes of 1 to 4 bytes and two names of 1 byte; then six tags and lengths of at most 5 bytes. */
const CHUNK_MESSAGE_BYTES_MIN = 68
const CHUNK_MESSAGE_BYTES_MAX = 74
const CHUNK_PART_FRAMING_BYTES_MAX = 30
/** Tag and length, a path of one byte with tag and length, and the type. */
const ENTRY_MESSAGE_BYTES_MIN = 7

/** An unsigned or signed 64-bit field that must fit a double exactly. */
export function safeNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER)) fail(`number ${value}`)
  return Number(value)
}

/** The same for a field that was made a double already: one that does not fit was made one that does not fit either. */
function checkSafe(value: number): void {
  if (!Number.isSafeInteger(value)) fail(`number ${BigInt(value)}`)
}

/** Everything that the head alone can prove; afterwards no part can outgrow what was said here. */
export function checkHead(head: wire.Head): void {
  if (head.chunkBytesMax === 0 || head.chunkBytesMax > CHUNK_BYTES_MAX) fail(`chunks of ${head.chunkBytesMax} bytes`)
  if (head.parts.length > PARTS_MAX) fail(`the head lists ${head.parts.length} parts, more than ${PARTS_MAX}`)
  if (safeNumber(head.entryCount) > ENTRIES_MAX) fail(`${head.entryCount} entries, more than ${ENTRIES_MAX}`)
  if (safeNumber(head.chunkCount) > CHUNKS_MAX) fail(`${head.chunkCount} chunks, more than ${CHUNKS_MAX}`)
  safeNumber(head.fileCount)
  safeNumber(head.rawBytes)
  safeNumber(head.encodedBytes)
  let chunks = 0
  let entries = 0
  let messageBytes = 0
  for (const part of head.parts) {
    checkPart(part)
    if (part.kind === wire.PartKind.CHUNKS && entries > 0) fail('a chunk part follows an entry part')
    if (part.kind === wire.PartKind.CHUNKS) chunks += part.count
    else entries += part.count
    messageBytes += part.messageBytes
  }
  if (chunks !== Number(head.chunkCount)) fail(`${head.chunkCount} chunks, but parts of ${chunks}`)
  if (entries !== Number(head.entryCount)) fail(`${head.entryCount} entries, but parts of ${entries}`)
  if (messageBytes > MANIFEST_MESSAGE_BYTES_MAX) fail(`parts of ${messageBytes} bytes in all`)
}

function checkPart(part: wire.Part): void {
  if (part.id.length !== 32) fail('a part id has not 32 bytes')
  if (part.storedBytes === 0 || part.storedBytes > PART_STORED_BYTES_MAX) fail(`a part of ${part.storedBytes} bytes`)
  if (part.messageBytes > PART_MESSAGE_BYTES_MAX) fail(`a part message of ${part.messageBytes} bytes`)
  if (part.kind === wire.PartKind.CHUNKS) {
    const most = part.count * CHUNK_MESSAGE_BYTES_MAX + CHUNK_PART_FRAMING_BYTES_MAX
    if (part.count === 0 || part.count > CHUNK_PART_COUNT_MAX) fail(`a part of ${part.count} chunks`)
    if (part.messageBytes < part.count * CHUNK_MESSAGE_BYTES_MIN || part.messageBytes > most) {
      fail(`a part of ${part.count} chunks in ${part.messageBytes} bytes`)
    }
  } else if (part.kind === wire.PartKind.ENTRIES) {
    if (part.count === 0 || part.count * ENTRY_MESSAGE_BYTES_MIN > part.messageBytes) {
      fail(`a part of ${part.count} entries in ${part.messageBytes} bytes`)
    }
  } else if (part.kind === wire.PartKind.UNSPECIFIED) {
    fail('a part has no kind')
  } else {
    refuseNewer(`part kind ${part.kind}`)
  }
}

export function checkChunkColumns(part: wire.ChunkPart, count: number, chunkBytesMax: number): void {
  const lengths = [part.ids.length / 32, part.rawHashes.length / 32, part.rawBytes.length, part.encodedBytes.length]
  lengths.push(part.codecs.length, part.elements.length)
  if (lengths.some((length) => length !== count)) {
    fail(`a chunk part's columns have ${lengths.join(', ')} of ${count} rows`)
  }
  for (let row = 0; row < count; row++) {
    const raw = part.rawBytes[row] ?? 0
    const encoded = part.encodedBytes[row] ?? 0
    if (raw === 0 || raw > chunkBytesMax) fail(`a chunk of ${raw} raw bytes`)
    if (encoded === 0 || encoded > raw + ENCODED_OVERHEAD_BYTES_MAX) {
      fail(`a chunk of ${raw} raw and ${encoded} encoded bytes`)
    }
    if (CHUNK_CODECS[part.codecs[row] ?? 0] === undefined) refuseNewer(`chunk codec ${part.codecs[row]}`)
    if (ELEMENTS[part.elements[row] ?? 0] === undefined) refuseNewer(`element type ${part.elements[row]}`)
  }
}

/**
 * Judges entries one after the other, each by itself and among those before it: ascending byte order of their paths,
 * each inside a directory that came before it, no two the same after Unicode normalisation.
 */
export class EntryChecker {
  readonly #chunks: ChunkTable
  readonly #directories = new Set<string>()
  /** Normal forms of the paths that are not in normal form, which are few. */
  readonly #normalForms = new Set<string>()
  #previous: string | undefined
  /** Of the entry before, if it lies in one. */
  #parent = ''
  #places = 0

  /** `chunks` must be complete before the first check. */
  constructor(chunks: ChunkTable) {
    this.#chunks = chunks
  }

  /** The entry's path and target lie where the message's do. */
  check(message: EntryMessage): Entry {
    const problem = pathProblem(message.path)
    if (problem !== undefined) fail(`path ${nameOf(message)} ${problem}`)
    const entry = this.#checkFields(message)
    this.#checkOrder(entry)
    return entry
  }

  /** To be called once, when `entries` holds everything that was checked. */
  finish(entries: EntryTable): void {
    for (const path of this.#normalForms) {
      const twin = Buffer.from(path)
      if (entries.find(twin) !== undefined) fail(`path "${printablePath(twin)}" comes in two spellings`)
    }
  }

  #checkFields(message: EntryMessage): Entry {
    const { path, mode, mtimeSeconds, mtimeNanos, size, target, extents } = message
    const type = entryType(message)
    if (mode > MODE_MAX) fail(`${nameOf(message)} has mode ${mode.toString(8)}`)
    if (mtimeNanos >= NANOS_PER_SECOND) fail(`${nameOf(message)} has ${mtimeNanos} nanoseconds`)
    checkSafe(mtimeSeconds)
    if (mtimeSeconds < MTIME_SECONDS_MIN || mtimeSeconds > MTIME_SECONDS_MAX)
      fail(`${nameOf(message)} has time ${mtimeSeconds}`)
    checkSafe(size)
    if (type !== 'file' && (size !== 0 || extents.length > 0)) fail(`${nameOf(message)} is a ${type} with content`)
    if ((type === 'symlink') !== target.length > 0)
      fail(`${nameOf(message)} is a ${type} and has a target or lacks one`)
    if (target.length > LINK_TARGET_BYTES_MAX || (target.length > 0 && target.includes(0)))
      fail(`${nameOf(message)} has a bad target`)
    this.#checkExtents(message)
    return { path, type, mode, mtimeSeconds, mtimeNanos, size, target, extents }
  }

  #checkExtents(message: EntryMessage): void {
    let total = 0
    for (const extent of message.extents) {
      checkSafe(extent.length)
      if (extent.length === 0) fail(`${nameOf(message)} has an empty extent`)
      this.#checkReach(extent, message)
      total += extent.length
      if (!Number.isSafeInteger(total)) fail(`${nameOf(message)} is larger than 2^53 bytes`)
    }
    if (total !== message.size) fail(`${nameOf(message)} has ${message.size} bytes and extents of ${total}`)
  }

  /** The extent ends inside the chunk table. The work is bounded over all entries together, by PLACES_MAX. */
  #checkReach({ firstChunk, offset, length }: Extent, message: EntryMessage): void {
    const chunks = this.#chunks
    if (firstChunk >= chunks.count || offset >= chunks.rawBytes(firstChunk))
      fail(`${nameOf(message)} starts at byte ${offset} of chunk ${firstChunk}`)
    let reached = -offset
    for (let chunk = firstChunk; reached < length; chunk++) {
      if (chunk >= chunks.count) fail(`${nameOf(message)} reaches past the last chunk`)
      if (++this.#places > PLACES_MAX) fail(`files take more than ${PLACES_MAX} pieces of chunks`)
      reached += chunks.rawBytes(chunk)
    }
  }

  #checkOrder(entry: Entry): void {
    // One character a byte, so that texts compare as their bytes do.
    const path = entry.path.toString('latin1')
    if (this.#previous !== undefined && this.#previous >= path)
      fail(`path ${nameOf(entry)} comes twice or out of order`)
    this.#previous = path
    const slash = path.lastIndexOf('/')
    if (slash !== -1 && !this.#isDirectory(path, slash))
      fail(`path ${nameOf(entry)} lies in no directory of the snapshot`)
    if (entry.type === 'directory') this.#directories.add(path)
    const normal = normalForm(entry.path)
    if (normal === undefined) return
    if (this.#normalForms.has(normal)) fail(`path ${nameOf(entry)} comes in two spellings`)
    this.#normalForms.add(normal)
  }

  /** Whether the first `length` characters are a directory's path. Most entries lie in the directory of the one before. */
  #isDirectory(path: string, length: number): boolean {
    if (length === this.#parent.length && path.startsWith(this.#parent)) return true
    const parent = path.slice(0, length)
    if (!this.#directories.has(parent)) return false
    this.#parent = parent
    return true
  }
}

/** Made only where it is needed, for a message. */
function nameOf({ path }: { readonly path: Uint8Array }): string {
  return `"${printablePath(path)}"`
}

function entryType(message: EntryMessage): Entry['type'] {
  if (message.type === wire.EntryType.UNSPECIFIED) fail(`${nameOf(message)} has no type`)
  return ENTRY_TYPES[message.type - 1] ?? refuseNewer(`entry type ${message.type}`)
}
