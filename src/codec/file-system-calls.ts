// The addon's system calls on files, with errors that say what was being done.

import { getSystemErrorName } from 'node:util'
import { SwarmError } from '../base/errors.ts'
import type { FileSystemCalls, FileTime, Listed, ReadPart } from './codec.ts'
import { loadAddon } from './load-addon.ts'

const REFUSED = new Set(['EACCES', 'EPERM', 'EROFS'])

/** Throws `internal` when the addon is missing. */
export function openFileSystemCalls(): FileSystemCalls {
  const addon = loadAddon()
  return {
    setModifiedTime(path, seconds, nanos) {
      const error = addon.setModifiedTime(path, seconds, nanos)
      if (error !== 0) throw failure(`setting the time of ${Buffer.from(path).toString('utf8')}`, error)
    },
    async syncFileSystem(fd) {
      const error = await addon.syncFileSystem(fd)
      if (error !== 0) throw failure('syncing the file system', error)
    },
    async readFiles(parts, raw, above = NOTHING) {
      const paths = parts.map(({ path }) => path)
      return failedRow(await addon.readFiles(joinPaths(paths, above), readRows(parts), raw))
    },
    async writeFiles(parts, raw) {
      const rows = parts.map(({ offset, rawOffset, length }) => [offset, rawOffset, length])
      const paths = parts.map(({ path }) => path)
      return failedRow(await addon.writeFiles(joinPaths(paths), Float64Array.from(rows.flat()), raw))
    },
    async moveFiles(moves) {
      const rows = moves.map(({ mode, modified }) => [mode, ...numbersOf(modified)])
      const paths = moves.flatMap(({ from, to }) => [from, to])
      return failedRow(await addon.moveFiles(joinPaths(paths), Float64Array.from(rows.flat())))
    },
    async listFolder(path) {
      const [error, names, numbers] = await addon.listFolder(path)
      if (error !== 0) throw systemError(error)
      return parseListing(names, numbers)
    },
  }
}

const LISTED_FIELDS = 6
const READ_FIELDS = 7
/** For a file that was not listed. */
const ANY_SIZE = -1
const NOTHING = Buffer.alloc(0)

function parseListing(names: Buffer, numbers: Float64Array): Listed[] {
  const listed: Listed[] = []
  for (let start = 0, at = 0; start < names.length; at += LISTED_FIELDS) {
    const end = names.indexOf(0, start)
    listed.push({
      name: names.subarray(start, end),
      mode: numbers[at] ?? 0,
      size: numbers[at + 1] ?? 0,
      modified: { seconds: numbers[at + 2] ?? 0, nanos: numbers[at + 3] ?? 0 },
      changed: { seconds: numbers[at + 4] ?? 0, nanos: numbers[at + 5] ?? 0 },
    })
    start = end + 1
  }
  return listed
}

function readRows(parts: readonly ReadPart[]): Float64Array {
  const rows = new Float64Array(parts.length * READ_FIELDS)
  let at = 0
  for (const { offset, length, listed } of parts) {
    rows[at] = offset
    rows[at + 1] = length
    rows[at + 2] = listed?.size ?? ANY_SIZE
    rows[at + 3] = listed?.changed.seconds ?? 0
    rows[at + 4] = listed?.changed.nanos ?? 0
    rows[at + 5] = listed?.modified.seconds ?? 0
    rows[at + 6] = listed?.modified.nanos ?? 0
    at += READ_FIELDS
  }
  return rows
}

/** One after the other, each behind `above` and ended by a zero byte. */
function joinPaths(paths: readonly Uint8Array[], above: Uint8Array = NOTHING): Uint8Array {
  let bytes = 0
  for (const path of paths) bytes += above.length + path.length + 1
  const joined = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const path of paths) {
    joined.set(above, at)
    joined.set(path, at + above.length)
    at += above.length + path.length
    joined[at++] = 0
  }
  return joined
}

function numbersOf({ seconds, nanos }: FileTime): number[] {
  return [seconds, nanos]
}

function failedRow([row]: readonly [number, number]): number | undefined {
  return row < 0 ? undefined : row
}

function systemError(errno: number): Error {
  const code = getSystemErrorName(-errno)
  return Object.assign(new Error(code), { code })
}

function failure(doing: string, errno: number): SwarmError {
  const name = getSystemErrorName(-errno)
  if (REFUSED.has(name)) {
    return new SwarmError('diskPermission', `${doing}: ${name}`, {
      cure: 'choose a directory whose files belong to this user',
    })
  }
  return new SwarmError('diskFailed', `${doing}: ${name}`, {
    cure: 'check the disk and its mount, then run this again',
  })
}
