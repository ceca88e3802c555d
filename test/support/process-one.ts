// A command as process 1 of a process namespace of its own, as in a container without an init: there the kernel drops
// every signal that the process has no handler for, and who starts again has the same number.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** The namespace, and all that runs in it, ends with `unshare`. */
const UNSHARE = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'] as const

/** Why there can be no such namespace here, or undefined when there can. */
export function processOneUnavailable(): string | undefined {
  const [program, ...flags] = UNSHARE
  const { status, stderr, error } = spawnSync(program, [...flags, 'true'], { encoding: 'utf8' })
  if (error !== undefined) return `has no unshare: ${error.message}`
  return status === 0 ? undefined : `allows no process namespace: ${stderr.trim()}`
}

/** The command line that runs a program as process 1. */
export function asProcessOne(program: string, args: readonly string[]): [string, ...string[]] {
  return [...UNSHARE, program, ...args]
}

/** Sends a signal to process 1 in the namespace of `unshare`, from outside, as a container's runtime does. Does nothing when it has ended. */
export function signalProcessOne(unsharePid: number, signal: NodeJS.Signals): void {
  const [child = ''] = readFileSync(`/proc/${unsharePid}/task/${unsharePid}/children`, 'latin1').split(' ')
  if (child === '') return
  const status = readFileSync(`/proc/${child}/status`, 'latin1')
  if (!/^NSpid:.*\t1$/m.test(status)) throw new Error(`process ${child} is not the first of its namespace`)
  process.kill(Number(child), signal)
}
