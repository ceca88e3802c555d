// Runs one command on one host with the system's ssh, which knows the user's keys, agents, jump hosts and aliases. Passwords are never
// asked for: a question on one of a hundred hosts would hold up the rest.

import { execFile, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { SwarmError, systemErrorCode } from '../base/errors.ts'
import type { HostEntry } from './hosts-file.ts'
import { shellWords } from './quoting.ts'

/** Lines of ours begin with this; anything else that a login prints is left alone. */
export const LINE_MARK = 'swarm1 '
const CONNECT_TIMEOUT_S = 15
const ALIVE_INTERVAL_S = 15
const ALIVE_COUNT_MAX = 4
/** An ssh that was told to end, and pipes of one that has ended, get so long. */
const STOP_MS_MAX = 3000
const LINE_CHARACTERS_MAX = 1 << 20
const ERRORS_CHARACTERS_MAX = 4096
/** ssh's own exit code when it, not the remote command, failed. */
const SSH_FAILED = 255

export interface RemoteInit {
  /** What the command reads; the stream's end is the command's end of input. Undefined: nothing. */
  readonly input?: string | Readable | undefined
  /** The input stays open after its text, until the signal ends the command. */
  readonly keepsInputOpen?: boolean
  /** The rest of each line of ours. */
  readonly onLine?: (text: string) => void
  /** Ends the command when it has said nothing and taken nothing for so long. */
  readonly idleMsMax?: number
  readonly signal: AbortSignal
}

export interface RemoteEnd {
  /** Exit code of the command; `undefined` where ssh could not run it, or lost it. */
  readonly code: number | undefined
  /** The end of what it, and ssh, wrote to stderr. */
  readonly errors: string
  readonly timedOut: boolean
}

export class Ssh {
  readonly #command: readonly string[]

  /** `command`: the program and its first arguments, `['ssh']` or `['ssh', '-F', file]`. */
  constructor(command: readonly string[]) {
    this.#command = command
  }

  /** Throws `usage` when there is no such program here. */
  async check(): Promise<void> {
    const [program = 'ssh'] = this.#command
    try {
      await promisify(execFile)(program, ['-V'])
    } catch (cause) {
      if (systemErrorCode(cause) === undefined) return
      throw new SwarmError('usage', `${program} cannot be started here`, {
        blame: 'local',
        cure: 'install the OpenSSH client, or name another with --ssh',
        cause,
      })
    }
  }

  /** A command line with which a person can try whether a host lets them in. */
  trial({ port, destination }: HostEntry): string {
    return shellWords([...this.#command, ...(port === undefined ? [] : ['-p', `${port}`]), destination, 'true'])
  }

  /** Rejects only when the program cannot be started. `remote` is one line for the login shell of whatever kind; no quotes of its own. */
  run(host: HostEntry, remote: string, init: RemoteInit): Promise<RemoteEnd> {
    const [program = 'ssh', ...first] = this.#command
    const port = host.port === undefined ? [] : ['-p', `${host.port}`]
    const child = spawn(program, [...first, ...OPTIONS, ...port, '--', host.destination, remote], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const { idleMsMax, signal, onLine } = init
    let errors = ''
    let timedOut = false
    let heardAtMs = performance.now()
    const heard = (): void => {
      heardAtMs = performance.now()
    }
    let isStopping = false
    let late: NodeJS.Timeout | undefined
    const stop = (): void => {
      if (isStopping) return
      isStopping = true
      child.kill('SIGTERM')
      late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
    }
    const watch = setInterval(
      () => {
        if (idleMsMax === undefined || performance.now() - heardAtMs < idleMsMax) return
        timedOut = true
        stop()
      },
      Math.min(1000, idleMsMax ?? 1000),
    )
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    feed(child.stdin, init, heard)
    const lines = new LineReader((line) => {
      if (line.startsWith(LINE_MARK)) onLine?.(line.slice(LINE_MARK.length))
    })
    // Decoded by the streams: a character may come in two pieces.
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      heard()
      lines.take(piece)
    })
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      heard()
      errors = (errors + piece).slice(-ERRORS_CHARACTERS_MAX)
    })
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearInterval(watch)
        clearTimeout(late)
        signal.removeEventListener('abort', stop)
      }
      child.on('error', (cause) => {
        end()
        reject(new SwarmError('internal', `starting ${program}`, { cause }))
      })
      child.on('exit', () => {
        // A ProxyCommand, or a ControlMaster that stays, may keep our pipes open for as long as it likes.
        clearTimeout(late)
        late = setTimeout(() => {
          child.stdout.destroy()
          child.stderr.destroy()
        }, STOP_MS_MAX)
      })
      child.on('close', (code) => {
        end()
        resolve({ code: code === null || code === SSH_FAILED ? undefined : code, errors: errors.trim(), timedOut })
      })
    })
  }
}

const OPTIONS = [
  '-T',
  ...[
    'BatchMode=yes',
    `ConnectTimeout=${CONNECT_TIMEOUT_S}`,
    `ServerAliveInterval=${ALIVE_INTERVAL_S}`,
    `ServerAliveCountMax=${ALIVE_COUNT_MAX}`,
    'ForwardAgent=no',
    'ForwardX11=no',
    // What a configuration adds to a login by hand: a port that is forwarded already is an error, and so is a second command.
    'ClearAllForwardings=yes',
    'RemoteCommand=none',
  ].flatMap((option) => ['-o', option]),
]

/** A command that ends before it has read everything is no failure of ours: its exit code says what happened. */
function feed(stdin: NodeJS.WritableStream & { end(): void }, init: RemoteInit, heard: () => void): void {
  stdin.on('error', () => undefined)
  const { input, keepsInputOpen } = init
  if (input !== undefined && typeof input !== 'string') {
    input.on('data', heard)
    pipeline(input, stdin).catch(() => undefined)
    return
  }
  if (input !== undefined) stdin.write(input)
  if (keepsInputOpen !== true) stdin.end()
}

/** Pieces of text to whole lines. What is longer than a mebibyte without an end is none of ours and is dropped. */
export class LineReader {
  readonly #onLine: (line: string) => void
  #rest = ''

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  take(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = (lines.pop() ?? '').slice(-LINE_CHARACTERS_MAX)
    for (const line of lines) this.#onLine(line.replace(/\r$/, ''))
  }
}
