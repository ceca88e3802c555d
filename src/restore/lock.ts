// One swarm process at a time works on a destination. The lock is a file that says who holds it and appears whole, by a hard
// link; a holder that died on this host is recognised by pid and boot, one on another host by a heartbeat that stopped.
// On file systems where links or exclusive creation lie, the worst case is a double download: files are renamed atomically.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { link, readFile, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { SwarmError, systemErrorCode } from '../base/errors.ts'
import { diskError } from './disk-errors.ts'
import { LOCK_HEARTBEAT_MS, LOCK_POLL_MS, LOCK_STALE_MS, STATE_FILE_BYTES_MAX } from './limits.ts'

export interface LockHolder {
  readonly pid: number
  readonly host: string
  /** Of the running kernel; a pid from before a restart means nothing. */
  readonly boot: string
  /** When the process started, in kernel ticks: pids are used again. */
  readonly processStart: string
  /** What the holder restores or serves. */
  readonly root: string
}

export interface HeldLock {
  release(): Promise<void>
}

export type LockOutcome =
  | { readonly status: 'held'; readonly lock: HeldLock }
  | { readonly status: 'busy'; readonly holder: LockHolder }

const WITHOUT_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/** Takes the lock, taking over from a dead holder; never waits. */
export async function tryLock(path: string, root: string): Promise<LockOutcome> {
  const me: LockHolder = {
    pid: process.pid,
    host: hostname(),
    boot: bootId(),
    processStart: processStart(process.pid) ?? '',
    root,
  }
  const inTheWay = await take(path, me)
  return inTheWay === undefined ? { status: 'held', lock: hold(path, me) } : { status: 'busy', holder: inTheWay }
}

/**
 * The holder that is in the way; undefined when the lock is the caller's now. Who may replace the lock of a dead holder is
 * settled by another lock, which is taken in the same way: looking and replacing are two steps, and between them another
 * taker could otherwise replace the lock of one that lives.
 */
async function take(path: string, me: LockHolder): Promise<LockHolder | undefined> {
  for (let attempt = 0; attempt < 5; attempt++) {
    if (await create(path, me)) return undefined
    const found = await look(path, me)
    if (found === 'gone') continue
    if (found !== 'stale') return found
    const turn = `${path}.takeover`
    const ahead = await take(turn, me)
    if (ahead !== undefined) return ahead
    try {
      if ((await look(path, me)) !== 'stale') continue
      await replace(path, me)
      return undefined
    } finally {
      await unlink(turn).catch(ignoreMissing)
    }
  }
  throw new SwarmError('destinationLocked', `the lock ${path} changes hands too fast`, {
    cure: 'wait for the other swarm processes on this directory to end, then try again',
    retry: true,
  })
}

/** Who holds the lock, as far as it can be read; `stale` when its holder is dead. */
async function look(path: string, me: LockHolder): Promise<LockHolder | 'gone' | 'stale'> {
  const holder = await readHolder(path)
  if (holder === 'gone') return 'gone'
  if (holder !== 'unreadable') return (await isDead(path, holder)) ? 'stale' : holder
  return (await ageMs(path)) < LOCK_STALE_MS ? { ...me, pid: 0, host: 'unknown', root: '' } : 'stale'
}

/** Resolves when `done` says so or the lock is free; looks every 200 ms. */
export async function waitWhileLocked(path: string, done: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  for (;;) {
    if (await done()) return
    await delay(LOCK_POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
    const holder = await readHolder(path)
    if (holder === 'gone' || (holder !== 'unreadable' && (await isDead(path, holder)))) return
  }
}

/** Whether the lock is the caller's now. */
async function create(path: string, holder: LockHolder): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`
  const text = `${JSON.stringify(holder)}\n`
  try {
    await writeFile(draft, text, { flag: 'wx' })
    await link(draft, path)
    return true
  } catch (cause) {
    const code = systemErrorCode(cause) ?? ''
    // A network file system may repeat a call whose answer was lost and then report our own link as foreign.
    if (code === 'EEXIST') return (await stat(draft)).nlink > 1
    if (!WITHOUT_LINKS.has(code)) throw diskError(`locking with ${path}`, cause)
    return createInPlace(path, text)
  } finally {
    await unlink(draft).catch(ignoreMissing)
  }
}

/** For file systems without hard links. A kill between creation and content leaves a lock that is stale after a minute. */
async function createInPlace(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: 'wx' })
    return true
  } catch (cause) {
    if (systemErrorCode(cause) === 'EEXIST') return false
    throw diskError(`locking with ${path}`, cause)
  }
}

/** At no time is there no lock. */
async function replace(path: string, holder: LockHolder): Promise<void> {
  const draft = `${path}.${randomUUID()}`
  try {
    await writeFile(draft, `${JSON.stringify(holder)}\n`, { flag: 'wx' })
    await rename(draft, path)
  } catch (cause) {
    await unlink(draft).catch(ignoreMissing)
    throw diskError(`taking over ${path}`, cause)
  }
}

function hold(path: string, me: LockHolder): HeldLock {
  const heartbeat = setInterval(() => {
    const now = new Date()
    // A failure shows as a stale lock on other hosts, where at worst a second process starts.
    utimes(path, now, now).catch(() => undefined)
  }, LOCK_HEARTBEAT_MS)
  heartbeat.unref()
  return {
    async release() {
      clearInterval(heartbeat)
      if (isSame(await readHolder(path), me)) await unlink(path).catch(ignoreMissing)
    },
  }
}

function isSame(a: LockHolder | 'gone' | 'unreadable', b: LockHolder): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

async function readHolder(path: string): Promise<LockHolder | 'gone' | 'unreadable'> {
  try {
    const text = await readFile(path, 'utf8')
    return text.length > STATE_FILE_BYTES_MAX ? 'unreadable' : (parseHolder(text) ?? 'unreadable')
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 'gone'
    throw diskError(`reading the lock ${path}`, error)
  }
}

function parseHolder(text: string): LockHolder | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { pid, host, boot, processStart: start, root } = value as Record<string, unknown>
  if (typeof pid !== 'number' || typeof host !== 'string' || typeof boot !== 'string') return undefined
  if (typeof start !== 'string' || typeof root !== 'string') return undefined
  return { pid, host, boot, processStart: start, root }
}

async function isDead(path: string, holder: LockHolder): Promise<boolean> {
  if (holder.host === hostname()) {
    if (holder.boot !== bootId()) return true
    const start = processStart(holder.pid)
    return start === undefined || (holder.processStart !== '' && start !== holder.processStart)
  }
  return (await ageMs(path)) > LOCK_STALE_MS
}

async function ageMs(path: string): Promise<number> {
  try {
    return Date.now() - (await stat(path)).mtimeMs
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

/** Start time of a live process in kernel ticks; '' where /proc does not tell; undefined when there is no such process. */
function processStart(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : (fields[19] ?? '')
  } catch {
    // No /proc, or no such process: signal 0 tells which.
  }
  try {
    process.kill(pid, 0)
    return ''
  } catch (error) {
    return systemErrorCode(error) === 'EPERM' ? '' : undefined
  }
}

function ignoreMissing(error: unknown): void {
  if (systemErrorCode(error) !== 'ENOENT') throw error
}
