// A directory that behaves like a bucket: objects appear whole or not at all, creation has one winner, listings are in
// byte order. A key is the file's path below the directory, so the tree can be copied into a bucket as it is.
// One thing differs: a key cannot be an object and a folder of other objects at once.

import { randomUUID } from 'node:crypto'
import { constants, type Dirent } from 'node:fs'
import { type FileHandle, link, mkdir, open, readdir, rename, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { SwarmError, systemErrorCode } from '../base/errors.ts'
import { translateDiskError } from './disk-errors.ts'
import { listFiles, someFileBelow, TEMPORARY_FOLDER } from './file-listing.ts'
import { checkKey, checkPrefix, compareKeys, isStoreKey } from './keys.ts'
import {
  FILE_READ_BYTES_MAX,
  LIST_PAGE_ENTRIES_MAX,
  PLACE_ATTEMPTS_MAX,
  STAT_CONCURRENCY_MAX,
  TEMPORARY_AGE_MAX_MS,
} from './limits.ts'
import type { Meter, StoreRequestKind } from './meter.ts'
import type { CallOptions, GetOptions, ListPage, ObjectEntry, ObjectStore, PutOutcome } from './object-store.ts'
import type { Throttle } from './throttle.ts'

export interface FileStoreOptions {
  /** `file:///dir`, for messages. */
  readonly url: string
  /** Absolute path. Created by the first write. */
  readonly directory: string
  readonly meter: Meter
  readonly throttle?: Throttle
}

export class FileStore implements ObjectStore {
  readonly url: string
  readonly hasEgressCost = false
  readonly #directory: string
  readonly #temporary: string
  readonly #meter: Meter
  readonly #throttle: Throttle | undefined
  #clockSkewMs: number | undefined
  #prepared: Promise<void> | undefined

  /** Touches nothing. */
  constructor(options: FileStoreOptions) {
    this.url = options.url
    this.#directory = options.directory
    this.#temporary = join(options.directory, TEMPORARY_FOLDER)
    this.#meter = options.meter
    this.#throttle = options.throttle
  }

  getInto(key: string, into: Uint8Array, options: GetOptions = {}): Promise<void> {
    const path = this.#path(key)
    return this.#call('get', `read ${key}`, options, async () => {
      await using file = await open(path, constants.O_RDONLY)
      const { offset = 0 } = options
      const held = await sizeOfObject(file)
      if (held < offset + into.length) throw this.#tooShort(key, held, offset + into.length)
      await this.#fill(file, into, key, options)
    })
  }

  get(key: string, maxBytes: number, options: CallOptions = {}): Promise<Buffer> {
    const path = this.#path(key)
    return this.#call('get', `read ${key}`, options, async () => {
      await using file = await open(path, constants.O_RDONLY)
      const held = await sizeOfObject(file)
      if (held > maxBytes) {
        const message = `read ${key} in ${this.url}: ${held} bytes, at most ${maxBytes}`
        throw new SwarmError('integrity', message, { blame: 'origin' })
      }
      const into = Buffer.allocUnsafeSlow(held)
      await this.#fill(file, into, key, options)
      return into
    })
  }

  async put(key: string, body: Uint8Array, options: CallOptions = {}): Promise<void> {
    await this.#write(key, body, options, async (temporary, path) => {
      await rename(temporary, path)
      return 'created'
    })
  }

  /** A hard link is created or refused in one step, and what it names is whole already. */
  putIfAbsent(key: string, body: Uint8Array, options: CallOptions = {}): Promise<PutOutcome> {
    return this.#write(key, body, options, async (temporary, path) => {
      try {
        await link(temporary, path)
        return 'created'
      } catch (error) {
        if (systemErrorCode(error) !== 'EEXIST') throw error
        // A network file system may repeat a call whose answer was lost and then report our own link as foreign.
        return (await stat(temporary)).nlink > 1 ? 'created' : 'exists'
      }
    })
  }

  async size(key: string, options: CallOptions = {}): Promise<number | undefined> {
    const path = this.#path(key)
    return this.#call('size', `look up ${key}`, options, () => sizeOfPath(path))
  }

  list(prefix: string, after?: string, options: CallOptions = {}): Promise<ListPage> {
    checkPrefix(prefix)
    return this.#call('list', `list ${prefix}`, options, async () => {
      const keys: string[] = []
      for await (const key of listFiles(this.#directory, prefix, after)) {
        options.signal?.throwIfAborted()
        if (keys.push(key) > LIST_PAGE_ENTRIES_MAX) break
      }
      const page = keys.slice(0, LIST_PAGE_ENTRIES_MAX)
      return { entries: await this.#describe(page), next: keys.length > page.length ? page.at(-1) : undefined }
    })
  }

  listFolders(prefix: string, options: CallOptions = {}): Promise<readonly string[]> {
    checkPrefix(prefix)
    return this.#call('list', `list ${prefix}`, options, async () => {
      const slash = prefix.lastIndexOf('/') + 1
      const parent = prefix.slice(0, slash)
      const start = prefix.slice(slash)
      const path = join(this.#directory, parent)
      const entries: Dirent[] = await readdir(path, { withFileTypes: true }).catch(noneIfAbsent)
      const folders: string[] = []
      for (const { name } of entries.filter((entry) => entry.isDirectory())) {
        if (!name.startsWith(start) || !isStoreKey(name) || (slash === 0 && name === TEMPORARY_FOLDER)) continue
        if (await someFileBelow(this.#directory, `${parent}${name}/`)) folders.push(name.slice(start.length))
      }
      return folders.sort(compareKeys)
    })
  }

  delete(key: string, options: CallOptions = {}): Promise<void> {
    const path = this.#path(key)
    return this.#call('delete', `delete ${key}`, options, async () => {
      try {
        await unlink(path)
      } catch (error) {
        if (isAbsent(error)) return
        throw error
      }
      await this.#removeEmptyFolders(dirname(path))
    })
  }

  clockSkewMs(): number | undefined {
    return this.#clockSkewMs
  }

  async close(): Promise<void> {}

  /** Writes the body under a temporary name on the same file system, then lets `place` give it its own. */
  #write(
    key: string,
    body: Uint8Array,
    options: CallOptions,
    place: (temporary: string, path: string) => Promise<PutOutcome>,
  ): Promise<PutOutcome> {
    const path = this.#path(key)
    return this.#call('put', `write ${key}`, options, async () => {
      this.#prepared ??= this.#prepare()
      await this.#prepared.catch((error: unknown) => {
        this.#prepared = undefined
        throw error
      })
      const temporary = join(this.#temporary, randomUUID())
      try {
        await this.#writeTemporary(temporary, body)
        options.signal?.throwIfAborted()
        return await placeInFolder(path, () => place(temporary, path))
      } finally {
        await unlink(temporary).catch(ignoreAbsent)
      }
    })
  }

  async #writeTemporary(temporary: string, body: Uint8Array): Promise<void> {
    await using file = await open(temporary, 'wx')
    await file.writeFile(body)
    // Without this a power cut can leave an empty file under a final name, which later pushes would take as present.
    await file.datasync()
    this.#meter.countWritten(body.length)
    this.#clockSkewMs = (await file.stat()).mtimeMs - Date.now()
  }

  /** Makes the directory and clears what dead writers left. */
  async #prepare(): Promise<void> {
    await makeFolders(this.#temporary)
    const oldestMs = Date.now() - TEMPORARY_AGE_MAX_MS
    for (const name of await readdir(this.#temporary)) {
      const path = join(this.#temporary, name)
      const found = await stat(path).catch(ignoreAbsent)
      if (found !== undefined && found.mtimeMs < oldestMs) await unlink(path).catch(ignoreAbsent)
    }
  }

  async #fill(file: FileHandle, into: Uint8Array, key: string, options: GetOptions): Promise<void> {
    const { offset = 0, signal } = options
    const turn = this.#throttle?.join()
    const sliceBytes = this.#throttle?.sliceBytes ?? FILE_READ_BYTES_MAX
    try {
      for (let filled = 0; filled < into.length; ) {
        signal?.throwIfAborted()
        const bytes = Math.min(sliceBytes, into.length - filled)
        await turn?.take(bytes, signal)
        const { bytesRead } = await file.read(into, filled, bytes, offset + filled)
        if (bytesRead === 0) throw this.#tooShort(key, offset + filled, offset + into.length)
        filled += bytesRead
        this.#meter.countRead(bytesRead)
        options.onBytes?.(bytesRead)
      }
    } finally {
      turn?.leave()
    }
  }

  /** Sizes and times of the keys of a page. Objects that were deleted meanwhile are left out. */
  async #describe(keys: readonly string[]): Promise<readonly ObjectEntry[]> {
    const entries: ObjectEntry[] = []
    for (let start = 0; start < keys.length; start += STAT_CONCURRENCY_MAX) {
      const part = keys.slice(start, start + STAT_CONCURRENCY_MAX).map(async (key): Promise<ObjectEntry[]> => {
        const found = await stat(join(this.#directory, key)).catch(ignoreAbsent)
        return found?.isFile() ? [{ key, bytes: found.size, modifiedMs: Math.floor(found.mtimeMs) }] : []
      })
      entries.push(...(await Promise.all(part)).flat())
    }
    return entries
  }

  /** A bucket has no empty folders. Fails quietly: whoever put something there meanwhile is right. */
  async #removeEmptyFolders(from: string): Promise<void> {
    for (let folder = from; folder.length > this.#directory.length; folder = dirname(folder)) {
      try {
        await rmdir(folder)
      } catch {
        return
      }
    }
  }

  async #call<Result>(
    kind: StoreRequestKind,
    doing: string,
    options: CallOptions,
    run: () => Promise<Result>,
  ): Promise<Result> {
    options.signal?.throwIfAborted()
    this.#meter.countRequest(kind)
    try {
      return await run()
    } catch (error) {
      options.signal?.throwIfAborted()
      throw translateDiskError(error, `${doing} in ${this.url}`, kind === 'put' ? 'writing' : 'reading')
    }
  }

  #path(key: string): string {
    checkKey(key)
    if (key === TEMPORARY_FOLDER || key.startsWith(`${TEMPORARY_FOLDER}/`)) {
      throw new SwarmError('usage', `${key} in ${this.url}: this name is reserved`, { blame: 'caller' })
    }
    return join(this.#directory, key)
  }

  #tooShort(key: string, held: number, wanted: number): SwarmError {
    const message = `read ${key} in ${this.url}: the object has ${held} bytes, at least ${wanted} were expected`
    return new SwarmError('integrity', message, {
      blame: 'origin',
      details: { totalBytes: held, expectedBytes: wanted },
    })
  }
}

