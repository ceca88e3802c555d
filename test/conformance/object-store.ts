// What every object store promises (src/store/object-store.ts), as tests to run on each implementation.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { SwarmError } from '../../src/base/errors.ts'
import type { ObjectEntry, ObjectStore } from '../../src/store/object-store.ts'

const MIB = 1024 * 1024

export interface StoreFixture {
  readonly store: ObjectStore
  close(): Promise<void>
}

/** Names of the implementations on which the suite has really run in this process. */
export const conformanceRuns: string[] = []

/** Registers the suite. `open` gives an empty store; it may skip the suite through the hook's context. */
export function describeObjectStore(name: string, open: (context: Mocha.Context) => Promise<StoreFixture>): void {
  describe(`object store: ${name}`, () => {
    let fixture: StoreFixture
    let store: ObjectStore
    before(async function () {
      fixture = await open(this)
      store = fixture.store
      conformanceRuns.push(name)
    })
    after(() => fixture?.close())

    describe('whole objects', () => wholeObjects(() => store))
    describe('ranges', () => ranges(() => store))
    describe('creation', () => creation(() => store))
    describe('listing', () => listing(() => store))
    describe('limits', () => limits(() => store))
  })
}

function wholeObjects(store: () => ObjectStore): void {
  it('gives back what was put, of any size, and replaces it', async () => {
    for (const bytes of [0, 1, 65_537, 3 * MIB]) {
      const body = randomBytes(bytes)
      await store().put('whole/object', body)
      assert.equal(await store().size('whole/object'), bytes)
      assertBytes(await store().get('whole/object', bytes), body)
    }
  })

  it('knows no size of an object that is not there and reports objectNotFound when it is read', async () => {
    assert.equal(await store().size('absent/object'), undefined)
    await assert.rejects(store().get('absent/object', 10), withCode('objectNotFound'))
    await assert.rejects(store().getInto('absent/object', new Uint8Array(4)), withCode('objectNotFound'))
    await assert.rejects(store().getInto('absent/object', new Uint8Array(0)), withCode('objectNotFound'))
  })

  it('refuses to read an object above the given size', async () => {
    await store().put('whole/large', new Uint8Array(11))
    await assert.rejects(store().get('whole/large', 10), withCode('integrity'))
  })

  it('does not take a folder for an object', async () => {
    await store().put('nested/folder/object', Buffer.from('x'))
    assert.equal(await store().size('nested/folder'), undefined)
    await assert.rejects(store().get('nested/folder', 10), withCode('objectNotFound'))
    await assert.rejects(store().get('nested/folder/object/deeper', 10), withCode('objectNotFound'))
  })

  it('deletes, and deletes again without complaint', async () => {
    await store().put('gone/object', Buffer.from('x'))
    await store().delete('gone/object')
    await store().delete('gone/object')
    assert.equal(await store().size('gone/object'), undefined)
    assert.deepEqual((await store().list('gone/')).entries, [])
    assert.equal((await store().listFolders('')).includes('gone'), false)
  })
}

function ranges(store: () => ObjectStore): void {
  it('fills the buffer from the given offset and reports each byte once', async () => {
    const body = randomBytes(MIB + 17)
    await store().put('ranges/object', body)
    for (const [offset, bytes] of [
      [0, body.length],
      [0, 1],
      [1, 70_000],
      [MIB, 17],
    ] as const) {
      const into = Buffer.alloc(bytes)
      let reported = 0
      await store().getInto('ranges/object', into, {
        offset,
        onBytes: (more) => {
          reported += more
          assert.ok(into.subarray(0, reported).equals(body.subarray(offset, offset + reported)), 'reported too early')
        },
      })
      assertBytes(into, body.subarray(offset, offset + bytes))
      assert.equal(reported, bytes)
    }
  })

  it('refuses a range that ends behind the object', async () => {
    await store().put('ranges/short', Buffer.alloc(100))
    await assert.rejects(store().getInto('ranges/short', new Uint8Array(101)), withCode('integrity'))
    await assert.rejects(store().getInto('ranges/short', new Uint8Array(10), { offset: 95 }), withCode('integrity'))
    await assert.rejects(store().getInto('ranges/short', new Uint8Array(10), { offset: 200 }), withCode('integrity'))
  })
}

