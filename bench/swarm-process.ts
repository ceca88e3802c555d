// `swarm` as a user runs it, with JSON lines.

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const SWARM = fileURLToPath(new URL('../dist/swarm', import.meta.url))
/** Where a node listens that shares its machine with others. */
export const LISTEN = ['--listen', '/ip4/127.0.0.1/tcp/0']

export interface Line {
  readonly type: string
  readonly [field: string]: unknown
}

export class SwarmProcess {
  readonly child: ChildProcess
  /** Its exit code, when it has ended and all its output was read. */
  readonly ended: Promise<number | null>
  stderr = ''
  readonly #lines: Line[] = []
  readonly #waiting: { type: string; resolve: (line: Line) => void }[] = []

  /** `env` is added to ours. What it says to people is kept, not shown. */
  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const child = spawn(SWARM, [...args, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    this.child = child
    child.stderr.on('data', (piece) => {
      this.stderr += String(piece)
    })
    createInterface({ input: child.stdout }).on('line', (text) => this.#take(JSON.parse(text)))
    this.ended = new Promise((resolve) => child.on('close', resolve))
  }

  /** The first line of that type, said already or to come. */
  line(type: string): Promise<Line> {
    const seen = this.#lines.find((line) => line.type === type)
    if (seen !== undefined) return Promise.resolve(seen)
    const found = new Promise<Line>((resolve) => this.#waiting.push({ type, resolve }))
    const died = this.ended.then((code) =>
      Promise.reject(new Error(`swarm ended with ${code} before it said ${type}: ${this.stderr}`)),
    )
    return Promise.race([found, died])
  }

  async end(): Promise<void> {
    if (this.child.exitCode === null) this.child.kill('SIGTERM')
    await this.ended
  }

  #take(line: Line): void {
    if (line.type !== 'progress') this.#lines.push(line)
    for (const { type, resolve } of this.#waiting) if (type === line.type) resolve(line)
  }
}
