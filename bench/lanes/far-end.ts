// The other end of one data connection, a process of its own.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { SYSTEM_PYTHON } from '../fanout/programs.ts'

const SCRIPT = fileURLToPath(new URL('far-end.py', import.meta.url))

export type FarRole = 'sink' | 'source'

export class FarEnd {
  readonly #child: ChildProcess
  readonly #input: NodeJS.WritableStream
  /** Resolves when it is connected. */
  readonly up: Promise<unknown>
  readonly #ended: Promise<unknown>

  /** `bytes`: what a sink throws away. */
  constructor(role: FarRole, port: number, records: string, bytes: number) {
    const args = [SCRIPT, role, `${port}`, records, `${bytes}`]
    const child = spawn(SYSTEM_PYTHON, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child = child
    this.#input = child.stdin
    child.stdin.on('error', () => undefined)
    this.#ended = once(child, 'close')
    const died = this.#ended.then(() => Promise.reject(new Error(`the ${role} ended early`)))
    this.up = Promise.race([once(createInterface({ input: child.stdout }), 'line'), died])
  }

  begin(): void {
    this.#input.write('\n')
  }

  async end(): Promise<void> {
    this.#child.kill()
    await this.#ended
  }
}
