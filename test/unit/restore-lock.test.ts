// Who holds a destination, and when a lock counts as left behind.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { SwarmError } from '../../src/base/errors.ts'
import { LOCK_STALE_MS } from '../../src/restore/limits.ts'
import { type LockHolder, tryLock, waitWhileLocked } from '../../src/restore/lock.ts'

const FOREVER = async (): Promise<boolean> => false

describe('lock', () => {
  let folder = ''
  let path = ''

  beforeEach(async () => {
    folder = await mkdtemp(`${tmpdir()}/swarm-lock-`)
    path = `${folder}/lock`
  })

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  async function held(root = 'root') {
    const outcome = await tryLock(path, root)
    assert.ok(outcome.status === 'held', JSON.stringify(outcome))
    return outcome.lock
  }

  /** This process, as its lock describes it, with changes. */
  async function holder(change: Partial<LockHolder> = {}): Promise<LockHolder> {
    const lock = await held()
    const me: LockHolder = JSON.parse(await readFile(path, 'utf8'))
    await lock.release()
    return { ...me, ...change }
  }

  async function status(content: unknown, ageMs = 0): Promise<string> {
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
    const then = new Date(Date.now() - ageMs)
    await utimes(path, then, then)
    const outcome = await tryLock(path, 'other')
    if (outcome.status === 'held') await outcome.lock.release()
    await rm(path, { force: true })
    return outcome.status
  }

  it('D11: is held once, says by whom and for what, and is free after release', async () => {
    const lock = await held()
    const second = await tryLock(path, 'other')
    assert.ok(second.status === 'busy')
    assert.equal(second.holder.pid, process.pid)
    assert.equal(second.holder.host, hostname())
    assert.equal(second.holder.root, 'root')
    await lock.release()
    assert.deepEqual(await readdir(folder), [])
    await (await held('other')).release()
  })

  it('D11: of many at once exactly one gets it, and nobody sees half a lock', async () => {
    const outcomes = await Promise.all(Array.from({ length: 30 }, () => tryLock(path, 'root')))
    assert.equal(outcomes.filter(({ status: found }) => found === 'held').length, 1)
    for (const outcome of outcomes) if (outcome.status === 'busy') assert.equal(outcome.holder.root, 'root')
  })

  it('D11: a dead process, one from before a restart, and a pid that was used again are taken over', async () => {
    const dead = spawnSync('true').pid
    assert.equal(await status(await holder({ pid: dead })), 'held')
    assert.equal(await status(await holder({ boot: 'another boot' })), 'held')
    assert.equal(await status(await holder({ processStart: '1' })), 'held')
    assert.equal(await status(await holder()), 'busy')
  })

  it('a holder on another host is believed while its heart beats', async () => {
    const foreign = await holder({ host: 'elsewhere', boot: 'another boot', pid: 1 })
    assert.equal(await status(foreign), 'busy')
    assert.equal(await status(foreign, LOCK_STALE_MS * 2), 'held')
  })

  it('a lock that cannot be read is believed for a while', async () => {
    for (const content of ['', 'garbage', '{"pid":"x"}', '[]', 'null']) {
      assert.equal(await status(content), 'busy')
      assert.equal(await status(content, LOCK_STALE_MS * 2), 'held')
    }
  })

  it('D11: of many takers of a stale lock exactly one gets it', async () => {
    const stale = JSON.stringify(await holder({ boot: 'another boot' }))
    for (let round = 0; round < 200; round++) {
      await writeFile(path, stale)
      const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => tryLock(path, 'root')))
      const winners = outcomes.filter((found) => found.status === 'fulfilled' && found.value.status === 'held')
      assert.equal(winners.length, 1, JSON.stringify(outcomes))
      assert.deepEqual(await readdir(folder), ['lock'])
      await rm(path)
    }
  })

  it('D11: a taker that died while it took a stale lock over leaves nothing in the way', async () => {
    const dead = JSON.stringify(await holder({ boot: 'another boot' }))
    for (const name of ['lock', 'lock.takeover', 'lock.takeover.takeover']) await writeFile(`${folder}/${name}`, dead)
    await (await held()).release()
    assert.deepEqual(await readdir(folder), [])
  })

  it('D11: a stale lock that another takes over is busy', async () => {
    const taker = await holder({ root: 'taken over' })
    await writeFile(`${path}.takeover`, JSON.stringify(taker))
    await writeFile(path, JSON.stringify({ ...taker, boot: 'another boot' }))
    const outcome = await tryLock(path, 'root')
    assert.ok(outcome.status === 'busy')
    assert.equal(outcome.holder.root, 'taken over')
  })

  it('release leaves a lock that somebody else has taken over', async () => {
    const lock = await held()
    const other = JSON.stringify({ pid: 1, host: 'elsewhere', boot: '', processStart: '', root: 'r' })
    await writeFile(path, other)
    await lock.release()
    assert.equal(await readFile(path, 'utf8'), other)
  })

  it('waiting ends when the lock goes, when the work is done, and with the reason of an abort', async () => {
    const signal = new AbortController().signal
    const lock = await held()
    await waitWhileLocked(path, async () => true, signal)
    const waiting = waitWhileLocked(path, FOREVER, signal)
    await lock.release()
    await waiting
    const again = await held()
    const reason = new SwarmError('interrupted', 'interrupted')
    const abort = new AbortController()
    const aborted = waitWhileLocked(path, FOREVER, abort.signal)
    abort.abort(reason)
    await assert.rejects(aborted, (error: unknown) => error === reason)
    await again.release()
  })
})
