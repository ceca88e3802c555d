// How the S3 store takes each fault of a server or network, with and without the retries above it.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { SwarmError } from '../../src/base/errors.ts'
import { systemClock } from '../../src/store/clock.ts'
import { Meter } from '../../src/store/meter.ts'
import { RetryStore } from '../../src/store/retry-store.ts'
import { S3Store, type S3StoreOptions } from '../../src/store/s3-store.ts'
import { Throttle } from '../../src/store/throttle.ts'
import { assertBytes, withCode } from '../conformance/object-store.ts'
import { FaultS3 } from '../support/fault-s3.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const BODY = randomBytes(700_000)
const KEY = 'chunks/ab/abcd'
/** Long enough for a loopback answer on a loaded machine, short enough to wait for. */
const IDLE_TIMEOUT_MS = 400

describe('S3 store and a faulty server', () => {
  let server: FaultS3
  let clock: VirtualClock
  let meter: Meter
  let bare: S3Store
  let store: RetryStore

  function openBare(options: Partial<S3StoreOptions> = {}): S3Store {
    return new S3Store({
      url: 's3://bucket/prefix',
      bucket: 'bucket',
      prefix: 'prefix',
      endpoint: server.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'KEYID', secretAccessKey: 'TOPSECRET' },
      hasEgressCost: true,
      meter,
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      ...options,
    })
  }

  async function read(from: RetryStore | S3Store = store, offset = 0, bytes = BODY.length - offset): Promise<Buffer> {
    const into = Buffer.alloc(bytes)
    await from.getInto(KEY, into, { offset })
    return into
  }

  beforeEach(async () => {
    server = await FaultS3.start()
    server.objects.set(`prefix/${KEY}`, BODY)
    clock = new VirtualClock()
    meter = new Meter()
    bare = openBare()
    store = new RetryStore(bare, clock)
  })

  afterEach(async () => {
    await store.close()
    await server.close()
  })

  function seenRanges(): (string | undefined)[] {
    return server.requests.filter(({ method }) => method === 'GET').map(({ headers }) => headers.range)
  }

  describe('reading', () => {
    it('S1: a body that goes silent is given up and continued at the byte where it stopped', async () => {
      server.failNext('GET', { kind: 'stall', afterBytes: 100_000 })
      assertBytes(await read(), BODY)
      assert.deepEqual(seenRanges(), ['bytes=0-699999', 'bytes=100000-699999'])
      assert.equal(meter.read().readBytes, BODY.length)
    })

    it('S1: an answer that never comes is given up', async () => {
      server.failNext('GET', { kind: 'stall', afterBytes: 0 })
      assertBytes(await read(), BODY)
    })

    it('S2: a body that is cut is continued at the byte where it stopped', async () => {
      server.failNext('GET', { kind: 'cut', afterBytes: 200_000 }, { kind: 'cut', afterBytes: 300_000 })
      assertBytes(await read(), BODY)
      assert.equal(seenRanges().at(-1), 'bytes=500000-699999')
      assert.equal(meter.read().requests.get, 3)
    })

    it('S3: the wanted slice is cut out of a whole object that was sent for a range', async () => {
      server.misbehave(() => ({ kind: 'ignoreRange' }))
      assertBytes(await read(bare, 300_000, 1_000), BODY.subarray(300_000, 301_000))
      assertBytes(await read(bare, 699_000), BODY.subarray(699_000))
      assertBytes(await read(bare), BODY)
    })

    it('S4: another range than the one asked for is rejected and asked for again', async () => {
      server.failNext('GET', { kind: 'shiftRange', byBytes: 10 })
      await assert.rejects(read(bare, 0, 1_000), withRetry('storeUnavailable'))
      server.failNext('GET', { kind: 'shiftRange', byBytes: 10 })
      assertBytes(await read(store, 0, 1_000), BODY.subarray(0, 1_000))
    })

    it('S4: a body without a length that goes on behind the range is rejected', async () => {
      server.misbehave(() => ({ kind: 'surplus', bytes: 1 }))
      await assert.rejects(read(bare, 0, 1_000), withRetry('storeUnavailable'))
    })

    it('S5: a flipped bit passes this layer, whose callers know the hash', async () => {
      server.failNext('GET', { kind: 'flip', atByte: 5 })
      assert.ok(!(await read()).equals(BODY))
    })

    it('S21: no compression is asked for, and a compressed body is rejected', async () => {
      server.failNext('GET', { kind: 'encoded', as: 'gzip' })
      await assert.rejects(read(bare), withRetry('storeUnavailable'))
      assert.equal(server.requests[0]?.headers['accept-encoding'], 'identity')
    })

    it('S10: an object that is not there is reported at once', async () => {
      await assert.rejects(store.get('snapshots/absent/1', 100), withCode('objectNotFound'))
      assert.equal(server.requests.length, 1)
    })

    it('a pause for the rate limit is not taken for silence of the server', async () => {
      // A piece of 64 KiB costs 436 ms here, and the limit on silence is 250 ms.
      const limited = openBare({ throttle: new Throttle(150_000, systemClock), idleTimeoutMs: 250 })
      assertBytes(await read(limited, 0, 150_000), BODY.subarray(0, 150_000))
      assert.equal(meter.read().requests.get, 1)
      await limited.close()
    })

    it('an abort in the middle of a body ends the call with its reason', async () => {
      server.failNext('GET', { kind: 'stall', afterBytes: 1_000 })
      const abort = new AbortController()
      const reason = new Error('enough')
      const call = store.getInto(KEY, Buffer.alloc(BODY.length), {
        signal: abort.signal,
        onBytes: () => abort.abort(reason),
      })
      await assert.rejects(call, reason)
    })
  })

  describe('refusals', () => {
    it('S6: 403 is not tried again and names endpoint, bucket and key id, never the secret', async () => {
      server.misbehave(() => status(403, 'SignatureDoesNotMatch'))
      await assert.rejects(read(), (error: unknown) => {
        assert.ok(error instanceof SwarmError && error.code === 'credentialsRefused')
        for (const part of [server.endpoint, 'bucket', 'KEYID', 'SignatureDoesNotMatch']) {
          assert.ok(error.message.includes(part), `${part} is missing in: ${error.message}`)
        }
        assert.ok(!JSON.stringify([error.message, error.cure, error.details]).includes('TOPSECRET'))
        return true
      })
      assert.equal(server.requests.length, 1)
    })

    it('S7: a request refused for the clock is signed once more with the time of the server', async () => {
      server.clockOffsetMs = 3_600_000
      server.failNext('GET', status(403, 'RequestTimeTooSkewed'))
      assertBytes(await read(), BODY)
      assert.ok(Math.abs((store.clockSkewMs() ?? 0) - 3_600_000) < 60_000)
      const [first = '', second = ''] = server.requests.map(({ headers }) => String(headers['x-amz-date']))
      assert.ok(second > first, `${first} and then ${second}`)
    })

    it('S7: a clock that stays refused is named with its error', async () => {
      server.clockOffsetMs = 3_600_000
      server.misbehave(() => status(403, 'RequestTimeTooSkewed'))
      await assert.rejects(read(), /credential|clock is 3\d\d\d s slow/)
      assert.ok(server.requests.length <= 2)
    })

    it('S20: a redirect is never followed', async () => {
      const other = await FaultS3.start()
      server.misbehave(() => status(307, 'TemporaryRedirect', { location: `${other.endpoint}/bucket/prefix/${KEY}` }))
      await assert.rejects(read(), withCode('storeUnavailable'))
      await assert.rejects(store.put(KEY, BODY), withCode('storeUnavailable'))
      assert.equal(other.requests.length, 0)
      assert.equal(server.requests.length, 2)
      await other.close()
    })

    it('an endpoint where nobody listens is named after a few attempts', async () => {
      const gone = await FaultS3.start()
      await gone.close()
      const lost = new RetryStore(openBare({ endpoint: 'http://127.0.0.1:1' }), clock)
      await assert.rejects(lost.list(''), (error: unknown) => {
        assert.ok(error instanceof SwarmError && error.cure.includes('http://127.0.0.1:1'))
        assert.equal(error.details['attempts'], 6)
        return withCode('storeUnavailable')(error)
      })
      await lost.close()
    })

    it('S17: a listing that repeats itself is stopped', async () => {
      server.misbehave(() => ({ kind: 'repeatPage' }))
      await assert.rejects(store.listFolders(''), withCode('storeUnavailable'))
      assert.ok(server.requests.length <= 3)
    })
  })

  describe('writing', () => {
    it('S11: 429 on a key that another pusher writes at the same time ends as success', async () => {
      server.misbehave(({ method }) => {
        if (method !== 'PUT') return undefined
        server.objects.set('prefix/chunks/cd/cdef', BODY)
        return status(429, 'TooManyRequests')
      })
      assert.equal(await store.putIfAbsent('chunks/cd/cdef', BODY), 'exists')
      assert.deepEqual(
        server.requests.map(({ method }) => method),
        ['PUT', 'HEAD'],
      )
    })

    it('S12: 412 says that the object exists and is not tried again', async () => {
      assert.equal(await store.putIfAbsent(KEY, Buffer.from('other')), 'exists')
      assert.equal(server.requests.length, 1)
      assert.equal(server.objects.get(`prefix/${KEY}`), BODY)
    })

    it('S15: a write whose answer was lost is repeated', async () => {
      server.failNext('PUT', { kind: 'cutAfterStore' })
      await store.put('a/b', Buffer.from('body'))
      assert.equal(server.objects.get('prefix/a/b')?.toString(), 'body')
      assert.equal(meter.read().requests.put, 2)
    })

    it('S15: a creation whose answer was lost is recognised as our own', async () => {
      server.failNext('PUT', { kind: 'cutAfterStore' })
      assert.equal(await store.putIfAbsent('a/mine', Buffer.from('body')), 'created')
    })

    it("S15 S23: another's object is not taken for ours when our answer was lost", async () => {
      server.misbehave(({ method }) => {
        if (method !== 'PUT') return undefined
        server.misbehave(() => undefined)
        return { kind: 'before', run: () => server.objects.set('prefix/a/theirs', Buffer.from('them')) }
      })
      assert.equal(await store.putIfAbsent('a/theirs', Buffer.from('body')), 'exists')
      server.failNext('PUT', status(500, 'InternalError'))
      assert.equal(await store.putIfAbsent('a/theirs', Buffer.from('body')), 'exists')
      assert.equal(server.objects.get('prefix/a/theirs')?.toString(), 'them')
    })
  })

  describe('overload', () => {
    it('S13: a minute of 503 is outlasted by all callers, with few requests', async () => {
      server.misbehave(() => (clock.nowMs() < 60_000 ? status(503, 'SlowDown') : undefined))
      const bodies = await Promise.all(Array.from({ length: 32 }, () => read(store, 0, 1_000)))
      assert.ok(bodies.every((body) => body.equals(BODY.subarray(0, 1_000))))
      assert.ok(clock.nowMs() >= 60_000)
      const refused = server.requests.length - 32
      assert.ok(refused < 32 * 4, `${refused} requests were refused`)
    })

    it('S13: an outage without an end is given up, naming attempts and cause', async () => {
      server.misbehave(() => status(500, 'InternalError'))
      await assert.rejects(read(), (error: unknown) => {
        assert.ok(error instanceof SwarmError && /gave up after 20 attempts.*500 InternalError/.test(error.message))
        return withCode('storeUnavailable')(error)
      })
    })

    it('S14: Retry-After is honoured, and capped', async () => {
      server.failNext('GET', status(503, 'SlowDown', { 'retry-after': '17' }))
      await read()
      assert.equal(clock.nowMs(), 17_000)
      server.failNext('GET', status(429, 'TooManyRequests', { 'retry-after': '86400' }))
      await read()
      assert.equal(clock.nowMs(), 77_000)
    })
  })

  describe('connections', () => {
    it('are used again, by uploads too', async () => {
      for (let round = 0; round < 10; round++) {
        await store.put('a/large', Buffer.alloc(3_000_000))
        await read()
        await store.size(KEY)
      }
      assert.ok(server.connections <= 2, `${server.connections} connections`)
      assert.ok(server.requests.every(({ headers }) => headers.expect === undefined))
    })

    it('are used again after errors and after objects that were not there', async () => {
      for (let round = 0; round < 10; round++) {
        await assert.rejects(store.get('absent', 10))
        assert.equal(await store.size('absent'), undefined)
      }
      assert.ok(server.connections <= 2, `${server.connections} connections`)
    })

    it('stay below the limit, and waiting for one is no failure', async () => {
      const patient = openBare({ idleTimeoutMs: 30_000 })
      await Promise.all(Array.from({ length: 120 }, () => read(patient)))
      await patient.close()
      assert.ok(server.connections <= 48, `${server.connections} connections`)
    })
  })
})

function status(code: number, name: string, headers: Readonly<Record<string, string>> = {}) {
  return { kind: 'status', status: code, code: name, headers } as const
}

function withRetry(code: SwarmError['code']): (error: unknown) => boolean {
  return (error) => withCode(code)(error) && error instanceof SwarmError && error.retry
}
