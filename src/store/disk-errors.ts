// What a failed system call on a `file://` store means, and what to do about it.

import { describeError, SwarmError, systemErrorCode } from '../base/errors.ts'

/** `doing` is what was tried, such as `write chunks/ab/abcd in file:///store`; a reader may find nothing there. */
export function translateDiskError(error: unknown, doing: string, access: 'reading' | 'writing'): SwarmError {
  if (error instanceof SwarmError) return error
  const code = systemErrorCode(error) ?? ''
  const message = `${doing}: ${describeError(error)}`
  const init = { cause: error, details: { systemCode: code } }
  if (failedCall(error) === 'link' && ['EPERM', 'ENOTSUP', 'EMLINK'].includes(code)) {
    const cure = 'the store needs a file system with hard links; use another directory or an s3:// store'
    return new SwarmError('diskPermission', message, { ...init, cure })
  }
  if (access === 'reading' && ['ENOENT', 'ENOTDIR'].includes(code)) {
    return new SwarmError('objectNotFound', `${doing}: no such object`, { ...init, blame: 'origin' })
  }
  switch (code) {
    case 'ENOSPC':
      return new SwarmError('diskFull', message, { ...init, cure: 'free space on the file system of the store' })
    case 'EDQUOT':
      return new SwarmError('diskFull', message, { ...init, cure: 'raise the quota or delete files that count to it' })
    case 'EACCES':
    case 'EPERM':
      return new SwarmError('diskPermission', message, {
        ...init,
        cure: "correct the owner or mode of the store's files",
      })
    case 'EROFS':
      return new SwarmError('diskPermission', message, { ...init, cure: 'mount the file system of the store writable' })
    case 'EEXIST':
    case 'EISDIR':
    case 'ENOTDIR':
    case 'ENOTEMPTY':
      return new SwarmError('diskFailed', `${message} (a key cannot be an object and a folder at once)`, init)
    default:
      return new SwarmError('diskFailed', message, { ...init, retry: code === 'EMFILE' || code === 'ENFILE' })
  }
}

/** The system call that failed. */
function failedCall(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('syscall' in error)) return undefined
  return typeof error.syscall === 'string' ? error.syscall : undefined
}
