// From URL and environment to a store: what is understood, what is refused, and with which advice.

import assert from 'node:assert/strict'
import { SwarmError } from '../../src/base/errors.ts'
import { openStore } from '../../src/store/open-store.ts'

const KEYS = { AWS_ACCESS_KEY_ID: 'KEYID', AWS_SECRET_ACCESS_KEY: 'TOPSECRET' }

async function describeUrl(url: string, env: Record<string, string> = {}) {
  const { store, description } = await openStore({ url, env: { ...KEYS, ...env } })
  await store.close()
  return { ...description, hasEgressCost: store.hasEgressCost }
}

async function refusal(url: string, env: Record<string, string> = {}): Promise<SwarmError> {
  try {
    await describeUrl(url, env)
  } catch (error) {
    assert.ok(error instanceof SwarmError)
    return error
  }
  throw new Error(`${url} was not refused`)
}

describe('opening a store', () => {
  it('takes an s3 URL with the defaults of AWS', async () => {
    assert.deepEqual(await describeUrl('s3://bucket/some/prefix/'), {
      url: 's3://bucket/some/prefix',
      endpoint: undefined,
      region: 'us-east-1',
      hasEgressCost: true,
    })
  })

  it('takes endpoint and region from the variables of the SDK', async () => {
    const env = { AWS_ENDPOINT_URL: 'http://all:1', AWS_ENDPOINT_URL_S3: 'http://s3:2/', AWS_DEFAULT_REGION: 'there' }
    const { endpoint, region } = await describeUrl('s3://bucket', env)
    assert.deepEqual([endpoint, region], ['http://s3:2', 'there'])
    assert.equal((await describeUrl('s3://bucket', { AWS_ENDPOINT_URL: 'http://all:1' })).endpoint, 'http://all:1')
    assert.equal((await describeUrl('s3://bucket', { ...env, AWS_REGION: 'here' })).region, 'here')
  })

  it('lets a ticket decide over the environment', async () => {
    const env = { ...KEYS, AWS_ENDPOINT_URL_S3: 'http://s3:2', AWS_REGION: 'here' }
    const opened = await openStore({ url: 's3://bucket', env, endpoint: 'https://ticket', region: 'there' })
    await opened.store.close()
    assert.deepEqual(opened.description, { url: 's3://bucket', endpoint: 'https://ticket', region: 'there' })
  })

  it('makes the endpoint of an r2 URL from the account and counts no egress', async () => {
    assert.deepEqual(await describeUrl('r2://bucket/x', { R2_ACCOUNT_ID: 'account' }), {
      url: 'r2://bucket/x',
      endpoint: 'https://account.r2.cloudflarestorage.com',
      region: 'auto',
      hasEgressCost: false,
    })
    const own = await describeUrl('r2://bucket', { AWS_ENDPOINT_URL_S3: 'https://account.eu.r2.cloudflarestorage.com' })
    assert.equal(own.endpoint, 'https://account.eu.r2.cloudflarestorage.com')
    assert.match((await refusal('r2://bucket')).cure, /R2_ACCOUNT_ID/)
  })

  it('takes a directory, with escapes, and needs no credentials for it', async () => {
    const { store, description } = await openStore({ url: 'file:///tmp/with%20space/', env: {} })
    assert.deepEqual(description, { url: 'file:///tmp/with%20space', endpoint: undefined, region: undefined })
    assert.equal(store.hasEgressCost, false)
    assert.equal(await store.size('absent'), undefined)
  })

  it('refuses what is not a store as a usage error with advice', async () => {
    const bad = [
      '',
      '/dir',
      'bucket',
      'gs://bucket',
      'https://bucket.s3.amazonaws.com',
      's3://',
      's3:///prefix',
      's3://bucket/a//b',
      's3://bucket/../b',
      's3://bucket?x=1',
      's3://bad bucket',
      'file://host/dir',
      'file:///',
      'file://dir',
      'file:///a%2Fb',
      'file:///%zz',
    ]
    for (const url of bad) {
      const error = await refusal(url)
      assert.equal(error.code, 'usage', url)
      assert.match(error.cure, /s3:\/\/bucket\/prefix/)
    }
  })

  it('refuses the public r2.dev addresses', async () => {
    for (const error of [
      await refusal('https://pub-1234.r2.dev/x'),
      await refusal('s3://bucket', { AWS_ENDPOINT_URL_S3: 'https://pub-1234.r2.dev' }),
    ]) {
      assert.equal(error.code, 'usage')
      assert.match(error.message, /r2\.dev/)
    }
  })

  it('refuses credentials in a URL without repeating them', async () => {
    for (const error of [
      await refusal('s3://KEYID:TOPSECRET@bucket'),
      await refusal('s3://bucket', { AWS_ENDPOINT_URL_S3: 'https://KEYID:TOPSECRET@host' }),
      await refusal('s3://bucket', { AWS_ENDPOINT_URL_S3: 'ftp://TOPSECRET' }),
    ]) {
      assert.equal(error.code, 'usage')
      assert.ok(!`${error.message} ${error.cure}`.includes('TOPSECRET'))
    }
  })

  it('S6: reports missing credentials before any work, with the names of the variables', async () => {
    const hidden = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE'] as const
    const before = hidden.map((name) => process.env[name])
    const set = (name: string, value: string | undefined) => {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
    // The SDK's own chain reads the process's environment; a profile that does not exist ends it at once.
    for (const name of hidden) set(name, undefined)
    set('AWS_PROFILE', 'no-such-profile')
    try {
      await assert.rejects(openStore({ url: 's3://bucket', env: {} }), (error: unknown) => {
        assert.ok(error instanceof SwarmError && error.code === 'credentialsRefused')
        assert.match(error.cure, /AWS_ACCESS_KEY_ID.*AWS_SECRET_ACCESS_KEY.*AWS_PROFILE/)
        return true
      })
    } finally {
      hidden.forEach((name, index) => {
        set(name, before[index])
      })
    }
  })
})
