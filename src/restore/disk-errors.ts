// System errors of the destination's file system as errors that a person can act on.

import { describeError, isSwarmError, SwarmError, systemErrorCode } from '../base/errors.ts'

const FULL = new Set(['ENOSPC', 'EDQUOT'])
const MISPLACED = new Set(['ENOTDIR', 'EEXIST', 'ENOENT'])
const REFUSED = new Set(['EACCES', 'EPERM', 'EROFS'])

/** `doing` names the action and the path, for example `writing /data/a.bin`. SwarmErrors pass through. */
export function diskError(doing: string, cause: unknown): SwarmError {
  if (isSwarmError(cause)) return cause
  const code = systemErrorCode(cause) ?? ''
  const message = `${doing}: ${describeError(cause)}`
  if (FULL.has(code)) {
    return new SwarmError('diskFull', message, {
      cure: 'free some space and run the same command again: it resumes',
      cause,
    })
  }
  if (REFUSED.has(code)) {
    return new SwarmError('diskPermission', message, { cure: 'choose a directory that this user may write to', cause })
  }
  if (MISPLACED.has(code)) {
    return new SwarmError('diskFailed', message, { cure: 'choose another directory: none can be made there', cause })
  }
  return new SwarmError('diskFailed', message, {
    cure: 'check the disk and its mount, then run the same command again',
    cause,
  })
}
