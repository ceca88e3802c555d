// A trace read back, a line at a time: the header, then steps whose events are proved to be ones. Never holds more than one
// line; refuses what is not a trace by its line number; takes a last line that was cut for what it is, the mark of a crash.

import { describeError, SwarmError } from '../base/errors.ts'
import { type Micros, micros, peerId, SITE_CHARACTERS_MAX } from '../base/ids.ts'
import type { Event } from '../swarm/events.ts'
import { TRACE_VERSION, type TraceHeader } from './trace.ts'
import { PEER_ID_LENGTH_MAX, parseEvent } from './trace-events.ts'
import { Fields, MalformedLine, parseInteger, TRACE_CHUNKS_MAX } from './trace-fields.ts'

/** A header of eight million chunks fits. */
export const TRACE_LINE_BYTES_MAX = 128 * 1024 * 1024
const PROGRAM_LENGTH_MAX = 128
const ACTIONS_MAX = 1_000_000
const ORIGIN_MODES = { auto: true, once: true, never: true } as const

export interface TraceStep {
  /** From 1, the header's. */
  readonly line: number
  readonly now: Micros
  readonly event: Event
  /** As recorded; only that each is an object with a `type` was looked at. */
  readonly actions: readonly RecordedAction[]
}

export type RecordedAction = { readonly type: string } & Readonly<Record<string, unknown>>

export interface TraceHandlers {
  header(header: TraceHeader): void
  step(step: TraceStep): void
}

export interface TraceEnd {
  /** The last line was cut, as a crash or a full disk leaves it; everything before it was handed over. */
  readonly isCut: boolean
}

/**
 * Reads to the end. `name` is what messages call the trace. Throws `usage` when it is none or is empty,
 * `unsupportedVersion` when it is newer, `integrity` with the number of the line that breaks the format, and what
 * `pieces` and `handlers` throw.
 */
export async function readTrace(
  pieces: AsyncIterable<Uint8Array>,
  name: string,
  handlers: TraceHandlers,
): Promise<TraceEnd> {
  const reader = new TraceReader(name, handlers)
  for await (const { text, isWhole } of linesOf(pieces, name)) if (!reader.take(text, isWhole)) return { isCut: true }
  reader.end()
  return { isCut: false }
}

class TraceReader {
  readonly #name: string
  readonly #handlers: TraceHandlers
  #line = 0
  #now = 0

  constructor(name: string, handlers: TraceHandlers) {
    this.#name = name
    this.#handlers = handlers
  }

  /** False: this is the last line, and it was cut. */
  take(text: string, isWhole: boolean): boolean {
    this.#line++
    try {
      const value = parseJson(text)
      if (value === undefined && !isWhole && this.#line > 1) return false
      if (this.#line === 1) this.#handlers.header(this.#parseHeader(value))
      else this.#handlers.step(this.#parseStep(value))
      return true
    } catch (error) {
      if (!(error instanceof MalformedLine)) throw error
      throw new SwarmError('integrity', `${this.#name}, line ${this.#line}: ${error.message}`, {
        blame: 'caller',
        cure: 'the trace was changed or damaged after it was recorded; ask for the file again',
        details: { line: this.#line },
      })
    }
  }

  end(): void {
    if (this.#line > 0) return
    throw new SwarmError('usage', `${this.#name} is empty`, {
      blame: 'caller',
      cure: 'the join ended before it had anything to decide, or shared the result of another; record it again',
    })
  }

  #parseHeader(value: unknown): TraceHeader {
    const version = typeof value === 'object' && value !== null && 'trace' in value ? value.trace : undefined
    if (typeof version !== 'number') throw notATrace(this.#name)
    if (version !== TRACE_VERSION) throw otherVersion(this.#name, version)
    const fields = new Fields(value, '')
    const scheduler = fields.object('scheduler')
    const chunkBytes = scheduler.list('chunkBytes', TRACE_CHUNKS_MAX, parseInteger)
    const held = scheduler.bitfield('held')
    const first = scheduler.raw('first') === undefined ? held : scheduler.bitfield('first')
    for (const { size } of [held, first]) {
      if (size !== chunkBytes.length) throw new MalformedLine('a set of chunks is of another size than chunkBytes')
    }
    return {
      program: fields.text('program', PROGRAM_LENGTH_MAX),
      self: peerId(scheduler.text('self', PEER_ID_LENGTH_MAX)),
      chunkBytes,
      held,
      ...(first === held ? {} : { first }),
      limits: parseLimits(scheduler.object('limits')),
      seed: scheduler.integer('seed'),
      origin: parseOrigin(scheduler.object('origin')),
      ...(scheduler.raw('site') === undefined ? {} : { site: scheduler.text('site', SITE_CHARACTERS_MAX, 0) }),
    }
  }

  #parseStep(value: unknown): TraceStep {
    if (value === undefined) throw new MalformedLine('is not JSON')
    const fields = new Fields(value, '')
    const now = fields.integer('now')
    if (now < this.#now) throw new MalformedLine(`time goes back from ${this.#now} to ${now}`)
    this.#now = now
    const event = parseEvent(fields.object('event'))
    return { line: this.#line, now: micros(now), event, actions: fields.list('actions', ACTIONS_MAX, parseAction) }
  }
}

function parseOrigin(fields: Fields): TraceHeader['origin'] {
  const isUnlimited = typeof fields.raw('copiesMax') === 'string'
  return {
    readable: fields.boolean('readable'),
    mode: fields.word('mode', ORIGIN_MODES),
    copiesMax: isUnlimited ? fields.word('copiesMax', { unlimited: true }) : fields.integer('copiesMax', 1),
  }
}

function parseLimits(fields: Fields): Record<string, number> {
  return Object.fromEntries(fields.names().map((name) => [name, fields.integer(name)]))
}

function parseAction(value: unknown, path: string): RecordedAction {
  const type = new Fields(value, path).text('type', 64)
  return { ...(value as object), type }
}

/** Undefined where the text is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

interface TextLine {
  readonly text: string
  /** Whether it ended with a line feed. */
  readonly isWhole: boolean
}

async function* linesOf(pieces: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<TextLine> {
  let waiting: Buffer[] = []
  let waitingBytes = 0
  for await (const piece of pieces) {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
    let start = 0
    for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
      waiting.push(bytes.subarray(start, end))
      yield { text: Buffer.concat(waiting).toString('utf8'), isWhole: true }
      waiting = []
      waitingBytes = 0
      start = end + 1
    }
    if (start === bytes.length) continue
    waiting.push(bytes.subarray(start))
    waitingBytes += bytes.length - start
    if (waitingBytes > TRACE_LINE_BYTES_MAX) throw notATrace(name)
  }
  if (waitingBytes > 0) yield { text: Buffer.concat(waiting).toString('utf8'), isWhole: false }
}

const LINE_FEED = 0x0a

function notATrace(name: string): SwarmError {
  return new SwarmError('usage', `${name} is not a trace`, {
    blame: 'caller',
    cure: 'give the file that swarm join --trace FILE wrote',
  })
}

function otherVersion(name: string, version: number): SwarmError {
  return new SwarmError('unsupportedVersion', `${name} has version ${version} of the format, not ${TRACE_VERSION}`, {
    blame: 'caller',
    cure: 'replay it with the version of swarm that recorded it',
  })
}

/** A stream's own failure in our words. */
export function unreadableTrace(name: string, cause: unknown): SwarmError {
  return new SwarmError('usage', `cannot read the trace ${name}: ${describeError(cause)}`, {
    blame: 'caller',
    cure: 'check the path',
    cause,
  })
}
