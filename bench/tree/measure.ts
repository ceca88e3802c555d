// Runs commands one after the other and says what each took: wall clock, and processor time by the kernel's sum over wait4.

import { spawn } from 'node:child_process'
import { cpuSecondsOfChildren } from '../fanout/cpu-time.ts'
import { touchMemory } from '../memory.ts'
import { spread, spreadText } from '../spread.ts'

export interface Command {
  readonly contender: string
  readonly command: string
  readonly args: readonly string[]
  /** Added to ours. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Taken {
  readonly contender: string
  readonly seconds: number
  /** Of the command and all that it started. */
  readonly cpuSeconds: number
}

/**
 * Runs a command that must succeed and that handles so many raw bytes, after it has touched memory for them. Nothing else that
 * this process started may end meanwhile.
 */
export async function take({ contender, command, args, env }: Command, rawBytes: number): Promise<Taken> {
  await touchMemory(rawBytes)
  const before = { at: performance.now(), cpu: cpuSecondsOfChildren() }
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } })
  let said = ''
  child.stderr.on('data', (bytes: Buffer) => {
    said = (said + bytes).slice(-4000)
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${said}`)
  return {
    contender,
    seconds: (performance.now() - before.at) / 1000,
    cpuSeconds: cpuSecondsOfChildren() - before.cpu,
  }
}

/** One line for each contender, with its median and its range, for each GB of raw bytes. */
export function report(runs: readonly Taken[], rawBytes: number, parameters: object, isJson: boolean): void {
  const gigabytes = rawBytes / 1e9
  for (const contender of new Set(runs.map((run) => run.contender))) {
    const own = runs.filter((run) => run.contender === contender)
    const seconds = spread(own.map((run) => run.seconds))
    const cpuPerGB = spread(own.map((run) => run.cpuSeconds / gigabytes))
    if (isJson) console.log(JSON.stringify({ type: 'tree', contender, seconds, cpuPerGB, ...parameters }))
    else console.log(`${contender.padEnd(14)} ${spreadText(seconds)} s  ${spreadText(cpuPerGB)} CPU-s for each raw GB`)
  }
  if (!isJson) console.log(JSON.stringify({ rawBytes, ...parameters }))
}
