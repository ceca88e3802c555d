// Reads parts of files through a pool of descriptors: a few files at a time, however many a chunk is made of.

import type { Codec, RestoreRange } from '../codec/codec.ts'
import type { Place } from '../snapshot/chunk-places.ts'
import type { FilePool } from './file-pool.ts'
import { OPEN_FILES_MAX } from './limits.ts'

type Part = Omit<Place, 'row'>

/** Files that one reader has open at the same time: half, so that two can read. */
export const FILES_AT_ONCE = OPEN_FILES_MAX / 2

/** Does something with open files, and gives their descriptors back. Throws what the pool throws. */
export async function withDescriptors<Result>(
  parts: readonly Part[],
  files: FilePool,
  work: (ranges: readonly RestoreRange[]) => Promise<Result>,
): Promise<Result> {
  const pinned: number[] = []
  try {
    const ranges = []
    for (const { entry, fileOffset, length, rawOffset } of parts) {
      const fd = await files.pin(entry)
      pinned.push(entry)
      ranges.push({ fd, offset: fileOffset, length, rawOffset })
    }
    return await work(ranges)
  } finally {
    for (const entry of pinned) files.unpin(entry)
  }
}

/** Fills `raw` with the parts' bytes, one after the other. Throws what the pool and the codec's read throw. */
export async function readPlaces(
  parts: readonly Part[],
  raw: Uint8Array,
  files: FilePool,
  codec: Codec,
): Promise<void> {
  for (let first = 0, done = 0; first < parts.length; first += FILES_AT_ONCE) {
    const batch = parts.slice(first, first + FILES_AT_ONCE)
    const bytes = batch.reduce((sum, { length }) => sum + length, 0)
    await withDescriptors(batch, files, (ranges) => codec.read(ranges, raw.subarray(done, done + bytes)))
    done += bytes
  }
}
