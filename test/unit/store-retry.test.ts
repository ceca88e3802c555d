// When the retrying store tries again, how it waits, and what it says when it gives up.

import assert from 'node:assert/strict'
import { SwarmError } from '../../src/base/errors.ts'
import { jitteredWaitMs, SharedBackoff } from '../../src/store/backoff.ts'
import type { GetOptions, ObjectStore } from '../../src/store/object-store.ts'
import { RetryStore } from '../../src/store/retry-store.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

function failing(details: Record<string, unknown> = {}, retry = true): SwarmError {
  return new SwarmError('storeUnavailable', 'broken', { retry, blame: 'origin', details, cure: 'mend it' })
}

/** A store of which only the given calls exist. */
function fake(calls: Partial<ObjectStore>): ObjectStore {
  const missing = () => Promise.reject(new Error('not expected'))
  return {
    url: 's3://fake',
    hasEgressCost: true,
    getInto: missing,
    get: missing,
    put: missing,
    putIfAbsent: missing,
    size: missing,
    list: missing,
    listFolders: missing,
    delete: missing,
    clockSkewMs: () => undefined,
    close: async () => {},
    ...calls,
  }
}

describe('retry store', () => {
  it('S1 S2: continues a read at the byte where it stopped, into the same buffer', async () => {
    const asked: [number, number][] = []
    const getInto = async (_key: string, into: Uint8Array, options: GetOptions = {}) => {
      const { offset = 0 } = options
      asked.push([offset, into.length])
      const bytes = Math.min(30, into.length)
      for (let index = 0; index < bytes; index++) into[index] = offset + index
      options.onBytes?.(bytes)
      if (bytes < into.length) throw failing()
    }
    const into = new Uint8Array(100)
    let reported = 0
    const store = new RetryStore(fake({ getInto }), new VirtualClock())
    await store.getInto('a', into, { offset: 7, onBytes: (bytes) => (reported += bytes) })
    assert.deepEqual(
      [...into],
      [...Array(100).keys()].map((index) => index + 7),
    )
    assert.deepEqual(asked, [
      [7, 100],
      [37, 70],
      [67, 40],
      [97, 10],
    ])
    assert.equal(reported, 100)
  })

  it('does not repeat what cannot pass', async () => {
    for (const error of [failing({}, false), new Error('plain'), new SwarmError('credentialsRefused', 'no')]) {
      let calls = 0
      const size = async () => {
        calls++
        throw error
      }
      await assert.rejects(new RetryStore(fake({ size }), new VirtualClock()).size('a'), error)
      assert.equal(calls, 1)
    }
  })

  it('gives up after a bounded number of attempts, with the last cause and its cure', async () => {
    const clock = new VirtualClock()
    const size = () => Promise.reject(failing({ status: 500 }))
    await assert.rejects(new RetryStore(fake({ size }), clock).size('a/b'), (error: unknown) => {
      assert.ok(error instanceof SwarmError && error.code === 'storeUnavailable')
      assert.match(error.message, /HEAD a\/b: gave up after 20 attempts; the last one: broken/)
      assert.equal(error.cure, 'mend it')
      assert.equal(error.details['attempts'], 20)
      return true
    })
    assert.equal(clock.sleepsMs.length, 19)
    assert.ok(Math.max(...clock.sleepsMs) <= 15_000)
  })

  it('is as patient as ever with an address that did answer before', async () => {
    let calls = 0
    const size = async () => {
      if (calls++ === 0) return 1
      throw failing({ unreachable: true })
    }
    const store = new RetryStore(fake({ size }), new VirtualClock())
    await store.size('a')
    await assert.rejects(store.size('a'), /after 20 attempts/)
  })

  it('stops waiting when it is aborted', async () => {
    const abort = new AbortController()
    const reason = new Error('enough')
    const size = async () => {
      queueMicrotask(() => abort.abort(reason))
      throw failing()
    }
    const store = new RetryStore(fake({ size }), new VirtualClock())
    await assert.rejects(store.size('a', { signal: abort.signal }), reason)
  })
})

describe('shared back-off', () => {
  it('S13: a refusal of one caller holds back all others', async () => {
    const clock = new VirtualClock()
    const backoff = new SharedBackoff(clock)
    const refused = await backoff.admit()
    refused.overloaded(undefined)
    const admitted = await backoff.admit()
    assert.ok(clock.nowMs() >= 199, `${clock.nowMs()} ms`)
    admitted.succeeded()
  })

  it('S13: takes refusals of calls that ran together for one sign', async () => {
    const clock = new VirtualClock()
    const backoff = new SharedBackoff(clock)
    const together = await Promise.all(Array.from({ length: 40 }, () => backoff.admit()))
    for (const admission of together) admission.overloaded(undefined)
    await backoff.admit()
    assert.ok(clock.nowMs() <= 200, `${clock.nowMs()} ms`)
  })

  it('S13: halves the calls at once with each sign, down to one, and recovers with success', async () => {
    const clock = new VirtualClock()
    const backoff = new SharedBackoff(clock)
    for (let round = 0; round < 10; round++) (await backoff.admit()).overloaded(undefined)
    const first = await backoff.admit()
    let running = 0
    const others = Array.from({ length: 3 }, async () => {
      const admission = await backoff.admit()
      running++
      return admission
    })
    await clock.sleep(0)
    assert.equal(running, 0)
    first.succeeded()
    const two = await Promise.all(others.slice(0, 2))
    assert.equal(running, 2)
    for (const admission of two) admission.succeeded()
    for (const admission of await Promise.all(others.slice(2))) admission.succeeded()
  })

  it('lets a caller leave the line', async () => {
    const backoff = new SharedBackoff(new VirtualClock())
    const running = await Promise.all(Array.from({ length: 64 }, () => backoff.admit()))
    const abort = new AbortController()
    const waiting = backoff.admit(abort.signal)
    abort.abort(new Error('enough'))
    await assert.rejects(waiting, /enough/)
    running[0]?.released()
    const next = await backoff.admit()
    next.released()
  })

  it('draws each wait from the whole range up to a bound that doubles', () => {
    const most = new VirtualClock()
    assert.deepEqual(
      [0, 1, 2, 6, 7, 60].map((step) => Math.round(jitteredWaitMs(step, most))),
      [200, 400, 800, 12_800, 15_000, 15_000],
    )
    assert.equal(jitteredWaitMs(9, new VirtualClock(() => 0)), 0)
  })
})
