// Names in a store: publishing, racing, finding, and records that are not right.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isSwarmError } from '../../src/base/errors.ts'
import {
  findCurrent,
  findSnapshot,
  listNames,
  obtainSwarmKey,
  publish,
  readSwarmKey,
} from '../../src/node/snapshot-records.ts'
import { snapshotKey, swarmKeyKey } from '../../src/snapshot/object-keys.ts'
import type { ObjectStore } from '../../src/store/object-store.ts'
import { openStore } from '../../src/store/open-store.ts'
import { sampleId } from '../support/snapshot-samples.ts'

describe('snapshot records', () => {
  let folder = ''
  let store: ObjectStore

  beforeEach(async () => {
    folder = await mkdtemp(`${tmpdir()}/swarm-records-`)
    store = (await openStore({ url: `file://${folder}`, env: {} })).store
  })

  afterEach(async () => {
    await store.close()
    await rm(folder, { recursive: true, force: true })
  })

  function record(number: number) {
    return { root: sampleId(number), createdAt: '2026-01-01T00:00:00.000Z', files: 1, rawBytes: 2, encodedBytes: 3 }
  }

  async function code(work: Promise<unknown>): Promise<string> {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    assert.ok(isSwarmError(error), String(error))
    assert.notEqual(error.cure, '')
    return error.code
  }

  it('the highest sequence is current, older ones stay findable by root', async () => {
    for (const number of [1, 2, 3]) assert.equal((await publish(store, 'a/b', record(number), {})).sequence, number)
    assert.deepEqual(await findCurrent(store, 'a/b', {}), { name: 'a/b', sequence: 3, record: record(3) })
    assert.equal((await findSnapshot(store, 'a/b', sampleId(1), {})).sequence, 1)
    assert.equal(await findCurrent(store, 'a', {}), undefined)
    assert.deepEqual(await listNames(store, {}), new Map([['a/b', [1, 2, 3]]]))
  })

  it('S23 S12: pushes that race each get a sequence of their own and nothing is overwritten', async () => {
    const published = await Promise.all([1, 2, 3, 4, 5].map((number) => publish(store, 'x', record(number), {})))
    assert.deepEqual(published.map(({ sequence }) => sequence).sort(), [1, 2, 3, 4, 5])
    for (const { sequence, record: own } of published) {
      const found = await findSnapshot(store, 'x', own.root, {})
      assert.equal(found.sequence, sequence)
    }
  })

  it('S23: publishing ends when every sequence is taken', async () => {
    store.putIfAbsent = async () => 'exists'
    assert.equal(await code(publish(store, 'x', record(1), {})), 'storeUnavailable')
  })

  it('S10: an unknown name leads to near ones', async () => {
    for (const name of ['team/llama-70b', 'team/llama-7b', 'other']) await publish(store, name, record(1), {})
    await assert.rejects(findSnapshot(store, 'team/lama-70b', undefined, {}), (error: unknown) => {
      assert.ok(isSwarmError(error) && error.exitCode === 8)
      assert.match(error.cure, /team\/llama-70b or team\/llama-7b/)
      return true
    })
    assert.equal(await code(findSnapshot(store, 'other', sampleId(9), {})), 'snapshotNotFound')
  })

  it('C9: a record that is newer, broken or not ours is refused', async () => {
    const good = { v: 0, ...record(1) }
    const put = (value: unknown) => store.put(snapshotKey('x', 1), Buffer.from(JSON.stringify(value)))
    await put({ ...good, v: 1 })
    assert.equal(await code(findCurrent(store, 'x', {})), 'unsupportedVersion')
    for (const bad of [null, [], 'x', {}, { ...good, v: '0' }, { ...good, root: 'x' }, { ...good, files: -1 }]) {
      await put(bad)
      assert.equal(await code(findCurrent(store, 'x', {})), 'integrity')
    }
    await store.put(snapshotKey('x', 1), Buffer.alloc(5000, '{'))
    assert.ok(isSwarmError(await findCurrent(store, 'x', {}).catch((error: unknown) => error)))
  })

  it('makers of a swarm key that race end up with the same one', async () => {
    const root = sampleId(1)
    assert.equal(await code(readSwarmKey(store, root, {})), 'objectNotFound')
    const keys = await Promise.all(Array.from({ length: 5 }, () => obtainSwarmKey(store, root, {})))
    assert.equal(new Set(keys.map((key) => key.toString('hex'))).size, 1)
    assert.deepEqual(await readSwarmKey(store, root, {}), keys[0])
    await store.put(swarmKeyKey(root), Buffer.alloc(31))
    assert.equal(await code(readSwarmKey(store, root, {})), 'integrity')
    assert.equal(await code(obtainSwarmKey(store, root, {})), 'integrity')
  })
})
