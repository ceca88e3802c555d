// What runs on a host for `bootstrap ssh`, in the program that was just installed there: starts a join that outlives the connection, or attaches
// to the one that runs, and tells what it says; or offers the package to other hosts. Ends when its input does.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { hostname, networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as delay } from 'node:timers/promises'
import { isSwarmError, SwarmError, systemErrorCode } from '../base/errors.ts'
import { parseObject } from '../base/json-line.ts'
import { withLauncherTunables } from '../base/launcher.ts'
import { LINE_MARK, LineReader } from './ssh.ts'

/** A join to be started, or found running. */
export interface JoinJob {
  readonly kind: 'join'
  /** Where notes about joins lie; made, for this user only. */
  readonly runs: string
  readonly directory: string
  readonly root: string
  /** After `swarm`. */
  readonly args: readonly string[]
  /** Besides this process's; never written anywhere. */
  readonly env: Readonly<Record<string, string>>
}

/** A file to be offered to whoever knows the token. */
export interface OfferJob {
  readonly kind: 'offer'
  readonly path: string
  readonly token: string
  /** To be tried first; any other free one else. */
  readonly port: number
}

export type AgentJob = JoinJob | OfferJob

/** Lines of a join that are passed on as they are; of `listening` only the addresses, because its ticket is a secret. */
const TOLD = new Set(['progress', 'waiting', 'ready', 'error'])
/** Who runs, in the folder of a start. */
const NOTE = 'run.json'
const POLL_MS = 200
/** So often a word goes to the other side, which takes a long silence for a lost connection. */
const ALIVE_MS = 10_000
const LOG_PIECE_BYTES = 65_536
const JOB_CHARACTERS_MAX = 1 << 20
const RECEIVERS_MAX = 8

/** Reads a job from `input` and does it. `mainPath` and `execArgv`: how this program was started. */
export async function runAgent(
  input: NodeJS.ReadableStream,
  mainPath: string,
  execArgv: readonly string[],
): Promise<void> {
  const ended = new AbortController()
  const job = await readJob(input, ended)
  // What a login prints may not end its last line.
  process.stdout.write('\n')
  try {
    if (job.kind === 'offer') await offer(job, ended.signal)
    else await follow(startOrFind(job, mainPath, execArgv), ended.signal)
  } catch (error) {
    if (!isSwarmError(error)) throw error
    tell({ type: 'error', code: error.code, exit: error.exitCode, message: error.message, cure: error.cure })
  }
}