function creation(store: () => ObjectStore): void {
  it('creates once and leaves what is there', async () => {
    assert.equal(await store().putIfAbsent('create/once', Buffer.from('first')), 'created')
    assert.equal(await store().putIfAbsent('create/once', Buffer.from('second')), 'exists')
    assert.equal((await store().get('create/once', 10)).toString(), 'first')
  })

  it('S12 S23: gives racing creators exactly one winner', async () => {
    for (let round = 0; round < 5; round++) {
      const key = `create/race${round}`
      const bodies = Array.from({ length: 8 }, () => randomBytes(100_000))
      const outcomes = await Promise.all(bodies.map((body) => store().putIfAbsent(key, body)))
      const winners = bodies.filter((_, index) => outcomes[index] === 'created')
      assert.equal(winners.length, 1)
      assertBytes(await store().get(key, 100_000), winners[0])
    }
  })

  it('never shows half an object to a reader while it is replaced', async () => {
    const versions = [Buffer.alloc(MIB, 1), Buffer.alloc(MIB, 2)] as const
    await store().put('create/replaced', versions[0])
    let writing = true
    const write = async () => {
      for (let round = 1; round <= 20; round++) await store().put('create/replaced', versions[round % 2 === 0 ? 0 : 1])
      writing = false
    }
    const read = async () => {
      for (let round = 0; round < 500 && writing; round++) {
        const seen = await store().get('create/replaced', MIB)
        assert.ok(versions.some((version) => version.equals(seen)))
      }
    }
    await Promise.all([write(), read(), read()])
  })
}

function listing(store: () => ObjectStore): void {
  it('lists in byte order of the whole key, with size and time', async () => {
    const keys = ['order/a', 'order/a-b', 'order/a.b/c', 'order/a0', 'order/aB/c', 'order/ab/c', 'order/B', 'order/_']
    await Promise.all(keys.map((key) => store().put(key, Buffer.from(key))))
    const { entries, next } = await store().list('order/')
    assert.equal(next, undefined)
    assert.deepEqual(keysOf(entries), keys.toSorted(byteOrder))
    for (const { key, bytes, modifiedMs } of entries) {
      assert.equal(bytes, key.length)
      assert.ok(Number.isInteger(modifiedMs) && modifiedMs > Date.UTC(2020))
    }
  })

  it('orders a folder by its slash and not by its name', async () => {
    const keys = ['slash/a/z', 'slash/a-b', 'slash/a.b', 'slash/a0', 'slash/a/-']
    await Promise.all(keys.map((key) => store().put(key, Buffer.from('x'))))
    assert.deepEqual(keysOf((await store().list('slash/')).entries), keys.toSorted(byteOrder))
    assert.deepEqual(keysOf((await store().list('slash/', 'slash/a/-')).entries), ['slash/a/z', 'slash/a0'])
  })

  it('takes a prefix that ends within a component, and none', async () => {
    await Promise.all(['part/abc', 'part/abd/e', 'part/b'].map((key) => store().put(key, Buffer.from('x'))))
    assert.deepEqual(keysOf((await store().list('part/ab')).entries), ['part/abc', 'part/abd/e'])
    assert.deepEqual(keysOf((await store().list('part/absent')).entries), [])
    assert.deepEqual(keysOf((await store().list('absent/folder/')).entries), [])
    assert.ok(keysOf((await store().list('')).entries).includes('part/b'))
  })

  it('pages through more than a thousand keys without loss or repetition', async () => {
    const keys = Array.from({ length: 1_203 }, (_, index) => `pages/${index % 7}/${String(index).padStart(5, '0')}`)
    await inParallel(keys, (key) => store().put(key, Buffer.from('x')))
    const seen: string[] = []
    let pages = 0
    for (let after: string | undefined, more = true; more; more = after !== undefined) {
      const page = await store().list('pages/', after)
      assert.ok(page.entries.length <= 1_000)
      seen.push(...keysOf(page.entries))
      after = page.next
      pages++
    }
    assert.equal(pages, 2)
    assert.deepEqual(seen, keys.toSorted(byteOrder))
  })

  it('names the folders that hold objects', async () => {
    const keys = ['top/one/x', 'top/one/y', 'top/two/deep/x', 'top/file', 'top/three.3/x']
    await Promise.all(keys.map((key) => store().put(key, Buffer.from('x'))))
    assert.deepEqual((await store().listFolders('top/')).toSorted(), ['one', 'three.3', 'two'])
    assert.deepEqual(await store().listFolders('top/two/'), ['deep'])
    assert.deepEqual(await store().listFolders('top/two/deep/'), [])
    assert.deepEqual(await store().listFolders('absent/'), [])
    assert.ok((await store().listFolders('')).includes('top'))
  })
}

