// Entries of a manifest <-> their bytes, without a protobuf library in between: of a million entries that is most of the work.
// Writes what the library writes. Reads the canonical form of entries that we could have written, and leaves the rest to the
// library, which knows whether that is newer, damaged or not canonical (canonical.ts).

import { EXTENTS_PER_FILE_MAX } from './limits.ts'
import type { Entry, EntryType, Extent } from './manifest.ts'

/** An entry as it stands on the wire: read, and not yet judged. `path` and `target` may lie in the message that was read. */
export interface EntryMessage extends Omit<Entry, 'type'> {
  /** Number of the enumeration `EntryType`. */
  readonly type: number
}

const TYPE_ON_WIRE: Record<EntryType, number> = { file: 1, directory: 2, symlink: 3 }

const PATH = 0x0a
const TYPE = 0x10
const MODE = 0x18
const MTIME_SECONDS = 0x20
const MTIME_NANOS = 0x28
const SIZE = 0x30
const TARGET = 0x3a
const EXTENT = 0x42
const FIRST_CHUNK = 0x08
const OFFSET = 0x10
const LENGTH = 0x18

const VARINT_BITS = 7
const MORE = 0x80
const INT32_MAX = 2 ** 31 - 1
const UINT32_MAX = 2 ** 32 - 1
/** Of the eighth byte, behind which there is none in a number below 2^53. */
const LAST_UNIT = MORE ** 7
const NOTHING = Buffer.alloc(0)

/** Size of the entry's message in bytes. */
export function entryBytes(entry: Entry): number {
  let bytes = textBytes(entry.path) + fieldBytes(TYPE_ON_WIRE[entry.type]) + fieldBytes(entry.mode)
  bytes += fieldBytes(zigzag(entry.mtimeSeconds)) + fieldBytes(entry.mtimeNanos) + fieldBytes(entry.size)
  bytes += textBytes(entry.target)
  for (const extent of entry.extents) bytes += framedBytes(extentBytes(extent))
  return bytes
}

/** Size of a length-delimited field with a number below 16, whose content has `length` bytes. */
export function framedBytes(length: number): number {
  return 1 + varintBytes(length) + length
}

/** Entry messages one after the other, each framed as an element of `EntryPart.entries`. */
export class EntryWriter {
  #bytes: Buffer
  #at = 0

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity)
  }

  /** Appends the entry, whose message has `length` bytes by entryBytes(). */
  write(entry: Entry, length: number): void {
    this.#reserve(framedBytes(length))
    this.#frame(PATH, length)
    this.#text(PATH, entry.path)
    this.#number(TYPE, TYPE_ON_WIRE[entry.type])
    this.#number(MODE, entry.mode)
    this.#number(MTIME_SECONDS, zigzag(entry.mtimeSeconds))
    this.#number(MTIME_NANOS, entry.mtimeNanos)
    this.#number(SIZE, entry.size)
    this.#text(TARGET, entry.target)
    for (const extent of entry.extents) {
      this.#frame(EXTENT, extentBytes(extent))
      this.#number(FIRST_CHUNK, extent.firstChunk)
      this.#number(OFFSET, extent.offset)
      this.#number(LENGTH, extent.length)
    }
  }

  /** What was written since the last call, the caller's from now on. */
  take(): Buffer {
    const taken = Buffer.allocUnsafeSlow(this.#at)
    this.#bytes.copy(taken, 0, 0, this.#at)
    this.#at = 0
    return taken
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + bytes))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }

  #frame(tag: number, length: number): void {
    this.#bytes[this.#at++] = tag
    this.#varint(length)
  }

  #text(tag: number, text: Buffer): void {
    if (text.length === 0) return
    this.#frame(tag, text.length)
    this.#bytes.set(text, this.#at)
    this.#at += text.length
  }

  #number(tag: number, value: number): void {
    if (value === 0) return
    this.#bytes[this.#at++] = tag
    this.#varint(value)
  }

  #varint(value: number): void {
    let rest = value
    for (; rest > UINT32_MAX; rest = Math.floor(rest / MORE)) this.#bytes[this.#at++] = (rest % MORE) | MORE
    for (; rest >= MORE; rest >>>= VARINT_BITS) this.#bytes[this.#at++] = (rest & (MORE - 1)) | MORE
    this.#bytes[this.#at++] = rest
  }
}

/** Reads the framed entries of a part one after the other. */
export class EntryReader {
  readonly #bytes: Buffer
  #at = 0

