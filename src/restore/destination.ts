// The destination directory: where files are while they grow, how they get their final names, and that nothing is ever
// written outside. Parents are checked component by component and never followed when they are symbolic links.

import { constants, type Stats } from 'node:fs'
import {
  chmod,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readlink,
  rename,
  rm,
  rmdir,
  symlink,
  unlink,
} from 'node:fs/promises'
import { SwarmError, systemErrorCode } from '../base/errors.ts'
import type { FileSystemCalls, Move, WrittenPart } from '../codec/codec.ts'
import type { Place } from '../snapshot/chunk-places.ts'
import type { Entry } from '../snapshot/manifest.ts'
import { printablePath, STATE_DIRECTORY } from '../snapshot/paths.ts'
import { inOneGo } from './bounded.ts'
import { diskError } from './disk-errors.ts'
import { makePath } from './make-path.ts'

/** Set-user-id, set-group-id and sticky are never restored: a snapshot may come from a stranger. */
export const MODE_BITS_RESTORED = 0o777
const OWNER_ACCESS = 0o700

export class Destination {
  readonly path: string
  /** `<destination>/.swarm` */
  readonly statePath: string
  readonly #calls: FileSystemCalls
  readonly #deletesExtra: boolean
  readonly #checkedDirectories = new Set<string>()

  /** `deletesExtra`: what stands in the way of an entry is deleted, even a directory with content or a link. */
  constructor(path: string, calls: FileSystemCalls, deletesExtra = false) {
    this.path = path
    this.statePath = `${path}/${STATE_DIRECTORY}`
    this.#calls = calls
    this.#deletesExtra = deletesExtra
  }

  /** Creates the destination and its state directory. Throws `diskPermission` when that is not allowed. */
  async prepare(): Promise<void> {
    try {
      await makePath(this.path)
      const state = await lstatOrUndefined(Buffer.from(this.statePath))
      if (state?.isSymbolicLink()) throw notFollowed(Buffer.from(STATE_DIRECTORY))
      await makePath(`${this.statePath}/partial`)
    } catch (cause) {
      throw diskError(`preparing the destination ${this.path}`, cause)
    }
  }

  finalPath(entry: Uint8Array): Buffer {
    return Buffer.concat([Buffer.from(`${this.path}/`), entry])
  }

  /** Where a file's bytes are until it is complete. `index` is its place in the entry table. */
  partialPath(index: number): string {
    return `${this.statePath}/partial/${index}`
  }

  /** Opens a partial file for reading and writing, making it if there is none. Throws system errors. */
  async openPartial(index: number): Promise<FileHandle> {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW
    const path = this.partialPath(index)
    try {
      return await open(path, flags, 0o600)
    } catch (cause) {
      if (systemErrorCode(cause) !== 'EACCES') throw cause
      // A crash after the file got its final mode and before it got its final name leaves it read-only.
      await chmod(path, 0o600)
      return open(path, flags)
    }
  }

  /** Writes parts of `raw` to partial files, in the given order; a failure leaves the rest as they are. */
  async writePartials(places: readonly Place[], raw: Uint8Array): Promise<void> {
    const partOf = ({ entry, fileOffset, rawOffset, length }: Place): WrittenPart => ({
      path: Buffer.from(this.partialPath(entry)),
      offset: fileOffset,
      rawOffset,
      length,
    })
    await inOneGo(
      places,
      (rest) => this.#calls.writeFiles(rest.map(partOf), raw),
      (place) => this.#writePartial(place, raw),
    )
  }

