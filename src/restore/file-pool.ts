// Open descriptors of partial and finished files, at most so many at once. A descriptor that is in use is pinned;
// the least recently used of the others is closed when room is needed.

import type { FileHandle } from 'node:fs/promises'
import { invariant, SwarmError } from '../base/errors.ts'

interface OpenFile {
  readonly handle: Promise<FileHandle>
  pins: number
  /** Called when the last pin goes, once the pool is closing. */
  unpinned?: () => void
}

export class FilePool {
  readonly #open = new Map<number, OpenFile>()
  readonly #filesMax: number
  readonly #openFile: (key: number) => Promise<FileHandle>
  #closed = false

  /** `openFile` is called once per key until the file is closed again. */
  constructor(filesMax: number, openFile: (key: number) => Promise<FileHandle>) {
    this.#filesMax = filesMax
    this.#openFile = openFile
  }

  /** The descriptor of `key`, pinned until unpin(). Throws what `openFile` throws, and `internal` after closeAll(). */
  async pin(key: number): Promise<number> {
    this.#refuseWhenClosed(key)
    let file = this.#open.get(key)
    if (file === undefined) {
      await this.#makeRoom()
      this.#refuseWhenClosed(key)
      // Another caller may have opened it while this one waited.
      file = this.#open.get(key) ?? { handle: this.#openFile(key), pins: 0 }
    }
    this.#open.delete(key)
    this.#open.set(key, file)
    file.pins++
    try {
      return (await file.handle).fd
    } catch (error) {
      if (this.#open.get(key) === file) this.#open.delete(key)
      release(file)
      throw error
    }
  }

  unpin(key: number): void {
    const file = this.#open.get(key)
    invariant(file !== undefined && file.pins > 0, `file ${key} is not pinned`)
    release(file)
  }

  /** Closes one file; it must not be pinned. */
  async close(key: number): Promise<void> {
    const file = this.#open.get(key)
    if (file === undefined) return
    invariant(file.pins === 0, `file ${key} is closed while in use`)
    this.#open.delete(key)
    await (await file.handle).close()
  }

  /** Closes every file as soon as nobody uses it; nothing is opened from now on. */
  async closeAll(): Promise<void> {
    this.#closed = true
    for (const [key, file] of [...this.#open]) {
      if (file.pins > 0) {
        await new Promise<void>((resolve) => {
          file.unpinned = resolve
        })
      }
      await this.close(key)
    }
  }

  #refuseWhenClosed(key: number): void {
    if (this.#closed) throw new SwarmError('internal', `file ${key} is asked for after its pool was closed`)
  }

  async #makeRoom(): Promise<void> {
    if (this.#open.size < this.#filesMax) return
    for (const [key, file] of this.#open) {
      if (file.pins > 0) continue
      await this.close(key)
      return
    }
  }
}

function release(file: OpenFile): void {
  file.pins--
  if (file.pins === 0) file.unpinned?.()
}
