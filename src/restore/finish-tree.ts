// The last step of a restore: what needs no chunk. Empty files, symbolic links, directories; then, on request, removal of
// what the snapshot does not hold.

import { type FileHandle, lstat, readdir, rm } from 'node:fs/promises'
import { Bitfield } from '../base/bitfield.ts'
import type { ChunkPlaces } from '../snapshot/chunk-places.ts'
import type { Manifest } from '../snapshot/manifest.ts'
import { printablePath, STATE_DIRECTORY } from '../snapshot/paths.ts'
import type { Destination } from './destination.ts'
import { diskError } from './disk-errors.ts'
import type { TreeWriter } from './tree-writer.ts'

/** Makes every directory, so that a tree of only empty directories exists as well. */
export async function makeDirectories(manifest: Manifest, destination: Destination): Promise<void> {
  for (let index = 0; index < manifest.entries.count; index++) {
    if (manifest.entries.type(index) === 'directory') await destination.makeDirectory(manifest.entries.path(index))
  }
}

/** Makes the empty files among `which` under their final names; those that are finished stay as they are. */
export async function makeEmptyFiles(
  manifest: Manifest,
  destination: Destination,
  writer: TreeWriter,
  which: Iterable<number>,
): Promise<void> {
  const { entries } = manifest
  for (const index of which) {
    if (entries.type(index) !== 'file' || entries.size(index) > 0 || writer.finished.has(index)) continue
    await makeEmptyFile(index, destination)
    await destination.finishFile(index, entries.get(index))
    writer.finished.add(index)
  }
}

/**
 * Completes the tree after all chunks are stored. Links come after files. `deleteExtra` removes what the snapshot does not
 * hold, which changes the times of directories; those are set last of all.
 */
export async function finishTree(
  manifest: Manifest & { readonly places: ChunkPlaces },
  destination: Destination,
  writer: TreeWriter,
  deleteExtra: boolean,
): Promise<void> {
  await writer.commit()
  const { entries } = manifest
  await makeEmptyFiles(manifest, destination, writer, Bitfield.full(entries.count))
  for (let index = 0; index < entries.count; index++) {
    if (entries.type(index) === 'symlink') await destination.makeSymlink(entries.get(index))
  }
  if (deleteExtra) await deletePaths(await extraPaths(manifest, destination), destination)
  for (let index = entries.count - 1; index >= 0; index--) {
    if (entries.type(index) === 'directory') await destination.finishDirectory(entries.get(index))
  }
  await writer.sync()
}

async function makeEmptyFile(index: number, destination: Destination): Promise<void> {
  let file: FileHandle | undefined
  try {
    file = await destination.openPartial(index)
    await file.truncate(0)
  } catch (cause) {
    throw diskError(`creating ${destination.partialPath(index)}`, cause)
  } finally {
    await file?.close()
  }
}

/** Paths in the destination that the snapshot does not hold, deepest first; the state directory is never among them. */
async function extraPaths(manifest: Manifest, destination: Destination): Promise<Buffer[]> {
  const wanted = new Set<string>()
  for (let index = 0; index < manifest.entries.count; index++)
    wanted.add(manifest.entries.path(index).toString('latin1'))
  const extra: Buffer[] = []
  const visit = async (folder: Buffer): Promise<void> => {
    for (const name of await readdir(destination.finalPath(folder), { encoding: 'buffer' })) {
      const path = folder.length === 0 ? name : Buffer.concat([folder, Buffer.from('/'), name])
      if (path.toString('latin1') === STATE_DIRECTORY) continue
      const isDirectory = (await lstat(destination.finalPath(path))).isDirectory()
      if (isDirectory) await visit(path)
      if (!wanted.has(path.toString('latin1'))) extra.push(path)
    }
  }
  await visit(Buffer.alloc(0))
  return extra
}

async function deletePaths(paths: readonly Buffer[], destination: Destination): Promise<void> {
  for (const path of paths) {
    try {
      await rm(destination.finalPath(path), { recursive: true, force: true })
    } catch (cause) {
      throw diskError(`deleting ${printablePath(destination.finalPath(path))}`, cause)
    }
  }
}
