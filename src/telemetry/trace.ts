// The scheduler's events and actions as JSON lines: at once a log, a dashboard's feed and a bug report.

import { createWriteStream, type WriteStream } from 'node:fs'
import { Bitfield } from '../base/bitfield.ts'
import type { Micros } from '../base/ids.ts'
import type { Action, Event } from '../swarm/events.ts'

export interface Trace {
  step(now: Micros, event: Event, actions: readonly Action[]): void
  close(): void
}

/** Writes one line per step. A trace holds peer ids and chunk numbers, no keys and no content. */
export class FileTrace implements Trace {
  readonly #out: WriteStream

  constructor(path: string) {
    this.#out = createWriteStream(path, { flags: 'w', mode: 0o600 })
  }

  step(now: Micros, event: Event, actions: readonly Action[]): void {
    this.#out.write(`${JSON.stringify({ now, event, actions }, asJson)}\n`)
  }

  close(): void {
    this.#out.end()
  }
}

function asJson(_key: string, value: unknown): unknown {
  return value instanceof Bitfield ? { size: value.size, bits: Buffer.from(value.encode()).toString('hex') } : value
}
