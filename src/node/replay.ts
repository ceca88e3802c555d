// Runs a recorded scheduler again: the header makes a new one, the recorded events are its events, and every action must
// come out as it was recorded. After the first step that differs the rest is only counted.

import { createReadStream } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { describeError, isSwarmError, SwarmError } from '../base/errors.ts'
import { parseLimits } from '../swarm/limits.ts'
import { Scheduler } from '../swarm/scheduler.ts'
import type { SchedulerInit } from '../swarm/swarm-state.ts'
import { stepLine, type TraceHeader } from '../telemetry/trace.ts'
import { TraceFacts, type TraceSummary } from '../telemetry/trace-facts.ts'
import { readTrace, type TraceStep, unreadableTrace } from '../telemetry/trace-reader.ts'

const READ_BYTES = 1024 * 1024

/** The first step whose actions came out otherwise. */
export interface Difference {
  /** From 1, the header's. */
  readonly line: number
  /** Since the first step. */
  readonly seconds: number
  /** The recorded event and actions, and the actions of this run. */
  readonly event: unknown
  readonly expected: unknown
  readonly got: unknown
}

export interface Replay extends TraceSummary {
  /** The last line was cut and left out. */
  readonly isCut: boolean
  readonly difference: Difference | null
}

/** `path` may be `-` for stdin. Throws SwarmErrors alone; what is wrong with a line is said with its number. */
export async function replayFile(path: string, signal: AbortSignal): Promise<Replay> {
  const isStdin = path === '-'
  const name = isStdin ? 'the trace on stdin' : path
  const input = isStdin ? process.stdin : createReadStream(path, { highWaterMark: READ_BYTES })
  return replayTrace(readPieces(input, name, signal), name)
}

/** The same for any bytes. `name` is what messages call them. */
export async function replayTrace(pieces: AsyncIterable<Uint8Array>, name: string): Promise<Replay> {
  let run: Run | undefined
  const { isCut } = await readTrace(pieces, name, {
    header: (header) => {
      run = new Run(header, name)
    },
    step: (step) => run?.step(step),
  })
  if (run === undefined) throw new SwarmError('internal', `${name} has no header`)
  return { ...run.facts.read(), isCut, difference: run.difference }
}

/** What a trace must say so that a scheduler with the same arguments can be made. */
export function traceHeader(program: string, init: SchedulerInit): TraceHeader {
  const { self, chunkBytes, held, first, limits, seed, origin, site, ...rest } = init
  // An argument that the header lacks does not compile.
  const complete: Record<string, never> = rest
  const known = { program, self, chunkBytes, held, limits, seed, origin, ...complete }
  return { ...known, ...(first === undefined ? {} : { first }), ...(site === undefined ? {} : { site }) }
}

class Run {
  readonly facts: TraceFacts
  difference: Difference | null = null
  readonly #name: string
  readonly #scheduler: Scheduler
  #firstAt: number | undefined

  constructor(header: TraceHeader, name: string) {
    this.#name = name
    this.facts = new TraceFacts(header)
    this.#scheduler = new Scheduler({ ...header, limits: parseRecordedLimits(header, name) })
  }

  step(step: TraceStep): void {
    this.facts.step(step)
    this.#firstAt ??= step.now
    if (this.difference !== null) return
    const { now, event, actions: expected, line } = step
    const recorded = JSON.stringify(expected)
    const text = this.#run(step)
    if (text === recorded) return
    const got: unknown = JSON.parse(text)
    // The order of fields means nothing.
    if (isDeepStrictEqual(got, JSON.parse(recorded))) return
    const shown: unknown = JSON.parse(stepLine(now, event, []))
    this.difference = { line, seconds: (now - this.#firstAt) / 1e6, event: eventOf(shown), expected, got }
  }

  /** The actions of this run as the trace would hold them. */
  #run({ now, event, line }: TraceStep): string {
    try {
      return JSON.stringify(this.#scheduler.step(event, now))
    } catch (cause) {
      throw new SwarmError('integrity', `${this.#name}, line ${line}: the scheduler stops: ${describeError(cause)}`, {
        cure: 'no scheduler records such a line: either the trace was changed or swarm has a fault; please report it',
        details: { line },
        cause,
      })
    }
  }
}

function eventOf(step: unknown): unknown {
  return typeof step === 'object' && step !== null && 'event' in step ? step.event : step
}

function parseRecordedLimits(header: TraceHeader, name: string): SchedulerInit['limits'] {
  try {
    return parseLimits(header.limits)
  } catch (cause) {
    if (!isSwarmError(cause)) throw cause
    throw new SwarmError('unsupportedVersion', `${name}, line 1: ${cause.message}`, {
      blame: 'caller',
      cure: `replay it with ${header.program}, which recorded it`,
      cause,
    })
  }
}

async function* readPieces(
  input: AsyncIterable<Uint8Array>,
  name: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of input) {
      signal.throwIfAborted()
      yield piece
    }
  } catch (cause) {
    throw isSwarmError(cause) ? cause : unreadableTrace(name, cause)
  }
}
