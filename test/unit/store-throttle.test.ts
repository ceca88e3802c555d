// The rate limit of the store: how many bytes in which time, and whose first.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { BURST_SECONDS } from '../../src/store/limits.ts'
import { Throttle } from '../../src/store/throttle.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const RATE = 8_000_000

/** Reads `bytes` in slices and notes when it is done. */
async function read(throttle: Throttle, bytes: number, done: (bytes: number) => void): Promise<void> {
  const turn = throttle.join()
  for (let rest = bytes; rest > 0; ) {
    const slice = Math.min(rest, throttle.sliceBytes)
    await turn.take(slice)
    rest -= slice
    done(slice)
  }
  turn.leave()
}

describe('throttle', () => {
  it('lets no more pass than rate and burst allow, at any moment, and wastes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 200_000, max: 500_000_000 }),
        fc.array(fc.integer({ min: 1, max: 2_000_000 }), { minLength: 1, maxLength: 6 }),
        async (rate, sizes) => {
          const clock = new VirtualClock()
          const throttle = new Throttle(rate, clock)
          const total = sizes.reduce((sum, size) => sum + size, 0)
          let passed = 0
          await Promise.all(
            sizes.map((size) =>
              read(throttle, size, (bytes) => {
                passed += bytes
                const allowed = rate * BURST_SECONDS + throttle.sliceBytes + (rate * clock.nowMs()) / 1000
                assert.ok(passed <= allowed, `${passed} bytes after ${clock.nowMs()} ms`)
              }),
            ),
          )
          // Waits are whole milliseconds; the bucket keeps what a wait was too long.
          assert.ok(clock.nowMs() <= (total / rate) * 1000 + 2, `${clock.nowMs()} ms for ${total} bytes`)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('serves the oldest read first: reads finish one after the other in order', async () => {
    const clock = new VirtualClock()
    const throttle = new Throttle(RATE, clock)
    const doneAtMs: number[] = []
    const reads = [0, 1, 2, 3].map(async (index) => {
      await read(throttle, RATE, () => {})
      doneAtMs[index] = clock.nowMs()
    })
    await Promise.all(reads)
    doneAtMs.forEach((ms, index) => {
      const expectedMs = (index + 1 - BURST_SECONDS) * 1000
      assert.ok(Math.abs(ms - expectedMs) <= 200, `read ${index} was done at ${ms} ms`)
    })
  })

  it('gives the tokens that the oldest does not ask for to the next', async () => {
    const clock = new VirtualClock()
    const throttle = new Throttle(RATE, clock)
    const idle = throttle.join()
    await read(throttle, RATE, () => {})
    assert.ok(clock.nowMs() <= 1_000)
    idle.leave()
  })

  it('holds back the reads that the rate does not need until an older one leaves', async () => {
    const throttle = new Throttle(RATE, new VirtualClock())
    const [first, second, third] = [throttle.join(), throttle.join(), throttle.join()]
    await first.take(1)
    await second.take(1)
    const order: string[] = []
    const waiting = third.take(1).then(() => order.push('third'))
    await second.take(1).then(() => order.push('second'))
    first.leave()
    await waiting
    assert.deepEqual(order, ['second', 'third'])
  })

  it('lets any number pass one after the other and at once, and forgets who was aborted', async function () {
    // Who passed and stayed in line would hold up all others for ever.
    this.timeout(5_000)
    const clock = new VirtualClock()
    const throttle = new Throttle(RATE, clock)
    const stopped = throttle.pass(RATE, AbortSignal.abort(new Error('stopped')))
    await assert.rejects(stopped, /stopped/)
    for (let index = 0; index < 20; index++) await throttle.pass(RATE / 10)
    await Promise.all(Array.from({ length: 20 }, () => throttle.pass(RATE / 10)))
    // A pass in the red waits for a full bucket, so that all but the first cost their bytes.
    assert.ok(clock.nowMs() > 3_500 && clock.nowMs() <= 4_000, `${clock.nowMs()} ms`)
  })

  it('lets an aborted read go without spending its tokens', async () => {
    const clock = new VirtualClock()
    const throttle = new Throttle(1_000, clock)
    const turn = throttle.join()
    await turn.take(100)
    const abort = new AbortController()
    const taking = turn.take(1_000_000, abort.signal)
    abort.abort(new Error('enough'))
    await assert.rejects(taking, /enough/)
    await turn.take(100)
    assert.ok(clock.nowMs() <= 101, `${clock.nowMs()} ms`)
    await assert.rejects(turn.take(1, AbortSignal.abort(new Error('before'))), /before/)
  })
})
