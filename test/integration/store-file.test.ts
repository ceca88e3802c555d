// What a directory adds to the promises of every object store: temporary files, folders, permissions, rate limit.

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { SwarmError } from '../../src/base/errors.ts'
import { translateDiskError } from '../../src/store/disk-errors.ts'
import { FileStore } from '../../src/store/file-store.ts'
import { BURST_SECONDS } from '../../src/store/limits.ts'
import { Meter } from '../../src/store/meter.ts'
import { Throttle } from '../../src/store/throttle.ts'
import { assertBytes, withCode } from '../conformance/object-store.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

describe('directory store', () => {
  let directory: string
  let meter: Meter

  function open(throttle?: Throttle): FileStore {
    const limited = throttle === undefined ? {} : { throttle }
    return new FileStore({ url: pathToFileURL(directory).href, directory, meter, ...limited })
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'swarm-store-'))
    meter = new Meter()
  })

  afterEach(() => rm(directory, { recursive: true }))

  it('is created by the first write, and empty before', async () => {
    directory = join(directory, 'not', 'yet')
    const store = open()
    assert.deepEqual(await store.list(''), { entries: [], next: undefined })
    assert.deepEqual(await store.listFolders(''), [])
    await store.put('a', Buffer.from('x'))
    assert.equal(await store.size('a'), 1)
    directory = join(directory, '..', '..')
  })

  it('leaves nothing behind, neither after success nor after a lost race nor after an abort', async () => {
    const store = open()
    await store.putIfAbsent('a/b', Buffer.from('x'))
    await store.putIfAbsent('a/b', Buffer.from('y'))
    await store.put('a/c', Buffer.from('z'))
    const abort = new AbortController()
    const writing = store.put('a/d', Buffer.alloc(1_000_000), { signal: abort.signal })
    abort.abort(new Error('enough'))
    await assert.rejects(writing, /enough/)
    assert.deepEqual(await readdir(join(directory, '.tmp')), [])
    assert.deepEqual((await readdir(join(directory, 'a'))).toSorted(), ['b', 'c'])
  })

  it('neither lists nor serves temporary files, and sweeps only those that are old', async () => {
    await mkdir(join(directory, '.tmp'))
    const [old, fresh] = [join(directory, '.tmp', 'old'), join(directory, '.tmp', 'fresh')]
    await Promise.all([writeFile(old, 'x'), writeFile(fresh, 'x')])
    const twoDaysAgo = new Date(Date.now() - 48 * 3_600_000)
    await utimes(old, twoDaysAgo, twoDaysAgo)
    const store = open()
    await store.put('a', Buffer.from('x'))
    assert.deepEqual(await readdir(join(directory, '.tmp')), ['fresh'])
    assert.deepEqual(
      (await store.list('')).entries.map(({ key }) => key),
      ['a'],
    )
    assert.deepEqual(await store.listFolders(''), [])
    await assert.rejects(async () => store.get('.tmp/fresh', 10), withCode('usage'))
  })

  it('writes while others delete the last object of the same folder', async () => {
    const store = open()
    const work = async (name: string) => {
      for (let round = 0; round < 50; round++) {
        await store.put(`shared/folder/${name}`, Buffer.from('x'))
        await store.delete(`shared/folder/${name}`)
      }
    }
    await Promise.all(['a', 'b', 'c'].map(work))
    assert.deepEqual(await readdir(directory), ['.tmp'])
  })

  it('says that a key cannot be an object and a folder', async () => {
    const store = open()
    await store.put('a', Buffer.from('x'))
    await store.put('b/c', Buffer.from('x'))
    await assert.rejects(store.put('a/b', Buffer.from('x')), withCode('diskFailed'))
    await assert.rejects(store.put('b', Buffer.from('x')), withCode('diskFailed'))
    assert.equal((await store.get('a', 10)).toString(), 'x')
  })

  it('reports a directory in which nothing can be made, with a cure', async function () {
    if (process.platform !== 'linux') {
      console.log('      skipped: needs /sys, where not even root can make a directory')
      return this.skip()
    }
    const store = new FileStore({ url: 'file:///sys/swarm-store', directory: '/sys/swarm-store', meter })
    await assert.rejects(store.put('a', Buffer.from('x')), (error: unknown) => {
      assert.ok(error instanceof SwarmError && error.cure !== '')
      return withCode('diskPermission')(error)
    })
    assert.equal(await store.size('a'), undefined)
  })

  it('gives each failure of the disk its code and a cure', () => {
    for (const [systemCode, syscall, code] of [
      ['ENOSPC', 'write', 'diskFull'],
      ['EDQUOT', 'write', 'diskFull'],
      ['EACCES', 'open', 'diskPermission'],
      ['EROFS', 'mkdir', 'diskPermission'],
      ['EPERM', 'link', 'diskPermission'],
    ] as const) {
      const cause = Object.assign(new Error(systemCode), { code: systemCode, syscall })
      const error = translateDiskError(cause, 'write a in file:///store', 'writing')
      assert.equal(error.code, code)
      assert.notEqual(error.cure, '')
      assert.equal(error.cause, cause)
    }
    for (const thrown of [new Error('plain'), undefined, { code: 'ENOSPC' }]) {
      assert.equal(translateDiskError(thrown, 'write a', 'writing').code, 'diskFailed')
    }
    const own = new SwarmError('integrity', 'own')
    assert.equal(translateDiskError(own, 'write a', 'writing'), own)
  })

  it('reads in slices at the limited rate and counts the bytes', async () => {
    const clock = new VirtualClock()
    const body = Buffer.alloc(4_000_000, 7)
    const store = open(new Throttle(8_000_000, clock))
    await store.put('a', body)
    const into = Buffer.alloc(body.length)
    const pieces: number[] = []
    await store.getInto('a', into, { onBytes: (bytes) => pieces.push(bytes) })
    assertBytes(into, body)
    assert.ok(Math.max(...pieces) <= 256 * 1024)
    const expectedMs = (body.length / 8_000_000 - BURST_SECONDS) * 1000
    assert.ok(Math.abs(clock.nowMs() - expectedMs) <= 5, `${clock.nowMs()} ms`)
    assert.equal(meter.read().readBytes, body.length)
    assert.equal(meter.read().writtenBytes, body.length)
    assert.deepEqual(meter.read().requests, { get: 1, put: 1, size: 0, list: 0, delete: 0 })
  })
})
