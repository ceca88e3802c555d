// Which chunks a push sends, and how few requests tell it: against a store that keeps count.

import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { SwarmError } from '../../src/base/errors.ts'
import type { ObjectId } from '../../src/base/ids.ts'
import { StoredChunks } from '../../src/node/stored-chunks.ts'
import { chunkKey } from '../../src/snapshot/object-keys.ts'
import type { CallOptions, ListPage } from '../../src/store/object-store.ts'

const PAGE = 1000
const BYTES = 7

/** The chunks of a store in the order of their keys. */
function idAt(index: number): ObjectId {
  return index.toString(16).padStart(64, '0') as ObjectId
}

class CountingStore {
  readonly asked: string[] = []
  readonly pages: (string | undefined)[] = []
  readonly #keys: readonly string[]
  mayList = true

  constructor(chunkCount: number) {
    this.#keys = Array.from({ length: chunkCount }, (_, index) => chunkKey(idAt(index)))
  }

  async list(prefix: string, after = '', { signal }: CallOptions = {}): Promise<ListPage> {
    this.pages.push(after)
    if (!this.mayList) throw new SwarmError('credentialsRefused', 'may not list', { blame: 'caller' })
    signal?.throwIfAborted()
    const rest = this.#keys.filter((key) => key.startsWith(prefix) && key > after)
    const entries = rest.slice(0, PAGE).map((key) => ({ key, bytes: BYTES, modifiedMs: 0 }))
    return { entries, next: rest.length > PAGE ? entries.at(-1)?.key : undefined }
  }

  async size(key: string, { signal }: CallOptions = {}): Promise<number | undefined> {
    signal?.throwIfAborted()
    this.asked.push(key)
    return this.#keys.includes(key) ? BYTES : undefined
  }
}

function chunk(index: number, encodedBytes = BYTES) {
  return { id: idAt(index), encodedBytes }
}

describe('node: which chunks a store holds', () => {
  const never = new AbortController().signal

  it('an empty store is asked once for everything', async () => {
    const store = new CountingStore(0)
    const stored = new StoredChunks(store, 400, never)
    assert.deepEqual(await Promise.all([0, 1, 2].map((index) => stored.has(chunk(index)))), [false, false, false])
    assert.deepEqual([store.pages.length, store.asked], [1, []])
  })

  it('a listed chunk is there when its size is right, and one between listed ones is not', async () => {
    const stored = new StoredChunks(new CountingStore(3), 3, never)
    assert.equal(await stored.has(chunk(1)), true)
    assert.equal(await stored.has(chunk(1, BYTES + 1)), false)
    assert.equal(await stored.has(chunk(3)), false)
  })

  it('a small push lists one page of a large store, and asks for what lies beyond', async () => {
    const store = new CountingStore(2 * PAGE + 1)
    const stored = new StoredChunks(store, 100, never)
    assert.equal(await stored.has(chunk(PAGE - 1)), true)
    assert.equal(await stored.has(chunk(PAGE)), true)
    assert.equal(await stored.has(chunk(3 * PAGE)), false)
    await turn()
    assert.deepEqual([store.pages.length, store.asked], [1, [PAGE, 3 * PAGE].map((index) => chunkKey(idAt(index)))])
  })

  it('a large push lists all of it, and asks only for what is not listed yet', async () => {
    const store = new CountingStore(2 * PAGE + 1)
    const stored = new StoredChunks(store, 2000, never)
    assert.equal(await stored.has(chunk(0)), true)
    await turn()
    assert.equal(await stored.has(chunk(2 * PAGE)), true)
    assert.equal(await stored.has(chunk(3 * PAGE)), false)
    assert.deepEqual([store.pages.length, store.asked], [3, []])
  })

  it('who may not list asks for each chunk', async () => {
    const store = new CountingStore(1)
    store.mayList = false
    const stored = new StoredChunks(store, 2000, never)
    assert.deepEqual([await stored.has(chunk(0)), await stored.has(chunk(1))], [true, false])
    assert.deepEqual([store.pages.length, store.asked.length], [1, 2])
  })

  it('stops listing when told, and answers from what it has', async () => {
    const store = new CountingStore(2 * PAGE + 1)
    const stored = new StoredChunks(store, 2000, never)
    stored.stop()
    assert.equal(await stored.has(chunk(0)), true)
    await turn()
    assert.ok(store.pages.length < 3)
  })

  it('fails with the reason of an abort', async () => {
    const abort = new AbortController()
    abort.abort(new Error('enough'))
    await assert.rejects(new StoredChunks(new CountingStore(1), 1, abort.signal).has(chunk(0)), /enough/)
  })
})
