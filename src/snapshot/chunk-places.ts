// The manifest read the other way: for each chunk, every file place that its raw bytes belong to.
// Columns in compressed-row form; 20 bytes a place.

import { CHUNK_BYTES_MAX } from './limits.ts'
import { type Manifest, slicesOf } from './manifest.ts'

/** More than any length, so that a raw offset and a length fit one number. */
const KEY_UNIT = 2 * CHUNK_BYTES_MAX

/** One place of a chunk's bytes. */
export interface Place {
  /** Number of this place among all places of the snapshot, from 0. */
  readonly row: number
  /** Index in the entry table. */
  readonly entry: number
  readonly fileOffset: number
  readonly rawOffset: number
  readonly length: number
}

export class ChunkPlaces {
  readonly #starts: Uint32Array
  readonly #entries: Uint32Array
  readonly #fileOffsets: Float64Array
  readonly #rawOffsets: Uint32Array
  readonly #lengths: Uint32Array

  constructor(manifest: Manifest) {
    const { chunks, entries } = manifest
    const rawBytesOf = (chunk: number): number => chunks.rawBytes(chunk)
    this.#starts = new Uint32Array(chunks.count + 1)
    for (let entry = 0; entry < entries.count; entry++) {
      for (const slice of slicesOf(entries.extents(entry), rawBytesOf)) bump(this.#starts, slice.chunk + 1)
    }
    for (let chunk = 0; chunk < chunks.count; chunk++) bump(this.#starts, chunk + 1, this.#starts[chunk])
    const total = this.#starts[chunks.count] ?? 0
    this.#entries = new Uint32Array(total)
    this.#fileOffsets = new Float64Array(total)
    this.#rawOffsets = new Uint32Array(total)
    this.#lengths = new Uint32Array(total)
    const next = this.#starts.slice()
    for (let entry = 0; entry < entries.count; entry++) {
      for (const slice of slicesOf(entries.extents(entry), rawBytesOf)) {
        const row = next[slice.chunk] ?? 0
        next[slice.chunk] = row + 1
        this.#entries[row] = entry
        this.#fileOffsets[row] = slice.fileOffset
        this.#rawOffsets[row] = slice.rawOffset
        this.#lengths[row] = slice.length
      }
    }
  }

  /** Number of places of all chunks together. */
  get total(): number {
    return this.#entries.length
  }

  /** Number of places of a chunk, at least 1 in a valid manifest. */
  count(chunk: number): number {
    return (this.#starts[chunk + 1] ?? 0) - (this.#starts[chunk] ?? 0)
  }

  /** Bytes of all places of a chunk together: what its arrival adds to the tree. */
  bytes(chunk: number): number {
    let bytes = 0
    for (let row = this.#starts[chunk] ?? 0; row < (this.#starts[chunk + 1] ?? 0); row++) {
      bytes += this.#lengths[row] ?? 0
    }
    return bytes
  }

  /** In path order. */
  of(chunk: number): Place[] {
    const places: Place[] = []
    for (let row = this.#starts[chunk] ?? 0; row < (this.#starts[chunk + 1] ?? 0); row++) {
      places.push(this.#place(row))
    }
    return places
  }

  /** Whether every raw byte of the chunk lies in some file. */
  isCovered(chunk: number, rawBytes: number): boolean {
    return this.#findWhole(chunk, rawBytes) !== undefined || this.#findCover(chunk, rawBytes) !== undefined
  }

  /**
   * Places that cover the chunk's raw bytes once, in raw order: enough to read the chunk back from files.
   * Undefined when some byte lies in no file, which the manifest's checks refuse.
   */
  covering(chunk: number, rawBytes: number): Place[] | undefined {
    const whole = this.#findWhole(chunk, rawBytes)
    if (whole !== undefined) return [this.#place(whole)]
    const keys = this.#findCover(chunk, rawBytes)
    if (keys === undefined) return undefined
    const cover: Place[] = []
    let reached = 0
    for (const row of this.#firstRows(chunk, keys)) {
      const place = this.#place(row)
      const skip = reached - place.rawOffset
      cover.push({
        row,
        entry: place.entry,
        fileOffset: place.fileOffset + skip,
        rawOffset: reached,
        length: place.length - skip,
      })
      reached = place.rawOffset + place.length
    }
    return cover
  }

  /** First row that holds the whole chunk. */
  #findWhole(chunk: number, rawBytes: number): number | undefined {
    for (let row = this.#starts[chunk] ?? 0; row < (this.#starts[chunk + 1] ?? 0); row++) {
      if (this.#lengths[row] === rawBytes) return row
    }
    return undefined
  }

  /**
   * Keys of rows that cover the chunk, ascending. Numbers are sorted instead of rows because one chunk of a hostile
   * manifest may have PLACES_MAX places, and typed arrays sort those in a second or two.
   */
  #findCover(chunk: number, rawBytes: number): Float64Array | undefined {
    const first = this.#starts[chunk] ?? 0
    const keys = new Float64Array(this.count(chunk))
    for (let index = 0; index < keys.length; index++) keys[index] = this.#key(first + index)
    keys.sort()
    let count = 0
    let reached = 0
    for (const key of keys) {
      const rawOffset = Math.floor(key / KEY_UNIT)
      const end = rawOffset + KEY_UNIT - (key % KEY_UNIT)
      if (end <= reached) continue
      if (rawOffset > reached) return undefined
      keys[count++] = key
      reached = end
    }
    return reached === rawBytes ? keys.subarray(0, count) : undefined
  }

  /** For each key the first row in path order that has it. */
  #firstRows(chunk: number, keys: Float64Array): Uint32Array {
    const rows = new Uint32Array(keys.length)
    for (let row = (this.#starts[chunk + 1] ?? 0) - 1; row >= (this.#starts[chunk] ?? 0); row--) {
      const position = findSorted(keys, this.#key(row))
      if (position !== undefined) rows[position] = row
    }
    return rows
  }

  /** Orders rows by raw offset, then by falling length. An integer below 2^49. */
  #key(row: number): number {
    return (this.#rawOffsets[row] ?? 0) * KEY_UNIT + KEY_UNIT - (this.#lengths[row] ?? 0)
  }

  #place(row: number): Place {
    return {
      row,
      entry: this.#entries[row] ?? 0,
      fileOffset: this.#fileOffsets[row] ?? 0,
      rawOffset: this.#rawOffsets[row] ?? 0,
      length: this.#lengths[row] ?? 0,
    }
  }
}

function findSorted(values: Float64Array, value: number): number | undefined {
  let first = 0
  let end = values.length
  while (first < end) {
    const middle = (first + end) >>> 1
    if ((values[middle] ?? 0) < value) first = middle + 1
    else end = middle
  }
  return values[first] === value ? first : undefined
}

function bump(counts: Uint32Array, index: number, by = 1): void {
  counts[index] = (counts[index] ?? 0) + by
}