  async #writePartial({ entry, fileOffset, rawOffset, length }: Place, raw: Uint8Array): Promise<void> {
    let file: FileHandle | undefined
    try {
      file = await this.openPartial(entry)
      await writeFully(file, raw.subarray(rawOffset, rawOffset + length), fileOffset)
    } catch (cause) {
      throw diskError(`writing ${this.partialPath(entry)}`, cause)
    } finally {
      await file?.close()
    }
  }

  /** Makes a directory and all its parents; a file or link in the way is an error, a directory is kept. */
  async makeDirectory(path: Uint8Array): Promise<void> {
    for (let end = nextSlash(path, 0); ; end = nextSlash(path, end + 1)) {
      const prefix = Buffer.from(path.subarray(0, end))
      const key = prefix.toString('latin1')
      if (!this.#checkedDirectories.has(key)) {
        await this.#makeOne(prefix)
        this.#checkedDirectories.add(key)
      }
      if (end === path.length) return
    }
  }

  async #makeOne(path: Buffer): Promise<void> {
    const full = this.finalPath(path)
    try {
      await mkdir(full)
      return
    } catch (cause) {
      if (systemErrorCode(cause) !== 'EEXIST') throw diskError(`creating directory ${printablePath(full)}`, cause)
    }
    const found = await lstatOrUndefined(full)
    if (found?.isDirectory()) {
      // A directory without owner access, for example a restored mode 0555, would refuse new children.
      if ((found.mode & OWNER_ACCESS) !== OWNER_ACCESS) await chmod(full, (found.mode & 0o777) | OWNER_ACCESS)
      return
    }
    if (found?.isSymbolicLink() && !this.#deletesExtra) throw notFollowed(path)
    try {
      await unlink(full)
      await mkdir(full)
    } catch (cause) {
      throw diskError(`creating directory ${printablePath(full)}`, cause)
    }
  }

  /** Gives a complete, synced partial file its mode, time and final name, replacing what stood there. */
  async finishFile(index: number, entry: Entry): Promise<void> {
    const partial = this.partialPath(index)
    const final = this.finalPath(entry.path)
    try {
      await chmod(partial, entry.mode & MODE_BITS_RESTORED)
      this.#calls.setModifiedTime(Buffer.from(partial), entry.mtimeSeconds, entry.mtimeNanos)
      await this.makeParent(entry.path)
      await this.#clearDirectory(final)
      await rename(partial, final)
    } catch (cause) {
      throw diskError(`finishing ${printablePath(final)}`, cause)
    }
  }

  /** The same for many files, in the given order; a failure leaves the rest as they are. */
  async finishFiles(files: readonly (readonly [index: number, entry: Entry])[]): Promise<void> {
    for (const [, entry] of files) await this.makeParent(entry.path)
    const moveOf = ([index, entry]: readonly [number, Entry]): Move => ({
      from: Buffer.from(this.partialPath(index)),
      to: this.finalPath(entry.path),
      mode: entry.mode & MODE_BITS_RESTORED,
      modified: { seconds: entry.mtimeSeconds, nanos: entry.mtimeNanos },
    })
    // Alone, a file gets an empty directory out of its way.
    await inOneGo(
      files,
      (rest) => this.#calls.moveFiles(rest.map(moveOf)),
      (file) => this.finishFile(...file),
    )
  }

  /** Corrects mode and time of a file whose content is already right. */
  async finishInPlace(entry: Entry): Promise<void> {
    const final = this.finalPath(entry.path)
    try {
      await chmod(final, entry.mode & MODE_BITS_RESTORED)
      this.#calls.setModifiedTime(final, entry.mtimeSeconds, entry.mtimeNanos)
    } catch (cause) {
      throw diskError(`finishing ${printablePath(final)}`, cause)
    }
  }

  async makeSymlink(entry: Entry): Promise<void> {
    const final = this.finalPath(entry.path)
    try {
      await this.makeParent(entry.path)
      const found = await lstatOrUndefined(final)
      const same = found?.isSymbolicLink() && (await readlink(final, { encoding: 'buffer' })).equals(entry.target)
      if (!same) {
        await this.#clearDirectory(final)
        if (found !== undefined && !found.isDirectory()) await unlink(final)
        await symlink(entry.target, final)
      }
      this.#calls.setModifiedTime(final, entry.mtimeSeconds, entry.mtimeNanos)
    } catch (cause) {
      throw diskError(`creating symbolic link ${printablePath(final)}`, cause)
    }
  }

  /** Mode and time of a directory; only after everything inside it is in place. */
  async finishDirectory(entry: Entry): Promise<void> {
    const final = this.finalPath(entry.path)
    try {
      await chmod(final, entry.mode & MODE_BITS_RESTORED)
      this.#calls.setModifiedTime(final, entry.mtimeSeconds, entry.mtimeNanos)
    } catch (cause) {
      throw diskError(`finishing directory ${printablePath(final)}`, cause)
    }
  }

  /** What lies under the final name, links not followed; undefined when nothing does or a parent is no directory. */
  async inspect(path: Uint8Array): Promise<Stats | undefined> {
    return lstatOrUndefined(this.finalPath(path))
  }

  /** Removes partial files and kept chunks; the journal and the marks of a finished run stay, which are small. */
  async sweep(): Promise<void> {
    for (const name of ['partial', 'encoded']) {
      await rm(`${this.statePath}/${name}`, { recursive: true, force: true })
    }
  }

  /** Makes the directories that an entry lies in; throws when one of them is a symbolic link. */
  async makeParent(path: Uint8Array): Promise<void> {
    const slash = path.lastIndexOf(SLASH)
    if (slash !== -1) await this.makeDirectory(path.subarray(0, slash))
  }

  /** An empty directory where a file belongs is removed; one with content is never deleted silently. */
  async #clearDirectory(final: Buffer): Promise<void> {
    const found = await lstatOrUndefined(final)
    if (!found?.isDirectory()) return
    try {
      if (this.#deletesExtra) await rm(final, { recursive: true })
      else await rmdir(final)
    } catch (cause) {
      if (!['ENOTEMPTY', 'EEXIST'].includes(systemErrorCode(cause) ?? '')) throw cause
      throw new SwarmError('diskFailed', `a directory with content is in the way of ${printablePath(final)}`, {
        cure: 'move that directory away, or use --delete to lose what the snapshot does not hold',
        blame: 'caller',
        cause,
      })
    }
  }
}

const SLASH = 0x2f

/** Flags that open an existing file for reading and refuse a symbolic link in its place. */
export const READ_NO_FOLLOW = constants.O_RDONLY | constants.O_NOFOLLOW

function nextSlash(path: Uint8Array, from: number): number {
  const slash = path.indexOf(SLASH, from)
  return slash === -1 ? path.length : slash
}

async function lstatOrUndefined(path: Buffer): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (cause) {
    const code = systemErrorCode(cause)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw diskError(`looking at ${printablePath(path)}`, cause)
  }
}

/** Writes all bytes; a short write is continued, and one that makes no progress is an error. */
async function writeFully(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done)
    if (bytesWritten === 0) throw new SwarmError('diskFull', 'a write made no progress', { cure: 'free some space' })
    done += bytesWritten
  }
}

function notFollowed(path: Buffer): SwarmError {
  return new SwarmError(
    'diskFailed',
    `"${printablePath(path)}" in the destination is a symbolic link, where a directory belongs`,
    {
      cure: 'remove the link, or use --delete: swarm never writes through links',
      blame: 'caller',
    },
  )
}
