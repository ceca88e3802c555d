// Waiting for what is not there yet: how long, how often, and what is not waited for. The clock is the test's.

import assert from 'node:assert/strict'
import { SwarmError } from '../../src/base/errors.ts'
import { WAIT_POLL_MS_MAX, WAIT_POLL_MS_MIN } from '../../src/node/limits.ts'
import { Patience } from '../../src/node/patience.ts'
import type { StoreClock } from '../../src/store/clock.ts'

/** Time that passes only while somebody sleeps. */
class SleepClock implements StoreClock {
  now = 0
  readonly sleeps: number[] = []

  nowMs(): number {
    return this.now
  }

  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    this.sleeps.push(durationMs)
    this.now += durationMs
    signal?.throwIfAborted()
  }

  random(): number {
    return 0.5
  }
}

const NEVER = new AbortController().signal
const passing = new SwarmError('storeUnavailable', 'overloaded', { retry: true })

describe('patience', () => {
  function make(untilMs: number) {
    const clock = new SleepClock()
    const told: string[] = []
    return { clock, told, patience: new Patience(untilMs, clock, (what) => told.push(what)) }
  }

  it('says nothing and sleeps not where something is found at once', async () => {
    const { patience, clock, told } = make(60_000)
    assert.equal(await patience.find('snapshot', async () => 'here', NEVER), 'here')
    assert.deepEqual([clock.sleeps, told], [[], []])
  })

  it('looks every few seconds, says once what for, and finds what appears', async () => {
    const { patience, clock, told } = make(60_000)
    const look = async () => (clock.now > 20_000 ? 'here' : undefined)
    assert.equal(await patience.find('snapshot', look, NEVER), 'here')
    assert.deepEqual(told, ['snapshot'])
    assert.ok(clock.sleeps.length > 3)
    for (const slept of clock.sleeps) assert.ok(slept >= WAIT_POLL_MS_MIN && slept <= WAIT_POLL_MS_MAX, String(slept))
  })

  it('looks once more when the time is over, then gives up', async () => {
    const { patience, clock } = make(7_000)
    const looks: number[] = []
    const look = async (): Promise<undefined> => void looks.push(clock.now)
    assert.equal(await patience.find('snapshot', look, NEVER), undefined)
    assert.deepEqual([looks[0], looks.at(-1)], [0, 7_000])
    assert.equal(patience.isOver, true)
  })

  it('ends at once where the first look fails: an address may be wrong', async () => {
    const { patience, clock, told } = make(60_000)
    await assert.rejects(
      patience.find('snapshot', () => Promise.reject(passing), NEVER),
      passing,
    )
    assert.deepEqual([clock.sleeps, told], [[], []])
  })

  it('waits through a failure that passes, and ends at once at one that does not', async () => {
    const { patience, clock } = make(60_000)
    const answers: (undefined | SwarmError | string)[] = [undefined, passing, passing, undefined, 'here']
    const look = async () => {
      const answer = answers.shift()
      if (answer instanceof SwarmError) throw answer
      return answer
    }
    assert.equal(await patience.find('snapshot', look, NEVER), 'here')
    const refused = new SwarmError('credentialsRefused', 'refused')
    const before = clock.sleeps.length
    answers.push(undefined, refused, 'never')
    await assert.rejects(patience.find('snapshot', look, NEVER), refused)
    assert.equal(clock.sleeps.length, before + 1)
  })

  it('ends with the last failure where the store is down when the time is over', async () => {
    const { patience } = make(6_000)
    let looks = 0
    const look = async (): Promise<undefined> => {
      if (looks++ > 0) throw passing
    }
    await assert.rejects(patience.find('snapshot', look, NEVER), passing)
  })

  it('an interrupt ends it with its own error', async () => {
    const { patience } = make(60_000)
    const abort = new AbortController()
    const interrupted = new SwarmError('interrupted', 'interrupted')
    let looks = 0
    const look = async (): Promise<undefined> => {
      if (looks++ === 1) abort.abort(interrupted)
    }
    await assert.rejects(patience.find('snapshot', look, abort.signal), interrupted)
    assert.equal(looks, 2)
  })
})
