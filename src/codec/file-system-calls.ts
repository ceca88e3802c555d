// The addon's system calls on files, with errors that say what was being done.

import { getSystemErrorName } from 'node:util'
import { SwarmError } from '../base/errors.ts'
import type { FileSystemCalls, FileTime, Listed } from './codec.ts'
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
    async readFiles(parts, raw) {
      const rows = parts.map(({ offset, length, listed }) =>
        listed === undefined
          ? [offset, length, ANY_SIZE, 0, 0, 0, 0]
          : [offset, length, listed.size, ...numbersOf(listed.changed), ...numbersOf(listed.modified)],
      )
      const paths = parts.map(({ path }) => path)
      return failedRow(await addon.readFiles(joinPaths(paths), Float64Array.from(rows.flat()), raw))
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
/** For a file that was not listed. */
const ANY_SIZE = -1

function parseListing(names: Buffer, numbers: Float64Array): Listed[] {
  const listed: Listed[] = []
  for (let start = 0, at = 0; start < names.length; at += LISTED_FIELDS) {
    const end = names.indexOf(0, start)
    const [mode = 0, size = 0, seconds = 0, nanos = 0, changedSeconds = 0, changedNanos = 0] = numbers.subarray(at)
    listed.push({
      name: names.subarray(start, end),
      mode,
      size,
      modified: { seconds, nanos },
      changed: { seconds: changedSeconds, nanos: changedNanos },
    })
    start = end + 1
  }
  return listed
}

/** One after the other, each ended by a zero byte. */
function joinPaths(paths: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(paths.flatMap((path) => [path, ZERO]))
}

const ZERO = Buffer.alloc(1)

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
