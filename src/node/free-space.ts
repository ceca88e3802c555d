// Whether a snapshot fits before the first byte is fetched.

import { statfs } from 'node:fs/promises'
import { SwarmError } from '../base/errors.ts'
import { diskError } from '../restore/disk-errors.ts'
import { FREE_SPACE_RESERVE_BYTES } from '../restore/limits.ts'

/** Throws `diskFull` with both numbers. `bytes` is what still has to be written. */
export async function checkFreeSpace(path: string, bytes: number): Promise<void> {
  let free: number
  try {
    const { bavail, bsize } = await statfs(path)
    free = bavail * bsize
  } catch (cause) {
    throw diskError(`asking for the free space of ${path}`, cause)
  }
  if (free >= bytes + FREE_SPACE_RESERVE_BYTES) return
  throw new SwarmError('diskFull', `${path} needs ${bytes} bytes more and has ${free} free`, {
    cure: 'free some space or choose another directory',
    details: { needed: bytes, free },
  })
}
