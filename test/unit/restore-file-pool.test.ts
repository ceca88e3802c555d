// How many descriptors are open, and that none is closed in use.

import assert from 'node:assert/strict'
import { type FileHandle, mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { Codec, FileRange } from '../../src/codec/codec.ts'
import { FilePool } from '../../src/restore/file-pool.ts'
import { OPEN_FILES_MAX } from '../../src/restore/limits.ts'
import { FILES_AT_ONCE, readPlaces } from '../../src/restore/read-places.ts'

describe('file pool', () => {
  let folder = ''
  const opened: number[] = []
  const openNow = new Set<number>()
  let pool: FilePool

  async function openFile(key: number): Promise<FileHandle> {
    const file = await open(`${folder}/${key}`, 'w+')
    opened.push(key)
    openNow.add(file.fd)
    const close = file.close.bind(file)
    file.close = () => {
      openNow.delete(file.fd)
      return close()
    }
    return file
  }

  beforeEach(async () => {
    folder = await mkdtemp(`${tmpdir()}/swarm-pool-`)
    opened.length = 0
    openNow.clear()
    pool = new FilePool(3, openFile)
  })

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  async function use(key: number): Promise<void> {
    await pool.pin(key)
    pool.unpin(key)
  }

  it('opens a file once while it stays open', async () => {
    await Promise.all([use(1), use(1), use(1)])
    assert.deepEqual(opened, [1])
    await pool.closeAll()
    assert.equal(openNow.size, 0)
  })

  it('D17: closes the least recently used one when there is no room', async () => {
    for (const key of [1, 2, 3, 1, 4]) await use(key)
    assert.equal(openNow.size, 3)
    await use(1)
    await use(3)
    assert.deepEqual(opened, [1, 2, 3, 4])
    await use(2)
    assert.deepEqual(opened, [1, 2, 3, 4, 2])
    await pool.closeAll()
  })

  it('never closes a pinned file, even when there is no room', async () => {
    const fd = await pool.pin(1)
    for (const key of [2, 3, 4, 5, 6]) await use(key)
    assert.ok(openNow.has(fd))
    pool.unpin(1)
    await pool.closeAll()
    assert.equal(openNow.size, 0)
  })

  it('closing waits for whoever still uses a file and opens nothing more', async () => {
    const fd = await pool.pin(1)
    await use(2)
    let isClosed = false
    const closing = pool.closeAll().then(() => {
      isClosed = true
    })
    await assert.rejects(pool.pin(1), /closed/)
    await assert.rejects(pool.pin(3), /closed/)
    assert.ok(openNow.has(fd) && !isClosed)
    pool.unpin(1)
    await closing
    assert.equal(openNow.size, 0)
  })

  it('a file that cannot be opened is tried again next time, and does not hold up closing', async () => {
    let works = false
    pool = new FilePool(3, (key) => (works ? openFile(key) : Promise.reject(new Error('not now'))))
    await assert.rejects(Promise.all([pool.pin(1), pool.pin(1)]), /not now/)
    works = true
    await use(1)
    await pool.closeAll()
    assert.deepEqual(await readdir(folder), ['1'])
  })

  it('an unpin too many is a fault of ours', () => {
    assert.throws(() => pool.unpin(1), /not pinned/)
  })

  it('has few files open, however many a chunk is made of', async () => {
    pool = new FilePool(OPEN_FILES_MAX, openFile)
    const parts = Array.from({ length: 3 * OPEN_FILES_MAX }, (_, entry) => ({
      entry,
      fileOffset: 0,
      length: 2,
      rawOffset: 2 * entry,
    }))
    let most = 0
    const codec = {
      async read(ranges: readonly FileRange[], raw: Uint8Array) {
        most = Math.max(most, openNow.size)
        assert.equal(raw.length, 2 * ranges.length)
        raw.fill(ranges.length)
      },
    } as unknown as Codec
    const raw = new Uint8Array(2 * parts.length)
    await Promise.all([readPlaces(parts, raw, pool, codec), readPlaces(parts, raw, pool, codec)])
    assert.ok(most <= OPEN_FILES_MAX, `${most} files were open`)
    assert.ok(raw.every((byte) => byte === FILES_AT_ONCE))
    await pool.closeAll()
  })
})
