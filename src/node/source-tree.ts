// Reads a workspace: which entries it has, in the manifest's order, and the bytes of planned chunks. Notices when a file is
// not the file that was listed: a snapshot never mixes two versions of one file.

import { constants } from 'node:fs'
import { type FileHandle, lstat, open, readFile, readlink } from 'node:fs/promises'
import ignore, { type Ignore } from 'ignore'
import { describeError, SwarmError, systemErrorCode } from '../base/errors.ts'
import type { FileSystemCalls, FileTime, Listed, ReadPart } from '../codec/codec.ts'
import { inOneGo } from '../restore/bounded.ts'
import type { PlannedFile, PlannedPiece } from '../snapshot/chunk-plan.ts'
import { LARGE_FILE_BYTES, SAFETENSORS_HEADER_BYTES_MAX } from '../snapshot/limits.ts'
import type { Entry, EntryType } from '../snapshot/manifest.ts'
import { pathProblem, printablePath, STATE_DIRECTORY } from '../snapshot/paths.ts'
import {
  parseSafetensorsHeader,
  SAFETENSORS_LENGTH_BYTES,
  safetensorsHeaderBytes,
  type TensorRange,
} from '../snapshot/safetensors.ts'

export interface SourceEntry extends Omit<Entry, 'extents'> {
  /** The same as `mtimeSeconds` and `mtimeNanos`. */
  readonly modified: FileTime
  /** Changes with every write. */
  readonly changed: FileTime
}

const NANOS = 1_000_000_000n
const IGNORE_FILE = '.swarmignore'
const IGNORE_FILE_BYTES_MAX = 1024 * 1024
/** Folders being listed while the entries of another are looked at. */
const LISTINGS_AHEAD = 4

/** A folder to be listed: its path below the root, and its listing once that was begun. */
interface Folder {
  readonly path: Buffer
  listing: Promise<readonly Listed[]> | undefined
}

export class SourceTree {
  readonly path: string
  /** In ascending byte order of paths. */
  readonly entries: readonly SourceEntry[]
  /** What was left out and why; for the person who pushes. */
  readonly warnings: readonly string[]
  /** The path with its slash. */
  readonly #root: Buffer
  readonly #calls: FileSystemCalls

  private constructor(
    path: string,
    entries: readonly SourceEntry[],
    warnings: readonly string[],
    calls: FileSystemCalls,
  ) {
    this.path = path
    this.#root = Buffer.from(`${path}/`)
    this.entries = entries
    this.warnings = warnings
    this.#calls = calls
  }