function tell(value: { readonly type: string } & Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${LINE_MARK}${JSON.stringify(value)}\n`)
}

/** The first line; the end of the input aborts. */
function readJob(input: NodeJS.ReadableStream, ended: AbortController): Promise<AgentJob> {
  return new Promise((resolve, reject) => {
    const broken = (): void =>
      reject(
        new SwarmError('usage', 'this command is for swarm bootstrap ssh, which sends it a job', { blame: 'caller' }),
      )
    let characters = 0
    const lines = new LineReader((line) => {
      const job = parseJob(line)
      if (job === undefined) broken()
      else resolve(job)
    })
    input.setEncoding('utf8')
    input.on('data', (piece) => {
      characters += String(piece).length
      if (characters > JOB_CHARACTERS_MAX) broken()
      else lines.take(String(piece))
    })
    input.on('end', () => {
      broken()
      ended.abort()
    })
    input.on('error', () => ended.abort())
  })
}

/** Trusted beyond its kind: it comes from whoever could log in as this user. */
function parseJob(line: string): AgentJob | undefined {
  const job = parseObject(line)
  return job?.['kind'] === 'join' || job?.['kind'] === 'offer' ? (job as unknown as AgentJob) : undefined
}

interface Run {
  readonly log: string
  readonly errors: string
  readonly isAlive: () => boolean
}

/**
 * Starts the join unless it runs. Each start has a folder of its own: two agents that start at the same moment, for a host that is listed under
 * two names, must not write over each other; their joins agree about the destination themselves. Throws `destinationLocked` when another
 * snapshot is being restored there.
 */
function startOrFind(job: JoinJob, mainPath: string, execArgv: readonly string[]): Run {
  const id = createHash('sha256').update(`${thisMachine()}\0${job.directory}`).digest('hex').slice(0, 16)
  mkdirSync(job.runs, { recursive: true, mode: 0o700 })
  const earlier = readdirSync(job.runs)
    .filter((name) => name.startsWith(`${id}-`))
    .map((name) => join(job.runs, name))
  for (const folder of earlier) {
    const found = findRun(join(folder, NOTE))
    if (found === undefined) continue
    if (found.root === job.root) return runIn(folder, () => isRunning(found.pid, found.started))
    throw new SwarmError(
      'destinationLocked',
      `${job.directory}: process ${found.pid} restores another snapshot there`,
      {
        cure: `wait for it, or end it: kill ${found.pid}`,
      },
    )
  }
  // One without a note may have been made this moment.
  for (const folder of earlier) if (existsSync(join(folder, NOTE))) rmSync(folder, { recursive: true, force: true })
  return start(job, mkdtempSync(join(job.runs, `${id}-`)), mainPath, execArgv)
}

function runIn(folder: string, isAlive: () => boolean): Run {
  return { log: join(folder, 'join.jsonl'), errors: join(folder, 'join.log'), isAlive }
}

function start(job: JoinJob, folder: string, mainPath: string, execArgv: readonly string[]): Run {
  const run = runIn(folder, () => child.exitCode === null && child.signalCode === null)
  const [out, err] = [run.log, run.errors].map((path) => openSync(path, 'w', 0o600))
  const child = spawn(process.execPath, [...execArgv, mainPath, ...job.args], {
    cwd: '/',
    detached: true,
    env: withLauncherTunables({ ...process.env, ...job.env }),
    stdio: ['ignore', out ?? 'ignore', err ?? 'ignore'],
  })
  for (const descriptor of [out, err]) if (descriptor !== undefined) closeSync(descriptor)
  child.unref()
  const pid = child.pid
  if (pid === undefined) throw new SwarmError('internal', 'the join could not be started')
  const note = join(folder, NOTE)
  const told = { pid, started: startTime(pid), root: job.root, directory: job.directory }
  writeFileSync(`${note}.new`, JSON.stringify(told), { mode: 0o600 })
  renameSync(`${note}.new`, note)
  return run
}

/** A home folder may be shared by many machines, and the number of a process means something on one of them alone, until it starts again. */
function thisMachine(): string {
  const boot = '/proc/sys/kernel/random/boot_id'
  return `${hostname()} ${existsSync(boot) ? readFileSync(boot, 'latin1') : ''}`
}

function findRun(note: string): { pid: number; started: string; root: string } | undefined {
  if (!existsSync(note)) return undefined
  try {
    const { pid, started, root } = JSON.parse(readFileSync(note, 'utf8'))
    return isRunning(pid, started) ? { pid, started, root } : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** A process id may be used again; together with the time it began it names one process. */
function startTime(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? '' : (fields[19] ?? '')
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ESRCH') return ''
    throw error
  }
}

function isRunning(pid: number, started: string): boolean {
  return started !== '' && startTime(pid) === started
}

/** Tells what the join says, from its first line, until it is ready or has ended. */
async function follow(run: Run, signal: AbortSignal): Promise<void> {
  let end: string | undefined
  const decoder = new StringDecoder('utf8')
  const lines = new LineReader((line) => {
    const value = parseObject(line)
    const type = String(value?.['type'])
    if (type === 'listening') tell({ type, addrs: value?.['addrs'] })
    if (!TOLD.has(type) || end !== undefined) return
    tell({ ...value, type })
    if (type === 'ready' || type === 'error') end = type
  })
  const log = openSync(run.log, 'r')
  const alive = setInterval(() => tell({ type: 'alive' }), ALIVE_MS)
  const piece = Buffer.alloc(LOG_PIECE_BYTES)
  try {
    for (;;) {
      // Asked before the log is read: what a process wrote before it ended is there.
      const wasAlive = run.isAlive()
      for (let got = 1; got > 0; ) {
        got = readSync(log, piece, 0, piece.length, null)
        lines.take(decoder.write(piece.subarray(0, got)))
      }
      if (end !== undefined || signal.aborted) return
      if (!wasAlive) break
      await delay(POLL_MS, undefined, { signal }).catch(() => undefined)
    }
  } finally {
    clearInterval(alive)
    closeSync(log)
  }
  tell({
    type: 'error',
    code: 'internal',
    exit: 1,
    message: `the join ended without a word: ${lastLine(run.errors)}`,
    cure: '',
  })
}

function lastLine(path: string): string {
  // A later start forgets joins that have ended.
  if (!existsSync(path)) return ''
  return readFileSync(path, 'utf8').trim().split('\n').at(-1)?.slice(-500) ?? ''
}

/** Gives the file to whoever asks for the token, until the input ends. The receivers hold its checksum; it is no secret. */
async function offer(job: OfferJob, signal: AbortSignal): Promise<void> {
  const { size } = await stat(job.path)
  let receivers = 0
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== `/${job.token}` || receivers >= RECEIVERS_MAX) {
      response.writeHead(receivers >= RECEIVERS_MAX ? 503 : 404).end()
      return
    }
    receivers++
    response.on('close', () => receivers--)
    response.writeHead(200, { 'content-length': size, 'content-type': 'application/octet-stream' })
    createReadStream(job.path)
      .on('error', () => response.destroy())
      .pipe(response)
  })
  const port = await listen(server, job.port)
  tell({ type: 'offering', port, addresses: ownAddresses() })
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  server.close()
  server.closeAllConnections()
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const listening = (): void => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    }
    server.once('error', () => {
      server.once('error', reject)
      server.listen(0, listening)
    })
    server.listen(port, listening)
  })
}

/** Addresses that others may reach, IPv4 first: where there is both, it is the one that more hosts have. */
function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ address, internal }) => !internal && !address.startsWith('fe80:'))
    .sort((left, right) => left.family.localeCompare(right.family))
    .map(({ address }) => address)
}
