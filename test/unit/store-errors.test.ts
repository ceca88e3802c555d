// What each failure of an S3 call becomes: code, blame, whether to try again, and the advice.

import assert from 'node:assert/strict'
import type { SwarmError } from '../../src/base/errors.ts'
import { isStoreKey, isStorePrefix } from '../../src/store/keys.ts'
import { type S3Place, translateS3Error } from '../../src/store/s3-errors.ts'

const PLACE: S3Place = {
  url: 's3://bucket/prefix',
  endpoint: 'https://s3.example.com',
  bucket: 'bucket',
  keyId: 'KEYID',
  clockSkewMs: undefined,
}

function answered(status: number, name: string, headers: Record<string, string> = {}, place = PLACE): SwarmError {
  const error = Object.assign(new Error(`${name} it is`), {
    name,
    Code: name,
    $metadata: { httpStatusCode: status },
    $response: { statusCode: status, headers },
  })
  return translateS3Error(error, 'GET a/b', place)
}

function broken(code: string, message = code): SwarmError {
  return translateS3Error(Object.assign(new Error(message), { code }), 'GET a/b', PLACE)
}

describe('failures of S3 calls', () => {
  it('are sorted by what the caller can do', () => {
    for (const [status, name, code, retry] of [
      [400, 'ExpiredToken', 'credentialsRefused', false],
      [400, 'AuthorizationHeaderMalformed', 'storeUnavailable', false],
      [400, 'RequestTimeout', 'storeUnavailable', true],
      [400, 'XAmzContentSHA256Mismatch', 'storeUnavailable', true],
      [400, 'InvalidRequest', 'storeUnavailable', false],
      [401, 'Unauthorized', 'credentialsRefused', false],
      [403, 'AccessDenied', 'credentialsRefused', false],
      [404, 'NoSuchKey', 'objectNotFound', false],
      [404, 'NotFound', 'objectNotFound', false],
      [404, 'NoSuchBucket', 'storeUnavailable', false],
      [409, 'ConditionalRequestConflict', 'storeUnavailable', true],
      [416, 'InvalidRange', 'integrity', false],
      [429, 'TooManyRequests', 'storeUnavailable', true],
      [500, 'InternalError', 'storeUnavailable', true],
      [501, 'NotImplemented', 'storeUnavailable', false],
      [503, 'SlowDown', 'storeUnavailable', true],
    ] as const) {
      const error = answered(status, name)
      assert.deepEqual([error.code, error.retry], [code, retry], name)
      assert.match(error.message, new RegExp(`GET a/b in s3://bucket/prefix .*${status} ${name}`))
    }
  })

  it('S14: keep the wait that the server asked for, in seconds or as a date', () => {
    assert.equal(answered(503, 'SlowDown', { 'retry-after': '7' }).details['retryAfterMs'], 7_000)
    const date = 'Wed, 21 Oct 2026 07:28:00 GMT'
    const later = 'Wed, 21 Oct 2026 07:28:09 GMT'
    assert.equal(answered(503, 'SlowDown', { 'retry-after': later, date }).details['retryAfterMs'], 9_000)
    assert.equal(answered(503, 'SlowDown', { 'retry-after': 'soon', date }).details['retryAfterMs'], undefined)
  })

  it('S6 S7: name the clock when it alone explains a refusal', () => {
    assert.match(answered(403, 'X', {}, { ...PLACE, clockSkewMs: 3_600_000 }).message, /clock is 3600 s slow/)
    assert.match(answered(403, 'X', {}, { ...PLACE, clockSkewMs: -3_600_000 }).message, /clock is 3600 s fast/)
    assert.ok(!answered(403, 'X', {}, { ...PLACE, clockSkewMs: 1_000 }).message.includes('clock'))
  })

  it('S20: show the host of a redirect and not its signature', () => {
    const error = answered(301, 'PermanentRedirect', {
      location: 'https://else.example.com/b?X-Amz-Signature=TOPSECRET',
      'x-amz-bucket-region': 'eu-west-1',
    })
    assert.equal(error.retry, false)
    assert.match(error.message, /to else\.example\.com, region eu-west-1/)
    assert.ok(!error.message.includes('TOPSECRET'))
  })

  it('S2 S18: tell an endpoint that cannot be reached from a connection that broke', () => {
    for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ECONNTIMEOUT']) {
      const error = broken(code, '')
      assert.deepEqual([error.code, error.retry, error.details['unreachable']], ['storeUnavailable', true, true])
      assert.match(error.message, new RegExp(code))
      assert.match(error.cure, /s3\.example\.com/)
    }
    for (const code of ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'HPE_INVALID_CONSTANT']) {
      const error = broken(code)
      assert.deepEqual([error.retry, error.details['unreachable']], [true, undefined], code)
    }
  })

  it('S19: name the issuer of a certificate that is not trusted, and do not try again', () => {
    const cause = Object.assign(new Error('self-signed certificate'), {
      code: 'SELF_SIGNED_CERT_IN_CHAIN',
      cert: { issuer: { O: 'Interceptor Inc' } },
    })
    const error = translateS3Error(cause, 'GET a/b', PLACE)
    assert.equal(error.retry, false)
    assert.match(error.message, /TLS failed.*issued by Interceptor Inc/)
  })

  it('take any thrown value', () => {
    for (const thrown of [
      undefined,
      null,
      'text',
      7,
      new Error('plain'),
      { $metadata: 'x', $response: { headers: 1 } },
    ]) {
      const error = translateS3Error(thrown, 'GET a/b', PLACE)
      assert.deepEqual([error.code, error.retry], ['storeUnavailable', false])
    }
    const again = answered(403, 'X')
    assert.equal(translateS3Error(again, 'other', PLACE), again)
  })
})

describe('keys of a store', () => {
  it('are paths of plain components', () => {
    for (const good of ['a', 'a/b', '.a/_-', 'a..b', 'x'.repeat(512)]) assert.ok(isStoreKey(good), good)
    for (const bad of ['', '/', 'a/', '/a', 'a//b', '.', 'a/..', '../a', 'a b', 'a\n', 'ü', 'x'.repeat(513)]) {
      assert.ok(!isStoreKey(bad), JSON.stringify(bad))
    }
  })

  it('start with prefixes that may end anywhere', () => {
    for (const good of ['', 'a', 'a/', 'a/b', '.']) assert.ok(isStorePrefix(good), good)
    for (const bad of ['/', '../', 'a//', './a', 'a b']) assert.ok(!isStorePrefix(bad), bad)
  })
})
