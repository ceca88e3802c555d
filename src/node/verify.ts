// Compares a directory with a snapshot: every entry's type, mode, time and target, every file's bytes by chunk hash.

import type { BigIntStats } from 'node:fs'
import { type FileHandle, lstat, open, readlink } from 'node:fs/promises'
import { systemErrorCode } from '../base/errors.ts'
import { hashToId } from '../base/hash.ts'
import { SlabPool } from '../base/slab-pool.ts'
import { chunkMemory } from '../codec/chunk-memory.ts'
import type { Codec } from '../codec/codec.ts'
import { forEachBounded } from '../restore/bounded.ts'
import { READ_NO_FOLLOW } from '../restore/destination.ts'
import { FilePool } from '../restore/file-pool.ts'
import { OPEN_FILES_MAX } from '../restore/limits.ts'
import { readPlaces } from '../restore/read-places.ts'
import type { Entry } from '../snapshot/manifest.ts'
import { printablePath } from '../snapshot/paths.ts'
import { MEMORY_BYTES_DEFAULT } from './limits.ts'
import type { LoadedManifest } from './manifest-objects.ts'

export interface Difference {
  readonly path: string
  readonly problem: 'missing' | 'type' | 'size' | 'content' | 'mode' | 'time' | 'target' | 'unreadable'
}

export interface VerifyInit {
  readonly manifest: LoadedManifest
  readonly directory: string
  readonly codec: Codec
  readonly onProgress: (rawBytesDone: number) => void
  readonly signal: AbortSignal
}

const PERMISSION_BITS = 0o777n

/** In path order; empty when the directory holds the snapshot exactly. Extra files are not looked for. */
export async function verifyTree(init: VerifyInit): Promise<Difference[]> {
  const { entries } = init.manifest
  const problems = new Map<number, Difference['problem']>()
  for (let index = 0; index < entries.count; index++) {
    init.signal.throwIfAborted()
    const problem = await checkEntry(init.directory, entries.get(index))
    if (problem !== undefined) problems.set(index, problem)
  }
  for (const index of await wrongContent(init, problems)) if (!problems.has(index)) problems.set(index, 'content')
  return [...problems]
    .sort(([a], [b]) => a - b)
    .map(([index, problem]) => ({ path: printablePath(entries.path(index)), problem }))
}

async function checkEntry(directory: string, entry: Entry): Promise<Difference['problem'] | undefined> {
  const path = Buffer.concat([Buffer.from(`${directory}/`), entry.path])
  let found: BigIntStats
  try {
    found = await lstat(path, { bigint: true })
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '') ? 'missing' : 'unreadable'
  }
  const type = found.isFile()
    ? 'file'
    : found.isDirectory()
      ? 'directory'
      : found.isSymbolicLink()
        ? 'symlink'
        : 'other'
  if (type !== entry.type) return 'type'
  if (type === 'file' && found.size !== BigInt(entry.size)) return 'size'
  if (type === 'symlink') {
    return (await readlink(path, { encoding: 'buffer' })).equals(entry.target) ? undefined : 'target'
  }
  if ((found.mode & PERMISSION_BITS) !== (BigInt(entry.mode) & PERMISSION_BITS)) return 'mode'
  return found.mtimeNs === BigInt(entry.mtimeSeconds) * 1_000_000_000n + BigInt(entry.mtimeNanos) ? undefined : 'time'
}

/** Entries with a chunk whose raw bytes are not what the manifest says. Each place of each chunk is read. */
async function wrongContent(init: VerifyInit, skipped: ReadonlyMap<number, string>): Promise<Set<number>> {
  const { manifest, codec, directory } = init
  const { chunks, entries, places } = manifest
  const slabs = new SlabPool(MEMORY_BYTES_DEFAULT / 4, chunkMemory())
  const wrong = new Set<number>()
  const unreadable = new Set<string>(['missing', 'type', 'size', 'unreadable'])
  const isSkipped = (entry: number): boolean => unreadable.has(skipped.get(entry) ?? '')
  const files = new FilePool(
    OPEN_FILES_MAX,
    (entry): Promise<FileHandle> =>
      open(Buffer.concat([Buffer.from(`${directory}/`), entries.path(entry)]), READ_NO_FOLLOW),
  )
  let done = 0
  const indexes = Array.from({ length: chunks.count }, (_, chunk) => chunk)
  await forEachBounded(indexes, codec.status.threads + 1, async (chunk) => {
    init.signal.throwIfAborted()
    const raw = slabs.take(chunks.rawBytes(chunk))
    const cover = places.covering(chunk, chunks.rawBytes(chunk)) ?? []
    try {
      if (cover.some(({ entry }) => isSkipped(entry))) return
      await readPlaces(cover, raw.bytes, files, codec)
      if (hashToId(raw.bytes) !== chunks.rawHash(chunk)) for (const { entry } of cover) wrong.add(entry)
    } catch (error) {
      if (init.signal.aborted) throw error
      // Whatever cannot be read now could be read a moment ago.
      for (const { entry } of cover) wrong.add(entry)
    } finally {
      raw.release()
      done += chunks.rawBytes(chunk)
      init.onProgress(done)
    }
  })
  await files.closeAll()
  return wrong
}