function limits(store: () => ObjectStore): void {
  it('refuses keys that could leave the store or mean something else elsewhere', async () => {
    const bad = ['', '/a', 'a/', 'a//b', '..', 'a/../b', './a', 'a/.', 'a b', 'a\\b', 'ä', 'a\0', 'x'.repeat(513)]
    for (const key of bad) {
      await assert.rejects(async () => store().put(key, Buffer.from('x')), withCode('usage'), JSON.stringify(key))
      await assert.rejects(async () => store().get(key, 1), withCode('usage'), JSON.stringify(key))
    }
    await assert.rejects(async () => store().list('../'), withCode('usage'))
  })

  it('rejects with the reason of the signal', async () => {
    await store().put('abort/object', Buffer.alloc(4 * MIB))
    const reason = new Error('enough')
    const early = AbortSignal.abort(reason)
    await assert.rejects(store().get('abort/object', 4 * MIB, { signal: early }), reason)
    await assert.rejects(store().put('abort/other', Buffer.from('x'), { signal: early }), reason)
    const late = new AbortController()
    const reading = store().getInto('abort/object', Buffer.alloc(4 * MIB), {
      signal: late.signal,
      onBytes: () => late.abort(reason),
    })
    // A file may be read whole in one step, before the abort: then the read has simply succeeded.
    await reading.catch((error: unknown) => assert.equal(error, reason))
    assert.equal(await store().size('abort/other'), undefined)
  })

  it('gives its own clock against ours once it has answered', async () => {
    await store().put('clock/object', Buffer.from('x'))
    const skewMs = store().clockSkewMs()
    assert.ok(skewMs !== undefined && Math.abs(skewMs) < 60_000)
  })
}

/** Like deepEqual, but a failure does not print megabytes. */
export function assertBytes(actual: Uint8Array, expected: Uint8Array | undefined): void {
  assert.equal(actual.length, expected?.length)
  const wrong = actual.findIndex((byte, index) => byte !== expected?.[index])
  assert.ok(wrong === -1, `byte ${wrong} of ${actual.length} is wrong`)
}

/** A check for `assert.rejects`. */
export function withCode(code: SwarmError['code']): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof SwarmError)) throw error
    assert.equal(error.code, code, error.message)
    return true
  }
}

function keysOf(entries: readonly ObjectEntry[]): string[] {
  return entries.map((entry) => entry.key)
}

function byteOrder(first: string, second: string): number {
  return Buffer.compare(Buffer.from(first), Buffer.from(second))
}

async function inParallel<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const rest = items.values()
  const worker = async () => {
    for (const item of rest) await work(item)
  }
  await Promise.all(Array.from({ length: 16 }, worker))
}