/** Runs `place`, after making the folder when it is missing: a deleter may remove it, or one above it, between any two steps. */
async function placeInFolder(path: string, place: () => Promise<PutOutcome>): Promise<PutOutcome> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (attempt > 1) await makeFolders(dirname(path))
      return await place()
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT' || attempt >= PLACE_ATTEMPTS_MAX) throw error
    }
  }
}

/** Every folder of an absolute path, one by one: Node's recursive mkdir never ends below one that answers ENOENT, as /proc. */
async function makeFolders(path: string): Promise<void> {
  for (let end = path.indexOf('/', 1); ; end = path.indexOf('/', end + 1)) {
    try {
      await mkdir(end === -1 ? path : path.slice(0, end))
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error
    }
    if (end === -1) return
  }
}

/** Size of an open object; a folder is no object. */
async function sizeOfObject(file: FileHandle): Promise<number> {
  const found = await file.stat()
  if (!found.isFile()) throw Object.assign(new Error('not a file'), { code: 'ENOENT' })
  return found.size
}

async function sizeOfPath(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(ignoreAbsent)
  return found?.isFile() ? found.size : undefined
}

/** A component that is a file where a folder was expected means as much: there is no such object. */
function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')
}

function ignoreAbsent(error: unknown): undefined {
  if (!isAbsent(error)) throw error
}

function noneIfAbsent(error: unknown): never[] {
  ignoreAbsent(error)
  return []
}
