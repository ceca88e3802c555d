// Walks a directory in the byte order of the keys that its files stand for, reading only folders that can hold the
// keys asked for.

import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { systemErrorCode } from '../base/errors.ts'
import { compareKeys, isStoreKey } from './keys.ts'

/** Holds files that are being written; never listed, and no key may start with it. */
export const TEMPORARY_FOLDER = '.tmp'

/** Keys below `directory` that start with `prefix` and come after `after`, ascending. Reads folders as it goes. */
export async function* listFiles(directory: string, prefix: string, after?: string): AsyncGenerator<string> {
  yield* walk(directory, prefix.slice(0, prefix.lastIndexOf('/') + 1), { prefix, after: after ?? '' })
}

/** Whether any key starts with `prefix`. Stops at the first. */
export async function someFileBelow(directory: string, prefix: string): Promise<boolean> {
  for await (const _ of listFiles(directory, prefix)) return true
  return false
}

/** `folder` is the key of the folder to read: empty, or ending in a slash. */
async function* walk(
  directory: string,
  folder: string,
  wanted: { readonly prefix: string; readonly after: string },
): AsyncGenerator<string> {
  // A folder sorts by its name with the slash that its keys have: `a-b` comes before `a/b`.
  const names = (await readFolder(join(directory, folder)))
    .filter((entry) => isStoreKey(entry.name) && (entry.isFile() || entry.isDirectory()))
    .map((entry) => folder + entry.name + (entry.isDirectory() ? '/' : ''))
    .sort(compareKeys)
  for (const name of names) {
    if (name === `${TEMPORARY_FOLDER}/`) continue
    if (!name.endsWith('/')) {
      if (name.startsWith(wanted.prefix) && name > wanted.after) yield name
    } else if (mayHold(name, wanted.prefix) && endsAfter(name, wanted.after)) {
      yield* walk(directory, name, wanted)
    }
  }
}

function mayHold(folder: string, prefix: string): boolean {
  return folder.startsWith(prefix) || prefix.startsWith(folder)
}

/** Whether the folder's last possible key comes after `after`. */
function endsAfter(folder: string, after: string): boolean {
  return folder > after || after.startsWith(folder)
}

async function readFolder(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true })
  } catch (error) {
    // Absent, or a file where the prefix names a folder: no keys.
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return []
    throw error
  }
}
