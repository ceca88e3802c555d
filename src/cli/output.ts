// Where words go: results to stdout, progress and logs to stderr, with --json one object a line on stdout.
// The last line of a JSON run is always a summary or an error.

import { appendFileSync } from 'node:fs'
import { isSwarmError, SwarmError, systemErrorCode } from '../base/errors.ts'

export interface OutputOptions {
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  readonly color: 'auto' | 'always' | 'never'
  readonly logFile: string | undefined
}

export class Output {
  readonly options: OutputOptions
  /** Whether progress may be drawn over itself. */
  readonly isTerminal: boolean
  readonly #color: boolean
  #drawn = false

  constructor(options: OutputOptions) {
    this.options = options
    this.isTerminal = process.stderr.isTTY === true && process.env['TERM'] !== 'dumb' && !options.json && !options.quiet
    const wanted = process.env['NO_COLOR'] === undefined || process.env['NO_COLOR'] === ''
    this.#color = options.color === 'always' || (options.color === 'auto' && this.isTerminal && wanted)
    // `swarm list | head` ends the pipe early; that is no failure.
    for (const stream of [process.stdout, process.stderr]) {
      stream.on('error', (error) => {
        if (systemErrorCode(error) !== 'EPIPE') throw error
      })
    }
  }

  /** A result for a person; nothing with --json. */
  print(text: string): void {
    if (this.options.json) return
    this.clear()
    process.stdout.write(`${text}\n`)
  }

  /** A line for a program; nothing without --json. */
  line(value: { readonly type: string } & Readonly<Record<string, unknown>>): void {
    if (this.options.json) process.stdout.write(`${JSON.stringify(value)}\n`)
  }

  /** Something a person should know; never on stdout. */
  note(text: string): void {
    this.#toLogFile(text)
    if (this.options.quiet) return
    this.clear()
    process.stderr.write(`${text}\n`)
  }

  warn(text: string): void {
    this.line({ type: 'warning', message: text })
    this.note(this.paint('33', `warning: ${text}`))
  }

  /** Details, shown with --verbose and always written to the log file. */
  log(text: string): void {
    if (this.options.verbose) this.note(text)
    else this.#toLogFile(text)
  }

  /** Draws one line over the last one. */
  draw(text: string): void {
    const width = process.stderr.columns ?? 80
    process.stderr.write(`\r\u001b[K${text.slice(0, width - 1)}`)
    this.#drawn = true
  }

  clear(): void {
    if (!this.#drawn) return
    process.stderr.write('\r\u001b[K')
    this.#drawn = false
  }

  paint(code: string, text: string): string {
    return this.#color ? `\u001b[${code}m${text}\u001b[0m` : text
  }

  /** Says how a command failed; returns the exit code. */
  failed(error: unknown): number {
    const known = isSwarmError(error) ? error : unexpected(error)
    const { code, exitCode, message, cure } = known
    this.line({ type: 'error', code, exit: exitCode, message, cure })
    this.clear()
    this.#toLogFile(`${code}: ${message}`)
    process.stderr.write(`${this.paint('31', 'swarm:')} ${message}\n`)
    if (cure !== '') process.stderr.write(`  ${cure}\n`)
    if (this.options.verbose && known.cause !== undefined) process.stderr.write(`  cause: ${String(known.cause)}\n`)
    if (known.code === 'internal' && known.cause instanceof Error) process.stderr.write(`${known.cause.stack}\n`)
    return exitCode
  }

  #toLogFile(text: string): void {
    const { logFile } = this.options
    if (logFile !== undefined) appendFileSync(logFile, `${new Date().toISOString()} ${text}\n`, { mode: 0o600 })
  }
}

function unexpected(error: unknown): SwarmError {
  const message = error instanceof Error ? error.message : String(error)
  return new SwarmError('internal', `unexpected: ${message}`, {
    cure: 'this is a fault in swarm; please report it with the lines below',
    cause: error,
  })
}
