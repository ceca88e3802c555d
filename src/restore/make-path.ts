// A directory with all its parents, as `mkdir -p` makes them.

import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemErrorCode } from '../base/errors.ts'

/**
 * Throws system errors. Not Node's own recursive mkdir: that never ends below a directory such as /proc, which is there
 * and yet answers ENOENT.
 */
export async function makePath(path: string): Promise<void> {
  if ((await makeOne(path)) === 'made') return
  await makePath(dirname(path))
  if ((await makeOne(path)) === 'made') return
  throw Object.assign(new Error(`no directory can be made at ${path}`), { code: 'ENOENT' })
}

async function makeOne(path: string): Promise<'made' | 'parentMissing'> {
  try {
    await mkdir(path)
    return 'made'
  } catch (cause) {
    const code = systemErrorCode(cause)
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return 'made'
    if (code !== 'ENOENT' || dirname(path) === path) throw cause
    return 'parentMissing'
  }
}
