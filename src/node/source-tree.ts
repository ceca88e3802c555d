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
  /** Changes with every write. */
  readonly changed: FileTime
}

const NANOS = 1_000_000_000n
const IGNORE_FILE = '.swarmignore'
const IGNORE_FILE_BYTES_MAX = 1024 * 1024

export class SourceTree {
  readonly path: string
  /** In ascending byte order of paths. */
  readonly entries: readonly SourceEntry[]
  /** What was left out and why; for the person who pushes. */
  readonly warnings: readonly string[]
  readonly #calls: FileSystemCalls

  private constructor(
    path: string,
    entries: readonly SourceEntry[],
    warnings: readonly string[],
    calls: FileSystemCalls,
  ) {
    this.path = path
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
    const entries: SourceEntry[] = []
    const warnings: string[] = []
    const folders: Buffer[] = [Buffer.alloc(0)]
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      signal.throwIfAborted()
      for (const listed of await listFolder(path, folder, calls)) {
        const { name } = listed
        const relative = folder.length === 0 ? name : Buffer.concat([folder, SLASH, name])
        if (folder.length === 0 && name.toString('latin1') === STATE_DIRECTORY) continue
        const entry = await readEntry(path, relative, listed, rules, warnings)
        if (entry === undefined) continue
        entries.push(entry)
        if (entry.type === 'directory') folders.push(relative)
      }
    }
    entries.sort((a, b) => Buffer.compare(a.path, b.path))
    return new SourceTree(path, entries, warnings, calls)
  }

  get rawBytes(): number {
    return this.entries.reduce((sum, entry) => sum + entry.size, 0)
  }

  fullPath(index: number): Buffer {
    return Buffer.concat([Buffer.from(`${this.path}/`), this.#entry(index).path])
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
    const isSame = now.ctimeNs === nanosOf(entry.changed) && now.mtimeNs === nanosOf(modifiedOf(entry))
    if (now.isFile() && Number(now.size) === entry.size && isSame) return
    throw new SwarmError('sourceChanged', `${printablePath(this.fullPath(index))} changed while it was being read`, {
      blame: 'caller',
      cure: 'let whatever writes to it finish, then run the same command again; what was uploaded is not uploaded twice',
    })
  }

  /** Reads a planned chunk's raw bytes; every file is checked before and after its bytes are read. */
  async readPieces(pieces: readonly PlannedPiece[], raw: Uint8Array): Promise<void> {
    let done = 0
    const wanted = pieces.map((piece) => {
      const target = raw.subarray(done)
      done += piece.length
      return { piece, target }
    })
    await inOneGo(
      wanted,
      (rest) =>
        this.#calls.readFiles(
          rest.map(({ piece }) => this.#partOf(piece)),
          rest[0]?.target ?? raw,
        ),
      ({ piece, target }) => this.#readOne(piece, target.subarray(0, piece.length)),
    )
  }

  #partOf({ file, offset, length }: PlannedPiece): ReadPart {
    const entry = this.#entry(file)
    const { size, changed } = entry
    return { path: this.fullPath(file), offset, length, listed: { size, changed, modified: modifiedOf(entry) } }
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

const SLASH = Buffer.from('/')

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

async function listFolder(root: string, folder: Buffer, calls: FileSystemCalls): Promise<readonly Listed[]> {
  const path = Buffer.concat([Buffer.from(`${root}/`), folder])
  try {
    return await calls.listFolder(path)
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

async function readEntry(
  root: string,
  path: Buffer,
  listed: Listed,
  rules: Ignore,
  warnings: string[],
): Promise<SourceEntry | undefined> {
  const type = typeOf(listed.mode)
  if (type === undefined) {
    warnings.push(`${printablePath(path)} is a socket, device or pipe and is left out`)
    return undefined
  }
  const text = path.toString('utf8')
  if (rules.ignores(type === 'directory' ? `${text}/` : text)) return undefined
  const full = Buffer.concat([Buffer.from(`${root}/`), path])
  const problem = pathProblem(path)
  if (problem !== undefined) {
    throw new SwarmError('sourceChanged', `${printablePath(full)} cannot be in a snapshot: its path ${problem}`, {
      blame: 'caller',
      cure: `rename it, or name it in ${IGNORE_FILE}`,
    })
  }
  return {
    path,
    type,
    mode: listed.mode & 0o7777,
    mtimeSeconds: listed.modified.seconds,
    mtimeNanos: listed.modified.nanos,
    size: type === 'file' ? listed.size : 0,
    target: type === 'symlink' ? await readTarget(full) : EMPTY,
    changed: listed.changed,
  }
}

async function readTarget(path: Buffer): Promise<Buffer> {
  try {
    return await readlink(path, { encoding: 'buffer' })
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

const EMPTY = Buffer.alloc(0)

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

function modifiedOf({ mtimeSeconds, mtimeNanos }: SourceEntry): FileTime {
  return { seconds: mtimeSeconds, nanos: mtimeNanos }
}

function nanosOf({ seconds, nanos }: FileTime): bigint {
  return BigInt(seconds) * NANOS + BigInt(nanos)
}

async function readIgnoreRules(root: string): Promise<Ignore> {
  const rules = ignore({ allowRelativePaths: true })
  try {
    const text = await readFile(`${root}/${IGNORE_FILE}`, 'utf8')
    if (text.length > IGNORE_FILE_BYTES_MAX) {
      throw new SwarmError('usage', `${root}/${IGNORE_FILE} is larger than 1 MiB`, {
        blame: 'caller',
        cure: 'shorten it',
      })
    }
    return rules.add(text)
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return rules
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
