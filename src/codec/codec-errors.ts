// Turns the addon's status numbers into SwarmErrors: which code, who is to blame, and what was being done.

import { getSystemErrorName } from 'node:util'
import { type ErrorCode, SwarmError } from '../base/errors.ts'
import type { JobResult } from './load-addon.ts'

const DISK_FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])
const DISK_PERMISSION = new Set(['EACCES', 'EPERM', 'EROFS'])

const DISK_CURES: Readonly<Partial<Record<ErrorCode, string>>> = {
  diskFull: 'free some space or raise the quota, then run the same command again',
  diskPermission: 'check who may write there and whether it is mounted read-only',
}

/** A chunk that breaks a rule of the format. `rule` is the rule's name in protocols/chunk.md. */
export function brokenRule(doing: string, rule: string): SwarmError {
  const meaning =
    rule === 'version' ? 'its format version is one that this program does not read' : 'it is no valid chunk'
  return new SwarmError('integrity', `${doing}: ${meaning} (rule ${rule})`, { blame: 'peer', details: { rule } })
}

/** The error of a job that did not end well. `doing` says what was being done to what. */
export function jobError(doing: string, statusName: string, result: JobResult): SwarmError {
  const { rangeIndex } = result
  switch (statusName) {
    case 'readFailed':
    case 'writeFailed':
      return diskError(doing, result.error, rangeIndex)
    case 'shortRead':
      return new SwarmError('sourceChanged', `${doing}: a file is shorter than it was (range ${rangeIndex})`, {
        cure: 'run the push again when nothing writes to the directory',
        details: { rangeIndex },
      })
    case 'outOfMemory':
      return new SwarmError('internal', `${doing}: out of memory`, { cure: 'lower --memory', retry: true })
    case 'outputSize':
      return new SwarmError('integrity', `${doing}: its raw size is not the expected one`, {
        blame: 'peer',
        details: { rule: statusName },
      })
    default:
      return brokenRule(doing, statusName)
  }
}

function diskError(doing: string, errno: number, rangeIndex: number): SwarmError {
  const name = getSystemErrorName(-errno)
  const code = DISK_FULL.has(name) ? 'diskFull' : DISK_PERMISSION.has(name) ? 'diskPermission' : 'diskFailed'
  return new SwarmError(code, `${doing}: ${name} (range ${rangeIndex})`, {
    cure: DISK_CURES[code] ?? 'check the disk (dmesg, smartctl)',
    details: { errno: name, rangeIndex },
  })
}
