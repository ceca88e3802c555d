// The object store's promises on every implementation: a directory, and a real S3 server of another make.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { openStore } from '../../src/store/open-store.ts'
import { conformanceRuns, describeObjectStore, withCode } from '../conformance/object-store.ts'
import { requires } from '../support/prerequisites.ts'
import { type Rgw, sharedRgw } from '../support/rgw.ts'

describeObjectStore('directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'swarm-store-'))
  const { store } = await openStore({ url: pathToFileURL(directory).href, env: {} })
  return {
    store,
    close: async () => {
      await store.close()
      await rm(directory, { recursive: true })
    },
  }
})

describeObjectStore('S3 (Ceph RADOS gateway)', async (context) => {
  const rgw = await sharedRgw(context)
  const { store } = await openStore({ url: `s3://${await rgw.createBucket()}/some/prefix`, env: rgw.env() })
  return { store, close: () => store.close() }
})

describe('S3 permissions (Ceph RADOS gateway)', () => {
  let rgw: Rgw
  before(async function () {
    rgw = await sharedRgw(this)
  })

  it('S6: keys that may only read can list and read, and a write names the key id', async () => {
    const url = `s3://${await rgw.createBucket()}`
    const keys = await rgw.createReader()
    const owner = (await openStore({ url, env: rgw.env() })).store
    const reader = (await openStore({ url, env: rgw.env(keys) })).store
    await owner.put('a/b', Buffer.from('hello'))
    assert.equal((await reader.get('a/b', 5)).toString(), 'hello')
    assert.deepEqual(await reader.listFolders(''), ['a'])
    assert.equal(await reader.size('a/absent'), undefined)
    await assert.rejects(reader.put('a/c', Buffer.from('x')), (error: unknown) => {
      assert.ok(error instanceof Error && error.message.includes(keys.accessKeyId))
      assert.ok(!error.message.includes(keys.secretAccessKey))
      return withCode('credentialsRefused')(error)
    })
    await assert.rejects(reader.delete('a/b'), withCode('credentialsRefused'))
    await Promise.all([owner.close(), reader.close()])
  })

  it('S6: a wrong secret is refused at once on every kind of call', async () => {
    const url = `s3://${await rgw.createBucket()}`
    const { store } = await openStore({ url, env: rgw.env({ ...rgw.owner, secretAccessKey: 'wrong' }) })
    await assert.rejects(store.get('a', 5), withCode('credentialsRefused'))
    await assert.rejects(store.size('a'), withCode('credentialsRefused'))
    await assert.rejects(store.list(''), withCode('credentialsRefused'))
    await assert.rejects(store.putIfAbsent('a', Buffer.from('x')), withCode('credentialsRefused'))
    await store.close()
  })

  it('says that a bucket does not exist', async () => {
    const { store } = await openStore({ url: 's3://nobody-made-this', env: rgw.env() })
    for (const call of [() => store.get('a', 5), () => store.list(''), () => store.put('a', Buffer.from('x'))]) {
      await assert.rejects(call, (error: unknown) => {
        assert.ok(error instanceof Error && error.message.includes('NoSuchBucket'))
        return withCode('storeUnavailable')(error)
      })
    }
    await store.close()
  })
})

after('implementations of the object store', () => {
  if (conformanceRuns.length === 0) return
  console.log(`\n  object store conformance ran on: ${conformanceRuns.join(', ')}`)
  if (requires('rgw')) assert.ok(conformanceRuns.length >= 2, 'the object store suite ran on fewer than two stores')
})
