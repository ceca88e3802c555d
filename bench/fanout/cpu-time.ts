// CPU time from the kernel's own counters: of processes, of this process's children, and of the whole machine.

import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'

/** What the kernel shows to programs, whatever its own timer does. */
const TICKS_PER_SECOND = 100
const QUIET_SAMPLE_MS = 1000
/** Samples in a row, and the share of all processors that may be busy in each. */
const QUIET_SAMPLES = 3
const QUIET_BUSY_MAX = 0.15

/** Of this process's children that have ended, and of their own: the kernel's sum over wait4, user and system. */
export function cpuSecondsOfChildren(): number {
  return readTicks('self').children / TICKS_PER_SECOND
}

/** Of running processes and of their children that have ended, user and system. */
export function cpuSecondsOf(pids: readonly number[]): number {
  return pids.map(readTicks).reduce((sum, { own, children }) => sum + (own + children) / TICKS_PER_SECOND, 0)
}

/** Of everything on the machine, interrupts included. */
export function cpuSecondsOfMachine(): number {
  const line = /^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? ''
  const [user = 0, nice = 0, system = 0, , , interrupt = 0, softInterrupt = 0, stolen = 0] = line.split(' ').map(Number)
  return (user + nice + system + interrupt + softInterrupt + stolen) / TICKS_PER_SECOND
}

/** Waits until other work on the machine pauses, at most `limitMs`. Returns whether it did. */
export async function untilQuiet(limitMs: number): Promise<boolean> {
  let quiet = 0
  for (const startedAt = performance.now(); performance.now() - startedAt < limitMs; ) {
    const before = { cpu: cpuSecondsOfMachine(), at: performance.now() }
    await wait(QUIET_SAMPLE_MS)
    const seconds = (performance.now() - before.at) / 1000
    const busy = (cpuSecondsOfMachine() - before.cpu) / seconds / availableParallelism()
    quiet = busy <= QUIET_BUSY_MAX ? quiet + 1 : 0
    if (quiet === QUIET_SAMPLES) return true
  }
  return false
}

function readTicks(pid: number | 'self'): { readonly own: number; readonly children: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name, in parentheses, may hold spaces; utime is the twelfth field after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [user = 0, system = 0, childrenUser = 0, childrenSystem = 0] = fields.slice(11, 15).map(Number)
  return { own: user + system, children: childrenUser + childrenSystem }
}