  /** Lists the tree. Throws `usage` when `path` is no directory, `sourceChanged` when a part of it cannot be read. */
  static async list(path: string, calls: FileSystemCalls, signal: AbortSignal): Promise<SourceTree> {
    const found = await lstatRoot(path)
    if (!found.isDirectory()) {
      throw new SwarmError('usage', `${path} is not a directory`, {
        blame: 'caller',
        cure: 'give the directory to copy',
      })
    }
    const rules = await readIgnoreRules(path)
    const root = Buffer.from(`${path}/`)
    const entries: SourceEntry[] = []
    const warnings: string[] = []
    const folders: Folder[] = [{ path: EMPTY, listing: undefined }]
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      signal.throwIfAborted()
      const listing = begin(folder, root, calls)
      for (const next of folders.slice(-LISTINGS_AHEAD).reverse()) begin(next, root, calls)
      const below: Folder[] = []
      for (const listed of await listing) {
        const relative = joinedPath(folder.path, listed.name)
        if (folder.path.length === 0 && relative.toString('latin1') === STATE_DIRECTORY) continue
        const found = readEntry(root, relative, listed, rules, warnings)
        const entry = found instanceof Promise ? await found : found
        if (entry === undefined) continue
        entries.push(entry)
        if (entry.type === 'directory') below.push({ path: relative, listing: undefined })
      }
      // The first comes out first: folders in order are runs in order, which the sort below only has to merge.
      for (const each of below.reverse()) folders.push(each)
    }
    entries.sort((a, b) => Buffer.compare(a.path, b.path))
    return new SourceTree(path, entries, warnings, calls)
  }

  get rawBytes(): number {
    return this.entries.reduce((sum, entry) => sum + entry.size, 0)
  }

  fullPath(index: number): Buffer {
    return Buffer.concat([this.#root, this.#entry(index).path])
  }

  /** The files as the planner wants them, with the tensor borders of .safetensors files. */
  async plannedFiles(): Promise<PlannedFile[]> {
    const files: PlannedFile[] = []
    for (const [index, entry] of this.entries.entries()) {
      if (entry.type !== 'file') continue
      const file = { file: index, path: entry.path, size: entry.size }
      const tensors = isSafetensors(entry) ? await this.#readTensors(index, entry) : undefined
      files.push(tensors === undefined ? file : { ...file, tensors })
    }
    return files
  }

  /** Opens a file for reading and proves that it is still the one that was listed. */
  async openFile(index: number): Promise<FileHandle> {
    let file: FileHandle
    try {
      file = await open(this.fullPath(index), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    } catch (cause) {
      throw unreadable(this.fullPath(index), cause)
    }
    try {
      await this.checkUnchanged(index, file)
      return file
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async checkUnchanged(index: number, file: FileHandle): Promise<void> {
    const entry = this.#entry(index)
    const now = await file.stat({ bigint: true })
    const isSame = now.ctimeNs === nanosOf(entry.changed) && now.mtimeNs === nanosOf(entry.modified)
    if (now.isFile() && Number(now.size) === entry.size && isSame) return
    throw new SwarmError('sourceChanged', `${printablePath(this.fullPath(index))} changed while it was being read`, {
      blame: 'caller',
      cure: 'let whatever writes to it finish, then run the same command again; what was uploaded is not uploaded twice',
    })
  }

  /** Reads a planned chunk's raw bytes; every file is checked before and after its bytes are read. */
  async readPieces(pieces: readonly PlannedPiece[], raw: Uint8Array): Promise<void> {
    const offsets = new Float64Array(pieces.length + 1)
    for (const [position, { length }] of pieces.entries()) offsets[position + 1] = (offsets[position] ?? 0) + length
    const from = (position: number): Uint8Array => raw.subarray(offsets[position], raw.length)
    await inOneGo(
      [...pieces.keys()],
      ([first = 0]) =>
        this.#calls.readFiles(
          pieces.slice(first).map((piece) => this.#partOf(piece)),
          from(first),
          this.#root,
        ),
      async (position) => {
        const piece = pieces[position]
        if (piece !== undefined) await this.#readOne(piece, from(position).subarray(0, piece.length))
      },
    )
  }

  #partOf({ file, offset, length }: PlannedPiece): ReadPart {
    const entry = this.#entry(file)
    return { path: entry.path, offset, length, listed: entry }
  }

  /** For a piece that could not be read with the others: says what is wrong with its file. */
  async #readOne({ file: index, offset }: PlannedPiece, raw: Uint8Array): Promise<void> {
    const file = await this.openFile(index)
    try {
      for (let done = 0; done < raw.length; ) {
        const { bytesRead } = await file.read(raw, done, raw.length - done, offset + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
      await this.checkUnchanged(index, file)
    } catch (cause) {
      throw systemErrorCode(cause) === undefined ? cause : unreadable(this.fullPath(index), cause)
    } finally {
      await file.close()
    }
  }

  async #readTensors(index: number, entry: SourceEntry): Promise<readonly TensorRange[] | undefined> {
    const file = await this.openFile(index)
    try {
      const prefix = Buffer.alloc(SAFETENSORS_LENGTH_BYTES)
      await file.read(prefix, 0, prefix.length, 0)
      const length = safetensorsHeaderBytes(prefix, entry.size)
      if (length === undefined || length > SAFETENSORS_HEADER_BYTES_MAX) return undefined
      const header = Buffer.alloc(length)
      const { bytesRead } = await file.read(header, 0, length, SAFETENSORS_LENGTH_BYTES)
      return bytesRead === length ? parseSafetensorsHeader(header, entry.size) : undefined
    } finally {
      await file.close()
    }
  }

  #entry(index: number): SourceEntry {
    const entry = this.entries[index]
    if (entry === undefined) throw new RangeError(`entry ${index} of ${this.entries.length}`)
    return entry
  }
}

const SLASH = 0x2f
const EMPTY = Buffer.alloc(0)

async function lstatRoot(path: string) {
  try {
    // A link as the root is followed on purpose: the person named it.
    return await lstat(`${path}/.`)
  } catch (cause) {
    throw new SwarmError('usage', `${path}: ${describeError(cause)}`, {
      blame: 'caller',
      cure: 'give an existing directory',
      cause,
    })
  }
}

/** The folder's listing; a failure is thrown to whoever waits for it, and to nobody if nobody does. */
function begin(folder: Folder, root: Buffer, calls: FileSystemCalls): Promise<readonly Listed[]> {
  if (folder.listing !== undefined) return folder.listing
  folder.listing = listFolder(Buffer.concat([root, folder.path]), calls)
  folder.listing.catch(() => undefined)
  return folder.listing
}

async function listFolder(path: Buffer, calls: FileSystemCalls): Promise<readonly Listed[]> {
  try {
    return await calls.listFolder(path)
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

function joinedPath(folder: Buffer, name: Buffer): Buffer {
  if (folder.length === 0) return name
  const path = Buffer.allocUnsafe(folder.length + 1 + name.length)
  path.set(folder)
  path[folder.length] = SLASH
  path.set(name, folder.length + 1)
  return path
}

/** At once for files and directories, of which there may be a million; a promise where a link is to be read. */
function readEntry(
  root: Buffer,
  path: Buffer,
  listed: Listed,
  rules: Ignore | undefined,
  warnings: string[],
): SourceEntry | Promise<SourceEntry> | undefined {
  const type = typeOf(listed.mode)
  if (type === undefined) {
    warnings.push(`${printablePath(path)} is a socket, device or pipe and is left out`)
    return undefined
  }
  if (rules?.ignores(`${path.toString('utf8')}${type === 'directory' ? '/' : ''}`) === true) return undefined
  const problem = pathProblem(path)
  if (problem !== undefined) {
    const full = printablePath(Buffer.concat([root, path]))
    throw new SwarmError('sourceChanged', `${full} cannot be in a snapshot: its path ${problem}`, {
      blame: 'caller',
      cure: `rename it, or name it in ${IGNORE_FILE}`,
    })
  }
  const entry = entryOf(path, type, listed)
  return type === 'symlink' ? readTarget(Buffer.concat([root, path])).then((target) => ({ ...entry, target })) : entry
}

function entryOf(path: Buffer, type: EntryType, { mode, size, modified, changed }: Listed): SourceEntry {
  return {
    path,
    type,
    mode: mode & 0o7777,
    mtimeSeconds: modified.seconds,
    mtimeNanos: modified.nanos,
    size: type === 'file' ? size : 0,
    target: EMPTY,
    modified,
    changed,
  }
}

async function readTarget(path: Buffer): Promise<Buffer> {
  try {
    return await readlink(path, { encoding: 'buffer' })
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

function typeOf(mode: number): EntryType | undefined {
  switch (mode & constants.S_IFMT) {
    case constants.S_IFREG:
      return 'file'
    case constants.S_IFDIR:
      return 'directory'
    case constants.S_IFLNK:
      return 'symlink'
    default:
      return undefined
  }
}

function isSafetensors(entry: SourceEntry): boolean {
  return entry.size >= LARGE_FILE_BYTES && entry.path.toString('latin1').endsWith('.safetensors')
}

function nanosOf({ seconds, nanos }: FileTime): bigint {
  return BigInt(seconds) * NANOS + BigInt(nanos)
}

/** Undefined: there are none. */
async function readIgnoreRules(root: string): Promise<Ignore | undefined> {
  try {
    const text = await readFile(`${root}/${IGNORE_FILE}`, 'utf8')
    if (text.length > IGNORE_FILE_BYTES_MAX) {
      throw new SwarmError('usage', `${root}/${IGNORE_FILE} is larger than 1 MiB`, {
        blame: 'caller',
        cure: 'shorten it',
      })
    }
    return ignore({ allowRelativePaths: true }).add(text)
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function unreadable(path: Buffer, cause: unknown): SwarmError {
  return new SwarmError('sourceChanged', `cannot read ${printablePath(path)}: ${describeError(cause)}`, {
    blame: 'caller',
    cure: `give this user access to it, or name it in ${IGNORE_FILE}`,
    cause,
  })
}
