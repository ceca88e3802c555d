// What every command needs: the global options, one place that opens the store and the codec, and interrupts.

import type { Command } from 'commander'
import { SwarmError } from '../base/errors.ts'
import { SHUTDOWN_MS_MAX } from '../node/limits.ts'
import { openMachine } from '../node/machine.ts'
import { Output } from './output.ts'

/** What a timer of Node can wait: 24 days. One that is given more ends at once. */
const TIMER_MS_MAX = 2 ** 31 - 1

export interface GlobalOptions {
  readonly store?: string
  readonly json?: boolean
  readonly quiet?: boolean
  readonly verbose?: boolean
  readonly color: 'auto' | 'always' | 'never'
  readonly logFile?: string
}

export interface Context {
  readonly output: Output
  readonly machine: ReturnType<typeof openMachine>
  readonly storeUrl: string | undefined
  /** Monotonic ms when the process started. */
  readonly startedAtMs: number
  /** Aborted by the first interrupt, or by the deadline, with the error that the command then ends with. */
  readonly signal: AbortSignal
  /** Ends the command with `deadlineReached` after so many ms. */
  setDeadline(ms: number): void
  /** From now on an interrupt aborts this signal instead and the command ends well. */
  interruptsEndWell(): AbortSignal
}

export function makeContext(command: Command): Context {
  const options = command.optsWithGlobals<GlobalOptions>()
  const output = new Output({
    json: options.json ?? false,
    quiet: options.quiet ?? false,
    verbose: options.verbose ?? false,
    color: options.color,
    logFile: options.logFile,
  })
  const failing = new AbortController()
  const ending = new AbortController()
  let endsWell = false
  let interrupts = 0
  const exit = (error: SwarmError): void => process.exit(endsWell ? 0 : output.failed(error))
  const end = (error: SwarmError): void => {
    // Whatever hangs on the way out, the process ends in time.
    setTimeout(() => exit(error), SHUTDOWN_MS_MAX).unref()
    if (endsWell) ending.abort()
    else failing.abort(error)
  }
  const interrupt = (error: SwarmError): void => {
    interrupts++
    if (interrupts > 1) exit(error)
    else end(error)
  }
  const cure = 'run the same command again: it goes on where it stopped'
  process.on('SIGINT', () => interrupt(new SwarmError('interrupted', 'interrupted', { cure })))
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => interrupt(new SwarmError('terminated', `ended by ${signal}`, { cure })))
  }
  return {
    output,
    machine: openMachine(process.env),
    storeUrl: options.store,
    startedAtMs: 0,
    signal: failing.signal,
    setDeadline(ms) {
      const error = new SwarmError('deadlineReached', `not complete after ${ms / 1000} s`, { cure, retry: true })
      const wait = (leftMs: number): void => {
        const stepMs = Math.min(leftMs, TIMER_MS_MAX)
        setTimeout(() => {
          if (leftMs > stepMs) wait(leftMs - stepMs)
          else if (!endsWell) end(error)
        }, stepMs).unref()
      }
      wait(ms)
    },
    interruptsEndWell() {
      endsWell = true
      return ending.signal
    },
  }
}

/** The store that must be there for this command. */
export function requireStore(context: Context): string {
  if (context.storeUrl !== undefined) return context.storeUrl
  throw new SwarmError('usage', 'no store is given', {
    blame: 'caller',
    cure: 'give --store URL or set SWARM_STORE: s3://bucket/prefix, r2://bucket/prefix or file:///directory',
  })
}
