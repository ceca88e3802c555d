// How fast does a directory take what a restore writes: large files in pieces of a chunk, and small files in packs, both as
// a join does it and as a program does that writes file by file with node:fs. Removes what it made.

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FileSystemCalls, WrittenPart } from '../codec/codec.ts'
import { forEachBounded, inOneGo } from '../restore/bounded.ts'
import { diskError } from '../restore/disk-errors.ts'
import { syncFolder } from '../restore/sync-folder.ts'
import { checkFreeSpace } from './free-space.ts'
import { CHUNK_BYTES_DEFAULT } from './limits.ts'

export interface DiskRow {
  readonly files: 'large' | 'small'
  readonly writer: 'swarm' | 'node:fs'
  /** 10^6 bytes per second, until all of it is on the disk. */
  readonly MBps: number
  readonly filesPerSecond: number
  readonly seconds: number
}

export interface BenchDiskInit {
  readonly calls: FileSystemCalls
  /** Exists. */
  readonly directory: string
  /** Of the large file, a multiple of 8 MiB. */
  readonly bytes: number
  /** How many small files. */
  readonly count: number
  readonly found: (row: DiskRow) => void
  readonly signal: AbortSignal
}

export const DISK_PIECE_BYTES = CHUNK_BYTES_DEFAULT
const SMALL_FILE_BYTES = 2048
const FILES_PER_PACK = DISK_PIECE_BYTES / SMALL_FILE_BYTES
/** Writes at the same time. */
const TOGETHER = 4
const FILES_TOGETHER = 64

/** Throws `diskFull`, `diskPermission` or `diskFailed`. */
export async function benchDisk(init: BenchDiskInit): Promise<void> {
  const { directory, bytes, count } = init
  await checkFreeSpace(directory, 2 * (bytes + count * SMALL_FILE_BYTES))
  let folder: string
  try {
    folder = await mkdtemp(join(directory, '.swarm-bench-'))
  } catch (cause) {
    throw diskError(`writing to ${directory}`, cause)
  }
  try {
    for (const [files, writer, write] of WAYS) await measure(init, folder, files, writer, write)
  } catch (cause) {
    init.signal.throwIfAborted()
    throw diskError(`writing to ${folder}`, cause)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

type Write = (init: BenchDiskInit, folder: string, piece: Buffer) => Promise<void>

const WAYS: readonly (readonly [files: DiskRow['files'], writer: DiskRow['writer'], write: Write])[] = [
  ['large', 'swarm', largeAsAJoin],
  ['large', 'node:fs', largeByNode],
  ['small', 'swarm', smallAsAJoin],
  ['small', 'node:fs', smallByNode],
]

async function measure(
  init: BenchDiskInit,
  parent: string,
  files: DiskRow['files'],
  writer: DiskRow['writer'],
  write: Write,
): Promise<void> {
  init.signal.throwIfAborted()
  const [bytes, count] = files === 'large' ? [init.bytes, 1] : [init.count * SMALL_FILE_BYTES, init.count]
  const folder = join(parent, `${files}-${writer.replace(':', '-')}`)
  await mkdir(folder)
  // Nothing can be saved by looking at the bytes.
  const piece = randomBytes(DISK_PIECE_BYTES)
  const began = performance.now()
  await write(init, folder, piece)
  await syncFolder(init.calls, folder)
  const seconds = (performance.now() - began) / 1000
  init.found({ files, writer, MBps: bytes / 1e6 / seconds, filesPerSecond: count / seconds, seconds })
}

async function largeAsAJoin({ calls, bytes, signal }: BenchDiskInit, folder: string, piece: Buffer): Promise<void> {
  const path = Buffer.from(join(folder, 'large'))
  const offsets = Array.from({ length: bytes / DISK_PIECE_BYTES }, (_, index) => index * DISK_PIECE_BYTES)
  await forEachBounded(offsets, TOGETHER, async (offset) => {
    signal.throwIfAborted()
    await writeAll(calls, [{ path, offset, rawOffset: 0, length: piece.length }], piece)
  })
}

async function largeByNode({ bytes, signal }: BenchDiskInit, folder: string, piece: Buffer): Promise<void> {
  const file = await open(join(folder, 'large'), 'w')
  try {
    for (let offset = 0; offset < bytes; offset += piece.length) {
      signal.throwIfAborted()
      await file.write(piece, 0, piece.length, offset)
    }
  } finally {
    await file.close()
  }
}

async function smallAsAJoin({ calls, count, signal }: BenchDiskInit, folder: string, piece: Buffer): Promise<void> {
  const packs: WrittenPart[][] = []
  for (let first = 0; first < count; first += FILES_PER_PACK)
    packs.push(
      Array.from({ length: Math.min(FILES_PER_PACK, count - first) }, (_, index) => ({
        path: Buffer.from(join(folder, `small-${first + index}`)),
        offset: 0,
        rawOffset: index * SMALL_FILE_BYTES,
        length: SMALL_FILE_BYTES,
      })),
    )
  await forEachBounded(packs, TOGETHER, async (parts) => {
    signal.throwIfAborted()
    await writeAll(calls, parts, piece)
  })
}

async function smallByNode({ count, signal }: BenchDiskInit, folder: string, piece: Buffer): Promise<void> {
  const indexes = Array.from({ length: count }, (_, index) => index)
  await forEachBounded(indexes, FILES_TOGETHER, async (index) => {
    signal.throwIfAborted()
    const at = (index % FILES_PER_PACK) * SMALL_FILE_BYTES
    await writeFile(join(folder, `small-${index}`), piece.subarray(at, at + SMALL_FILE_BYTES))
  })
}

async function writeAll(calls: FileSystemCalls, parts: readonly WrittenPart[], piece: Buffer): Promise<void> {
  await inOneGo(
    parts,
    (rest) => calls.writeFiles(rest, piece),
    async ({ path, rawOffset, length, offset }) => {
      const file = await open(Buffer.from(path), constants.O_WRONLY | constants.O_CREAT, 0o600)
      try {
        await file.write(piece, rawOffset, length, offset)
      } finally {
        await file.close()
      }
    },
  )
}
