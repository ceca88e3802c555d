// Runs the built command as a person or a script would: real processes, JSON lines, exit codes. Every run that ends by
// itself is held to the contract of the command line, whatever its test is about.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { inNamespace } from './netns.ts'
import { asProcessOne, signalProcessOne } from './process-one.ts'

const LAUNCHER = fileURLToPath(new URL('../../dist/swarm', import.meta.url))
/** `nobody`, for what root cannot be refused. */
const UNPRIVILEGED_ID = 65_534

export const LISTEN = ['--listen', '/ip4/127.0.0.1/tcp/0'] as const

export interface Line {
  readonly type: string
  readonly [field: string]: unknown
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  readonly cwd?: string
  /** Default true; false leaves out --json and the checks of the contract. */
  readonly json?: boolean
  /** Run without root's powers where the tests run as root. */
  readonly unprivileged?: boolean
  /** Network namespace to run in; default ours. */
  readonly namespace?: string
  /** Run as process 1 of a process namespace; default false. */
  readonly isProcessOne?: boolean
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly lines: readonly Line[]
  readonly stdout: string
  readonly stderr: string
  /** The last line. */
  readonly last: Line
}

const running = new Set<Command>()

/** One `swarm` process. */
export class Command {
  readonly lines: Line[] = []
  stderr = ''
  /** Settles when the process has ended and all its output was read; rejects when it broke the contract. */
  readonly ended: Promise<Ended>
  readonly #child: ChildProcess
  readonly #isProcessOne: boolean
  readonly #watchers = new Set<() => void>()
  #stdout = ''
  #problem: unknown

  constructor(args: readonly string[], options: RunOptions = {}) {
    const json = options.json ?? true
    const owner = options.unprivileged === true && process.getuid?.() === 0 ? { uid: UNPRIVILEGED_ID } : {}
    this.#isProcessOne = options.isProcessOne ?? false
    const all = json ? [...args, '--json'] : args
    const [program, ...rest] = this.#isProcessOne
      ? asProcessOne(LAUNCHER, all)
      : inNamespace(options.namespace, LAUNCHER, all)
    const child = spawn(program, rest, {
      stdio: 'pipe',
      env: { ...cleanEnvironment(), ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...owner,
    })
    this.#child = child
    running.add(this)
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input ?? '')
    child.stderr.on('data', (data) => {
      this.stderr += String(data)
      this.#wake()
    })
    createInterface({ input: child.stdout }).on('line', (line) => this.#take(line, json))
    this.ended = new Promise<Ended>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => {
        running.delete(this)
        const last = this.lines.at(-1) ?? { type: 'nothing' }
        const { lines, stderr } = this
        const result = { code, signal, lines, stdout: this.#stdout, stderr, last }
        try {
          if (this.#problem !== undefined) throw this.#problem
          if (json && signal === null) checkContract(args, result)
          resolve(result)
        } catch (error) {
          reject(error)
        }
        this.#wake()
      })
    })
    // A test that only waits for a line never looks at the end.
    this.ended.catch(() => undefined)
  }

  /** The first line, past or future, that `matches` accepts. Rejects when the process ends without one. */
  async line(matches: string | ((line: Line) => boolean)): Promise<Line> {
    const accepts = typeof matches === 'string' ? (line: Line) => line.type === matches : matches
    for (;;) {
      const found = this.lines.find(accepts)
      if (found !== undefined) return found
      if (!running.has(this)) {
        const last = JSON.stringify(this.lines.at(-1))
        throw new Error(`the process ended without the line: ${last} ${this.stderr}`)
      }
      await new Promise<void>((resolve) => this.#watchers.add(resolve))
    }
  }

  /** Resolves when stderr has words that match; rejects when the process ends without them. */
  async words(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stderr)) {
      if (!running.has(this)) throw new Error(`the process ended without the words ${pattern}: ${this.stderr}`)
      await new Promise<void>((resolve) => this.#watchers.add(resolve))
    }
  }

  /** Sends a signal to this process only. */
  kill(signal: NodeJS.Signals): void {
    if (!running.has(this)) return
    const { pid } = this.#child
    if (this.#isProcessOne && pid !== undefined) signalProcessOne(pid, signal)
    else this.#child.kill(signal)
  }

  #take(line: string, json: boolean): void {
    this.#stdout += `${line}\n`
    try {
      if (json) this.lines.push(parseLine(line))
    } catch (error) {
      this.#problem ??= error
    }
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#watchers) wake()
    this.#watchers.clear()
  }
}

export function start(args: readonly string[], options?: RunOptions): Command {
  return new Command(args, options)
}

