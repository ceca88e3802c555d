// Whether two directories are the same in everything that a snapshot holds. Independent of manifests and chunks, so that it
// can judge them.

import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises'
import { printablePath, STATE_DIRECTORY } from '../snapshot/paths.ts'

const READ_BYTES = 4 * 1024 * 1024

/** The first difference in words, or undefined. The state directory of either side is left out. */
export async function compareTrees(left: string, right: string, signal: AbortSignal): Promise<string | undefined> {
  const folders: Buffer[] = [Buffer.alloc(0)]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal.throwIfAborted()
    const names = await namesIn(left, folder)
    const others = await namesIn(right, folder)
    const known = new Set(others.map((name) => name.toString('latin1')))
    const missing = names.find((name) => !known.has(name.toString('latin1')))
    if (missing !== undefined) return `${printablePath(below(folder, missing))} is missing`
    if (others.length > names.length) return `${printablePath(folder)} has entries too many`
    for (const name of names) {
      const path = below(folder, name)
      const difference = await compareEntry(left, right, path, folders)
      if (difference !== undefined) return `${printablePath(path)}: ${difference}`
    }
  }
  return undefined
}

async function compareEntry(left: string, right: string, path: Buffer, folders: Buffer[]): Promise<string | undefined> {
  const a = full(left, path)
  const b = full(right, path)
  const [one, two] = await Promise.all([lstat(a, { bigint: true }), lstat(b, { bigint: true })])
  if (one.mode !== two.mode) return `mode ${one.mode.toString(8)} and ${two.mode.toString(8)}`
  if (one.mtimeNs !== two.mtimeNs) return `time ${one.mtimeNs} and ${two.mtimeNs}`
  if (one.isDirectory()) {
    folders.push(path)
    return undefined
  }
  if (one.isSymbolicLink()) {
    const targets = await Promise.all([readlink(a, { encoding: 'buffer' }), readlink(b, { encoding: 'buffer' })])
    return targets[0].equals(targets[1]) ? undefined : 'link target'
  }
  if (one.size !== two.size) return `size ${one.size} and ${two.size}`
  return (await sameContent(a, b)) ? undefined : 'content'
}

async function sameContent(a: Buffer, b: Buffer): Promise<boolean> {
  const files: FileHandle[] = []
  try {
    const one = await open(a)
    files.push(one)
    const two = await open(b)
    files.push(two)
    const buffers = [Buffer.allocUnsafeSlow(READ_BYTES), Buffer.allocUnsafeSlow(READ_BYTES)] as const
    for (;;) {
      const [x, y] = await Promise.all([
        one.read(buffers[0], 0, READ_BYTES, null),
        two.read(buffers[1], 0, READ_BYTES, null),
      ])
      if (x.bytesRead !== y.bytesRead) return false
      if (x.bytesRead === 0) return true
      if (!buffers[0].subarray(0, x.bytesRead).equals(buffers[1].subarray(0, y.bytesRead))) return false
    }
  } finally {
    for (const file of files) await file.close()
  }
}

async function namesIn(root: string, folder: Buffer): Promise<Buffer[]> {
  const names = await readdir(full(root, folder), { encoding: 'buffer' })
  return names.filter((name) => folder.length > 0 || name.toString('latin1') !== STATE_DIRECTORY)
}

function below(folder: Buffer, name: Buffer): Buffer {
  return folder.length === 0 ? name : Buffer.concat([folder, Buffer.from('/'), name])
}

function full(root: string, path: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), path])
}
