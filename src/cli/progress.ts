// Progress of one node, for a terminal (one line drawn over itself), a log (a line every ten seconds) or a program.

import type { NodeEvent } from '../node/join-events.ts'
import { JSON_PROGRESS_MS, PLAIN_PROGRESS_MS, TERMINAL_PROGRESS_MS } from '../node/limits.ts'
import { RateWindow } from '../telemetry/transfer-counts.ts'
import type { Output } from './output.ts'
import { formatBytes, formatSeconds } from './values.ts'

type Progress = Extract<NodeEvent, { type: 'progress' }>

const STAGES: Readonly<Record<Progress['stage'], string>> = {
  finding: 'looking for the snapshot',
  scanning: 'checking what is here',
  fetching: 'fetching',
  finishing: 'finishing files',
  listing: 'listing files',
  encoding: 'encoding',
  publishing: 'publishing',
}

export class ProgressView {
  readonly #output: Output
  readonly #rate = new RateWindow()
  #shownAtMs = Number.NEGATIVE_INFINITY
  #stage: Progress['stage'] | undefined

  constructor(output: Output) {
    this.#output = output
  }

  show(progress: Progress): void {
    const nowMs = performance.now()
    this.#rate.sample(progress.rawBytesDone, nowMs)
    const changed = this.#stage !== progress.stage
    if (nowMs - this.#shownAtMs < this.#intervalMs() && !changed) return
    this.#shownAtMs = nowMs
    this.#stage = progress.stage
    const rate = this.#rate.perSecond()
    const { options, isTerminal } = this.#output
    if (options.json) this.#output.line({ ...progress, rateBytesPerSec: Math.round(rate) })
    else if (isTerminal) this.#output.draw(describe(progress, rate))
    else if (!options.quiet) this.#output.note(describe(progress, rate))
  }

  #intervalMs(): number {
    if (this.#output.options.json) return JSON_PROGRESS_MS
    return this.#output.isTerminal ? TERMINAL_PROGRESS_MS : PLAIN_PROGRESS_MS
  }
}

function describe(progress: Progress, bytesPerSec: number): string {
  const { stage, rawBytesDone: done, rawBytesTotal: total } = progress
  if (stage === 'listing') return STAGES[stage]
  if (total === 0) return `${STAGES[stage]}, ${progress.peers} peers`
  const left = total - done
  const eta = left > 0 && bytesPerSec > 0 ? `, ETA ${formatSeconds(left / bytesPerSec)}` : ''
  const head = `${STAGES[stage]}: ${formatBytes(done)} of ${formatBytes(total)}, ${formatBytes(bytesPerSec)}/s${eta}`
  if (stage === 'scanning') return head
  if (stage === 'publishing') return `${STAGES[stage]}, uploaded ${formatBytes(progress.toStore)}`
  if (stage === 'encoding') return progress.toStore > 0 ? `${head}, uploaded ${formatBytes(progress.toStore)}` : head
  const sources = `store ${formatBytes(progress.fromStore)}, peers ${formatBytes(progress.fromPeers)}`
  return `${head} | ${sources}, here ${formatBytes(progress.fromSelf)} | ${progress.peers} peers`
}
