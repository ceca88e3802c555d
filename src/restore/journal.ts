// Which chunks are safely in their files, so that a killed join resumes. Append-only; a record is written only after
// the chunk's bytes were synced, so a valid record needs no re-reading of the data.
//
// Form: one text line `swarm-journal 1 <root> <chunk count>\n`, then records of 8 bytes: chunk index, check word, both
// little-endian. A torn or foreign tail ends the journal; it is cut off and written over.

import { type FileHandle, open } from 'node:fs/promises'
import { Bitfield } from '../base/bitfield.ts'
import { SwarmError } from '../base/errors.ts'
import type { Root } from '../base/ids.ts'
import { mix32 } from '../base/prng.ts'
import { diskError } from './disk-errors.ts'

const VERSION = 1
const RECORD_BYTES = 8
const VERSION_BYTES_MAX = 32

interface Span {
  readonly headerBytes: number
  /** Where the next record goes. */
  readonly end: number
}

export class Journal {
  /** Chunks that earlier runs stored, as far as nobody took that back. */
  readonly stored: Bitfield
  /** Whether a journal of this very snapshot was found; if not, partial files belong to something else. */
  readonly resumed: boolean
  readonly #file: FileHandle
  readonly #salt: number
  readonly #headerBytes: number
  #end: number

  private constructor(file: FileHandle, stored: Bitfield, resumed: boolean, salt: number, span: Span) {
    this.#file = file
    this.stored = stored
    this.resumed = resumed
    this.#salt = salt
    this.#headerBytes = span.headerBytes
    this.#end = span.end
  }

  /**
   * Opens or starts the journal of one snapshot. That of another root, or one that makes no sense, starts empty. Throws
   * `unsupportedVersion` when a newer swarm wrote it, and disk errors.
   */
  static async open(path: string, root: Root, chunkCount: number): Promise<Journal> {
    let file: FileHandle | undefined
    try {
      await (await open(path, 'a')).close()
      file = await open(path, 'r+')
      return await Journal.#read(file, path, root, chunkCount)
    } catch (cause) {
      await file?.close()
      throw diskError(`opening the journal ${path}`, cause)
    }
  }

  static async #read(file: FileHandle, path: string, root: Root, chunkCount: number): Promise<Journal> {
    const header = Buffer.from(`swarm-journal ${VERSION} ${root} ${chunkCount}\n`, 'latin1')
    const salt = Number.parseInt(root.slice(0, 8), 16)
    const stored = new Bitfield(chunkCount)
    const content = await file.readFile()
    refuseNewer(content, path)
    let end = header.length
    const resumed = content.subarray(0, header.length).equals(header)
    if (resumed) {
      for (; end + RECORD_BYTES <= content.length; end += RECORD_BYTES) {
        const chunk = content.readUInt32LE(end)
        if (chunk >= chunkCount || content.readUInt32LE(end + 4) !== mix32(chunk, salt)) break
        stored.add(chunk)
      }
    } else {
      await file.truncate(0)
      await file.write(header, 0, header.length, 0)
    }
    await file.truncate(end)
    return new Journal(file, stored, resumed, salt, { headerBytes: header.length, end })
  }

  /** Takes back what was recorded about all chunks but these. A crash on the way leaves at worst an empty journal. */
  async restart(chunks: readonly number[]): Promise<void> {
    await this.#file.truncate(this.#headerBytes)
    this.#end = this.#headerBytes
    for (const chunk of [...this.stored]) this.stored.remove(chunk)
    for (const chunk of chunks) this.stored.add(chunk)
    await this.append(chunks)
    await this.#file.datasync()
  }

  /** Appends and syncs. The chunks' bytes must have been synced before. */
  async append(chunks: readonly number[]): Promise<void> {
    if (chunks.length === 0) return
    const records = Buffer.allocUnsafe(chunks.length * RECORD_BYTES)
    for (const [row, chunk] of chunks.entries()) {
      records.writeUInt32LE(chunk, row * RECORD_BYTES)
      records.writeUInt32LE(mix32(chunk, this.#salt), row * RECORD_BYTES + 4)
    }
    await this.#file.write(records, 0, records.length, this.#end)
    this.#end += records.length
    await this.#file.datasync()
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

function refuseNewer(content: Buffer, path: string): void {
  const version = /^swarm-journal (\d+) /.exec(content.toString('latin1', 0, VERSION_BYTES_MAX))?.[1]
  if (version === undefined || Number(version) <= VERSION) return
  throw new SwarmError(
    'unsupportedVersion',
    `${path} was made by a newer swarm: version ${version}, known is ${VERSION}`,
    {
      cure: `install a newer swarm, or delete ${path}: what is already here is then read and hashed again`,
    },
  )
}
