// The addon's system calls on files, with errors that say what was being done.

import { getSystemErrorName } from 'node:util'
import { SwarmError } from '../base/errors.ts'
import type { FileSystemCalls } from './codec.ts'
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
  }
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
