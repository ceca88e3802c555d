// One swarm process at a time works on a destination. The lock is a file created with O_EXCL that says who holds it; a
// holder that died on this host is recognised by pid and boot, one on another host by a heartbeat that stopped.
// On file systems where exclusive creation lies, the worst case is a double download: files are renamed atomically.

import { readFileSync } from 'node:fs'
import { open, readFile, rename, stat, unlink, utimes } from 'node:fs/promises'
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

/** Takes the lock, taking over from a dead holder; never waits. */
export async function tryLock(path: string, root: string): Promise<LockOutcome> {
  const me: LockHolder = {
    pid: process.pid,
    host: hostname(),
    boot: bootId(),
    processStart: processStart(process.pid) ?? '',
    root,
  }
  for (let attempt = 0; attempt < 5; attempt++) {
    if (await create(path, me)) return { status: 'held', lock: hold(path) }
    const holder = await readHolder(path)
    if (holder === 'gone') continue
    if (holder !== 'unreadable' && !(await isDead(path, holder))) return { status: 'busy', holder }
    if (holder === 'unreadable' && (await ageMs(path)) < LOCK_STALE_MS) {
      return { status: 'busy', holder: { ...me, pid: 0, host: 'unknown', root: '' } }
    }
    // Renaming first means that of two takers only one removes the stale file.
    await rename(path, `${path}.${process.pid}.stale`).catch(ignoreMissing)
    await unlink(`${path}.${process.pid}.stale`).catch(ignoreMissing)
  }
  throw new SwarmError('destinationLocked', `the lock ${path} changes hands too fast`, {
    cure: 'wait for the other swarm processes on this directory to end, then try again',
    retry: true,
  })
}

/** Resolves when `done` says so or the lock is free; looks every 200 ms. */
export async function waitWhileLocked(path: string, done: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  for (;;) {
    if (await done()) return
    const holder = await readHolder(path)
    if (holder === 'gone' || (holder !== 'unreadable' && (await isDead(path, holder)))) return
    await delay(LOCK_POLL_MS, undefined, { signal })
  }
}

async function create(path: string, holder: LockHolder): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o644)
    try {
      await file.writeFile(`${JSON.stringify(holder)}\n`)
    } finally {
      await file.close()
    }
    return true
  } catch (cause) {
    if (systemErrorCode(cause) === 'EEXIST') return false
    throw diskError(`locking with ${path}`, cause)
  }
}

function hold(path: string): HeldLock {
  const heartbeat = setInterval(() => {
    const now = new Date()
    utimes(path, now, now).catch(ignoreMissing)
  }, LOCK_HEARTBEAT_MS)
  heartbeat.unref()
  return {
    async release() {
      clearInterval(heartbeat)
      await unlink(path).catch(ignoreMissing)
    },
  }
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
