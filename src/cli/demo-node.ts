// One `swarm` child process of the demo: started with --json, followed line by line.

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { SwarmError } from '../base/errors.ts'
import { parseObject } from '../base/json-line.ts'
import { withLauncherTunables } from '../base/launcher.ts'
import type { TransferReport } from '../node/join-events.ts'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))

export interface DemoProgress {
  readonly rawBytesDone: number
  readonly rawBytesTotal: number
  readonly fromStore: number
  readonly fromPeers: number
  readonly stage: string
}

export class DemoNode {
  readonly name: string
  progress: DemoProgress | undefined
  /** The last ready or summary line. */
  report: TransferReport | undefined
  readonly done: Promise<TransferReport>
  readonly #child: ChildProcess
  #errors = ''

  /** Starts `swarm ...args --json`; inherits nothing of ours but the environment. */
  constructor(name: string, args: readonly string[]) {
    this.name = name
    const nodeArgs = [...process.execArgv, MAIN, ...args, '--json', '--quiet']
    const child = spawn(process.execPath, nodeArgs, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: withLauncherTunables(process.env),
    })
    this.#child = child
    createInterface({ input: child.stdout }).on('line', (line) => this.#take(line))
    child.stderr.on('data', (data) => {
      this.#errors = (this.#errors + String(data)).slice(-4096)
    })
    this.done = new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => {
        if (code === 0 && this.report !== undefined) resolve(this.report)
        else reject(this.#failure(code, signal))
      })
    })
  }

  /** Ends the process if it still runs. */
  stop(): void {
    if (this.#child.exitCode === null) this.#child.kill('SIGTERM')
  }

  #take(line: string): void {
    const value = parseObject(line)
    const type = value?.['type']
    if (type === 'progress') this.progress = value as unknown as DemoProgress
    if (type === 'ready' || type === 'summary') this.report = value as unknown as TransferReport
  }

  #failure(code: number | null, signal: string | null): SwarmError {
    return new SwarmError('internal', `${this.name} ended with ${code ?? signal}: ${this.#errors.trim()}`, {
      cure: 'the lines above say why; run swarm doctor to see whether this machine lacks something',
    })
  }
}
