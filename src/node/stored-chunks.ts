// Which chunks a store holds already, so that a push sends only the others. One page of a listing tells of a thousand keys;
// a chunk beyond what is listed so far is asked for by itself.

import { isSwarmError } from '../base/errors.ts'
import type { Chunk } from '../snapshot/manifest.ts'
import { CHUNKS_PREFIX, chunkKey } from '../snapshot/object-keys.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { CHUNKS_PER_LISTED_PAGE, FIRST_LIST_MS, LISTED_PAGES_MAX } from './limits.ts'

/** Comes after every key. */
const KEY_LAST = '\uffff'

type Asked = Pick<ObjectStore, 'list' | 'size'>

export class StoredChunks {
  readonly #store: Asked
  readonly #signal: AbortSignal
  readonly #stop = new AbortController()
  /** Aborted when nobody asks any more. */
  readonly #listing: AbortSignal
  /** Sizes by key, of all chunks in the store up to `#listedTo`. */
  readonly #listed = new Map<string, number>()
  #listedTo = ''
  readonly #firstPage: Promise<void>

  /** Begins to list; `chunkCount` is about how many chunks will be asked for. */
  constructor(store: Asked, chunkCount: number, signal: AbortSignal) {
    this.#store = store
    this.#signal = signal
    const pages = Math.min(LISTED_PAGES_MAX - 1, Math.floor(chunkCount / CHUNKS_PER_LISTED_PAGE))
    this.#listing = AbortSignal.any([signal, this.#stop.signal])
    const first = AbortSignal.any([this.#listing, AbortSignal.timeout(FIRST_LIST_MS)])
    this.#firstPage = this.#listPage(undefined, first).then((next) => void this.#listOn(next, pages))
  }

  /** Throws what the store throws when it has to be asked. */
  async has({ id, encodedBytes }: Pick<Chunk, 'id' | 'encodedBytes'>): Promise<boolean> {
    const key = chunkKey(id)
    await this.#firstPage
    const bytes = key <= this.#listedTo ? this.#listed.get(key) : await this.#store.size(key, { signal: this.#signal })
    return bytes === encodedBytes
  }

  /** Ends the listing, wherever it is. */
  stop(): void {
    this.#stop.abort()
  }

  async #listOn(after: string | undefined, pages: number): Promise<void> {
    let next = after
    for (let page = 0; page < pages && next !== undefined; page++) next = await this.#listPage(next, this.#listing)
  }

  /** What to go on after; undefined at the end. A store that cannot list, or takes too long, can still be asked. */
  async #listPage(after: string | undefined, signal: AbortSignal): Promise<string | undefined> {
    try {
      const { entries, next } = await this.#store.list(CHUNKS_PREFIX, after, { signal })
      for (const { key, bytes } of entries) this.#listed.set(key, bytes)
      this.#listedTo = next ?? KEY_LAST
      return next
    } catch (error) {
      if (!isSwarmError(error) && !signal.aborted) throw error
      return undefined
    }
  }
}
