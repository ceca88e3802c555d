// One process on a host, or of a benchmark without hosts: started in its namespace, read line by line, ended by its id.

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { inNamespace } from '../../test/support/netns.ts'

const LINES_KEPT = 20
const TERM_WAIT_MS = 5000

export class HostProcess {
  readonly #child: ChildProcess
  readonly #name: string
  readonly #watchers = new Set<(line: string) => void>()
  /** Exit code, or null after a signal. */
  readonly ended: Promise<number | null>
  #lastLines: string[] = []

  /** Without a namespace it runs in ours. */
  constructor(namespace: string | undefined, command: readonly [string, ...string[]], folder: string) {
    const [program, ...args] = inNamespace(namespace, command[0], command.slice(1))
    this.#name = command[0]
    // A home of its own: the user's configuration must not change what a rival does.
    const env = { PATH: process.env['PATH'], HOME: folder, LC_ALL: 'C' }
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder, env })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#take(line))
    }
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', resolve)
    })
    this.ended.catch(() => undefined)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Wall clock, ms, of a successful end. */
  async success(): Promise<number> {
    const code = await this.ended
    if (code !== 0) throw this.#failure(`ended with ${code}`)
    return Date.now()
  }

  /** Wall clock, ms, of the first line from now on that matches. */
  async line(pattern: RegExp): Promise<number> {
    const found = new Promise<number>((resolve) => {
      this.#watchers.add((line) => {
        if (pattern.test(line)) resolve(Date.now())
      })
    })
    const died = this.ended.then(() => Promise.reject(this.#failure(`ended without a line ${pattern}`)))
    return await Promise.race([found, died])
  }

  /** Asks it to end, insists after a while, and waits. */
  async end(): Promise<void> {
    const insist = setTimeout(() => this.#kill('SIGKILL'), TERM_WAIT_MS)
    this.#kill('SIGTERM')
    await this.ended.catch(() => undefined)
    clearTimeout(insist)
  }

  #kill(signal: NodeJS.Signals): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal)
  }

  #take(line: string): void {
    this.#lastLines = [...this.#lastLines, line].slice(-LINES_KEPT)
    for (const watch of this.#watchers) watch(line)
  }

  #failure(what: string): Error {
    return new Error(`${this.#name} ${what}: ${this.#lastLines.join(' | ')}`)
  }
}