export function swarm(args: readonly string[], options?: RunOptions): Promise<Ended> {
  return start(args, options).ended
}

/** Runs and expects success; returns the summary. */
export async function succeed(args: readonly string[], options?: RunOptions): Promise<Line> {
  const { code, last, stderr } = await swarm(args, options)
  assert.equal(code, 0, `swarm ${args.join(' ')}: ${JSON.stringify(last)} ${stderr}`)
  assert.equal(last.type, 'summary')
  return last
}

/** Runs and expects one exit code and a one-line cure; returns the error line. */
export async function fail(exit: number, args: readonly string[], options?: RunOptions): Promise<Line> {
  const { code, last, stderr } = await swarm(args, options)
  assert.equal(code, exit, `swarm ${args.join(' ')}: ${JSON.stringify(last)} ${stderr}`)
  assert.equal(last.type, 'error')
  assert.match(String(last['cure']), /^[^\n]{10,}$/, 'the cure is one line')
  return last
}

/** Does `work` for all items, two at a time. */
export async function eachTwo<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const queue = [...items]
  const lane = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all([lane(), lane()])
}

/** A folder of its own for each suite, removed at its end together with processes that a failed test left behind. */
export function useFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'swarm-test-'))
  // Unprivileged runs work in there as well.
  chmodSync(folder, 0o777)
  after(async () => {
    for (const command of running) command.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })
  return folder
}

/** The number at a path such as `bytes.fromStore`. */
export function number(line: Line, path: string): number {
  let value: unknown = line
  for (const field of path.split('.')) value = Object.entries(Object(value)).find(([key]) => key === field)?.[1]
  assert.equal(typeof value, 'number', `${path} of ${JSON.stringify(line)}`)
  return Number(value)
}

export function text(line: Line, field: string): string {
  const value = line[field]
  assert.equal(typeof value, 'string', `${field} of ${JSON.stringify(line)}`)
  return String(value)
}

const BYTE_FIELDS = ['raw', 'encoded', 'fromStore', 'fromPeers', 'fromSelf', 'toPeers', 'toStore', 'wasted']

/** What every `ready` and `summary` of a transfer holds. */
export function checkReport(line: Line): void {
  for (const field of ['command', 'snapshot', 'device']) text(line, field)
  assert.match(text(line, 'root'), /^[0-9a-f]{64}$/)
  for (const field of ['files', 'seconds', 'chunks', 'peers']) assert.ok(number(line, field) >= 0, field)
  for (const field of BYTE_FIELDS) assert.ok(number(line, `bytes.${field}`) >= 0, field)
  assert.ok(number(line, 'seconds') > 0)
  assert.ok('bound' in line)
}

function checkContract(args: readonly string[], { code, lines, stderr, last }: Ended): void {
  const where = `swarm ${args.join(' ')}: `
  assert.doesNotMatch(stderr, /^\s*\{"/m, `${where}JSON on stderr`)
  assert.equal(last.type, code === 0 ? 'summary' : 'error', `${where}last line of exit ${code}: ${stderr}`)
  for (const line of lines.slice(0, -1)) assert.ok(!['summary', 'error'].includes(line.type), `${where}two last lines`)
  if (last.type === 'summary') text(last, 'command')
  else checkError(where, last, code, stderr)
  for (const line of lines) {
    const isTransfer = ['join', 'push', 'seed'].includes(String(line['command'])) && line['dryRun'] !== true
    if (line.type === 'ready' || (line.type === 'summary' && isTransfer)) checkReport(line)
  }
}

function checkError(where: string, last: Line, code: number | null, stderr: string): void {
  assert.match(text(last, 'code'), /^[a-zA-Z]+$/, `${where}code`)
  assert.equal(last['exit'], code, `${where}exit`)
  assert.ok(text(last, 'message').length > 0, `${where}message`)
  text(last, 'cure')
  assert.ok(stderr.includes(text(last, 'message')), `${where}the message is on stderr too`)
  assert.doesNotMatch(stderr, /^\s+at .*:\d+:\d+\)?$/m, `${where}a stack trace`)
}

function parseLine(line: string): Line {
  const value: unknown = JSON.parse(line)
  assert.ok(typeof value === 'object' && value !== null && 'type' in value, `a line without a type: ${line}`)
  assert.ok(typeof value.type === 'string')
  return { ...value, type: value.type }
}

/** Ours without anything that would change what the command does. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(SWARM_|AWS_|R2_|(NODE_OPTIONS|GLIBC_TUNABLES)$)/.test(name),
  )
  // A profile that does not exist keeps the SDK from asking a metadata service for credentials.
  return { ...Object.fromEntries(entries), AWS_EC2_METADATA_DISABLED: 'true' }
}
