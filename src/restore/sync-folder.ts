// One sync for everything in a file system.

import { open } from 'node:fs/promises'
import type { FileSystemCalls } from '../codec/codec.ts'

/** Writes what is cached of the file system that holds `path`, a folder, to its disk. */
export async function syncFolder(calls: FileSystemCalls, path: string): Promise<void> {
  const folder = await open(path)
  try {
    await calls.syncFileSystem(folder.fd)
  } finally {
    await folder.close()
  }
}