  /** `part` is read, not kept longer than the reader and the entries that it gave. */
  constructor(part: Uint8Array) {
    this.#bytes = Buffer.from(part.buffer, part.byteOffset, part.byteLength)
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  /** Where the next entry begins. */
  get position(): number {
    return this.#at
  }

  /** Goes on behind an entry that was read by other means. */
  skipTo(position: number): void {
    this.#at = position
  }

  /** The next entry, if its bytes are exactly those that EntryWriter would write for it; else undefined, and nothing is consumed. */
  next(): EntryMessage | undefined {
    const start = this.#at
    const entry = this.#entry()
    if (entry === undefined) this.#at = start
    return entry
  }

  #entry(): EntryMessage | undefined {
    const length = this.#isTag(PATH) ? this.#varint(UINT32_MAX) : -1
    const end = this.#at + length
    if (length < 0 || end > this.#bytes.length) return undefined
    const path = this.#text(PATH, end)
    const type = this.#number(TYPE, INT32_MAX, end)
    const mode = this.#number(MODE, UINT32_MAX, end)
    const mtime = this.#number(MTIME_SECONDS, Number.MAX_SAFE_INTEGER, end)
    const mtimeNanos = this.#number(MTIME_NANOS, UINT32_MAX, end)
    const size = this.#number(SIZE, Number.MAX_SAFE_INTEGER, end)
    const target = this.#text(TARGET, end)
    if (path === undefined || target === undefined) return undefined
    if (type < 0 || mode < 0 || mtime < 0 || mtimeNanos < 0 || size < 0) return undefined
    const extents = this.#extents(end)
    // What is left is a field that nobody knows, or one that comes twice or too late.
    if (extents === undefined || this.#at !== end) return undefined
    return { path, type, mode, mtimeSeconds: unzigzag(mtime), mtimeNanos, size, target, extents }
  }

  #extents(end: number): Extent[] | undefined {
    const extents: Extent[] = []
    while (this.#at < end && this.#isTag(EXTENT)) {
      const bytes = this.#varint(UINT32_MAX)
      const extentEnd = this.#at + bytes
      if (bytes < 0 || extentEnd > end) return undefined
      const firstChunk = this.#number(FIRST_CHUNK, UINT32_MAX, extentEnd)
      const offset = this.#number(OFFSET, UINT32_MAX, extentEnd)
      const length = this.#number(LENGTH, Number.MAX_SAFE_INTEGER, extentEnd)
      if (firstChunk < 0 || offset < 0 || length < 0 || this.#at !== extentEnd) return undefined
      if (extents.push({ firstChunk, offset, length }) > EXTENTS_PER_FILE_MAX) return undefined
    }
    return extents
  }

  /** Consumes this tag if it comes next. */
  #isTag(tag: number): boolean {
    if (this.#bytes[this.#at] !== tag) return false
    this.#at++
    return true
  }

  /** Undefined: longer than what is left. Empty where the field is not there, and in no other way. */
  #text(tag: number, end: number): Buffer | undefined {
    if (this.#at >= end || !this.#isTag(tag)) return NOTHING
    const length = this.#varint(UINT32_MAX)
    if (length <= 0 || this.#at + length > end) return undefined
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  /** 0 where the field is not there, and in no other way; -1: not as we would write it. */
  #number(tag: number, max: number, end: number): number {
    if (this.#at >= end || !this.#isTag(tag)) return 0
    const value = this.#varint(max)
    return value === 0 || this.#at > end ? -1 : value
  }

  /** A number up to `max`, at most 2^53 - 1, in as few bytes as it needs; -1: it is not that. */
  #varint(max: number): number {
    let value = 0
    let unit = 1
    for (;;) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) return -1
      value += (byte & (MORE - 1)) * unit
      if (value > max) return -1
      if (byte < MORE) return byte === 0 && unit > 1 ? -1 : value
      if (unit === LAST_UNIT) return -1
      unit *= MORE
    }
  }
}

function extentBytes({ firstChunk, offset, length }: Extent): number {
  return fieldBytes(firstChunk) + fieldBytes(offset) + fieldBytes(length)
}

/** A number is not written when it is 0, nor is a text without bytes. */
function fieldBytes(value: number): number {
  return value === 0 ? 0 : 1 + varintBytes(value)
}

function textBytes(text: Buffer): number {
  return text.length === 0 ? 0 : framedBytes(text.length)
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let limit = MORE; value >= limit; limit *= MORE) bytes++
  return bytes
}

/** sint64: small numbers of either sign have few bytes. Exact below 2^52. */
function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}
