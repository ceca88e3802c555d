// The scheduler's steps as JSON lines: at once a log, a dashboard's feed and a bug report. Writes what protocols/trace.md
// specifies; trace-reader.ts reads it.

import { createWriteStream, openSync, type WriteStream } from 'node:fs'
import { Bitfield } from '../base/bitfield.ts'
import { describeError, SwarmError } from '../base/errors.ts'
import type { Micros, PeerId } from '../base/ids.ts'
import type { Action, Event } from '../swarm/events.ts'

export const TRACE_VERSION = 1

/** Everything that a scheduler is made with. */
export interface TracedScheduler {
  readonly self: PeerId
  /** Encoded bytes of each chunk. */
  readonly chunkBytes: ArrayLike<number>
  /** Chunks that were stored at the start. */
  readonly held: Bitfield
  /** Chunks that are asked for before all others; default none. */
  readonly first?: Bitfield
  /** Limits by name; a name that is missing has its default. */
  readonly limits: Readonly<Record<string, number>>
  readonly seed: number
  readonly origin: {
    readonly readable: boolean
    readonly mode: 'auto' | 'once' | 'never'
    readonly copiesMax: number | 'unlimited'
  }
  /** Default: none. */
  readonly site?: string
}

export interface TraceHeader extends TracedScheduler {
  /** Name and version of the program that recorded, for example `swarm/0.1.0`. */
  readonly program: string
}

/** Takes one header, then steps in the order in which they happened. */
export interface Trace {
  begin(header: TraceHeader): void
  step(now: Micros, event: Event, actions: readonly Action[]): void
  /** Resolves when everything is in the file. */
  close(): Promise<void>
}

/** Bytes that wait to be written. A disk that is slower than the trace ends it, not the memory of the process. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024

/**
 * Writes a new file, readable by its owner alone: peer ids and chunk numbers, no keys and no content. What goes wrong
 * later is told to `warn` once, and the trace ends there; the job that it records goes on.
 */
export class FileTrace implements Trace {
  readonly #path: string
  readonly #warn: (text: string) => void
  readonly #out: WriteStream
  #ended = false
  #warned = false

  /** Throws `usage` when the file cannot be made. */
  constructor(path: string, warn: (text: string) => void) {
    this.#path = path
    this.#warn = warn
    this.#out = createWriteStream(path, { fd: openForWriting(path) })
    this.#out.on('error', (error) => this.#give(describeError(error)))
  }

  begin(header: TraceHeader): void {
    this.#write(headerLine(header))
  }

  step(now: Micros, event: Event, actions: readonly Action[]): void {
    this.#write(stepLine(now, event, actions))
  }

  async close(): Promise<void> {
    this.#ended = true
    if (this.#out.destroyed) return
    await new Promise<void>((resolve) => {
      this.#out.once('close', resolve)
      this.#out.end()
    })
  }

  #write(line: string): void {
    if (this.#ended) return
    this.#out.write(`${line}\n`)
    if (this.#out.writableLength > WAITING_BYTES_MAX) this.#give('the disk is slower than the trace')
  }

  #give(reason: string): void {
    this.#ended = true
    if (this.#warned) return
    this.#warned = true
    this.#warn(`the trace ${this.#path} ends here: ${reason}`)
  }
}

export function headerLine({ program, ...init }: TraceHeader): string {
  const scheduler = { ...init, chunkBytes: Array.from(init.chunkBytes) }
  return JSON.stringify({ trace: TRACE_VERSION, program, scheduler }, asJson)
}

export function stepLine(now: Micros, event: Event, actions: readonly Action[]): string {
  return JSON.stringify({ now, event, actions }, asJson)
}

function asJson(_key: string, value: unknown): unknown {
  return value instanceof Bitfield ? { size: value.size, bits: Buffer.from(value.encode()).toString('hex') } : value
}

function openForWriting(path: string): number {
  try {
    return openSync(path, 'w', 0o600)
  } catch (cause) {
    throw new SwarmError('usage', `cannot write the trace ${path}: ${describeError(cause)}`, {
      blame: 'caller',
      cure: 'give --trace a file in a directory that exists and may be written',
      cause,
    })
  }
}
