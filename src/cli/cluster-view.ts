// What every host of a cluster is doing: a table that is drawn over itself on a terminal, a line for each change elsewhere, and one JSON line a
// host when it has ended.

import type { HostState } from '../bootstrap/host-state.ts'
import type { HostEntry } from '../bootstrap/hosts-file.ts'
import type { Output } from './output.ts'
import { formatBytes, formatSeconds } from './values.ts'

const DRAW_MS_MIN = 100
/** Lines that a table leaves of the terminal to what stands above it. */
const OTHER_ROWS = 2
const COLUMNS_DEFAULT = 80
const ROWS_DEFAULT = 24

export class ClusterView {
  readonly #output: Output
  readonly #states = new Map<string, HostState>()
  readonly #nameWidth: number
  #drawnRows = 0
  #drawnAtMs = Number.NEGATIVE_INFINITY
  #later: NodeJS.Timeout | undefined

  constructor(output: Output, hosts: readonly HostEntry[]) {
    this.#output = output
    for (const { name } of hosts) this.#states.set(name, { stage: 'waiting' })
    this.#nameWidth = Math.max(...hosts.map(({ name }) => name.length))
  }

  change(host: HostEntry, state: HostState): void {
    const before = this.#states.get(host.name)
    this.#states.set(host.name, state)
    const isEnd = state.stage === 'ready' || state.stage === 'failed'
    if (isEnd) this.#output.line({ type: 'host', host: host.name, ...hostFields(state) })
    if (this.#output.isTerminal) {
      const waitMs = this.#drawnAtMs + DRAW_MS_MIN - performance.now()
      if (isEnd || waitMs <= 0) this.#draw()
      // What is not drawn now would stay hidden until something else happens.
      else this.#later ??= setTimeout(() => this.#draw(), waitMs)
    } else if (isEnd || before?.stage !== state.stage) this.#output.note(this.#row(host.name, state))
  }

  /** Leaves the last table where it is, whole. */
  end(): void {
    if (!this.#output.isTerminal) return
    this.#draw(true)
    this.#drawnRows = 0
  }

  #draw(isWhole = false): void {
    clearTimeout(this.#later)
    this.#later = undefined
    this.#drawnAtMs = performance.now()
    // Some pseudo-terminals say that they have none.
    const [columns, rows] = [process.stderr.columns || COLUMNS_DEFAULT, process.stderr.rows || ROWS_DEFAULT]
    const all = [...this.#states]
    const shown = isWhole ? all : this.#mostTelling(all, Math.max(1, rows - OTHER_ROWS))
    // Nothing is drawn over the last table: what failed, and the cure, may take more than one line there.
    const lines = shown.map(([name, state]) =>
      this.#row(name, state, isWhole && state.stage === 'failed' ? undefined : columns - 1),
    )
    const hidden = all.length - shown.length
    if (hidden > 0) lines.push(`and ${hidden} more; ${all.filter(([, { stage }]) => stage === 'ready').length} ready`)
    const up = this.#drawnRows === 0 ? '' : `\u001b[${this.#drawnRows}A`
    process.stderr.write(`${up}\r\u001b[J${lines.join('\n')}\n`)
    this.#drawnRows = lines.length
  }

  /** Where there are more hosts than rows: those that failed, then those at work, then those that wait, then the ready. */
  #mostTelling(all: [string, HostState][], rows: number): [string, HostState][] {
    if (all.length <= rows) return all
    const rank: Readonly<Record<HostState['stage'], number>> = {
      failed: 0,
      joining: 1,
      installing: 1,
      starting: 1,
      looking: 1,
      waiting: 2,
      ready: 3,
    }
    return [...all].sort(([, left], [, right]) => rank[left.stage] - rank[right.stage]).slice(0, Math.max(1, rows - 1))
  }

  #row(name: string, state: HostState, widthMax?: number): string {
    const color = state.stage === 'ready' ? '32' : state.stage === 'failed' ? '31' : '0'
    const head = `${name.padEnd(this.#nameWidth)}  `
    // Words of a host: nothing in them may move the cursor.
    const whole = describe(state).replace(/\p{Cc}+/gu, ' ')
    const text = widthMax === undefined ? whole : whole.slice(0, Math.max(0, widthMax - head.length))
    return `${head}${this.#output.paint(color, text)}`
  }
}

function describe(state: HostState): string {
  switch (state.stage) {
    case 'waiting':
      return 'waiting'
    case 'looking':
      return 'looking at the host'
    case 'installing':
      return `installing swarm from ${state.from}`
    case 'starting':
      return 'starting the join'
    case 'joining':
      return describeJoin(state)
    case 'ready':
      return state.already ? 'ready: it was there already' : `ready after ${formatSeconds(state.seconds)}`
    case 'failed':
      return `FAILED: ${state.error.message}${state.error.cure === '' ? '' : ` (${state.error.cure})`}`
  }
}

function describeJoin({ what, done, total, bytesPerSec, peers }: Extract<HostState, { stage: 'joining' }>): string {
  if (total === 0) return what
  const share = Math.floor((100 * done) / total)
  return `${what} ${`${share}`.padStart(3)} % of ${formatBytes(total)}, ${formatBytes(bytesPerSec)}/s, ${peers} peers`
}

function hostFields(state: HostState): Record<string, unknown> {
  if (state.stage === 'ready') {
    const { seconds, already, installedFrom, addrs } = state
    return { state: 'ready', seconds, already, installedFrom, addrs }
  }
  if (state.stage !== 'failed') return { state: state.stage }
  const { error, seconds } = state
  return { state: 'failed', seconds, code: error.code, exit: error.exitCode, message: error.message, cure: error.cure }
}
