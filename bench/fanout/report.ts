// What the benchmark prints: a line for each run, then medians with the smallest and the largest, the parameters, the machine
// and the commit; as JSON lines, or as a Markdown table.

import { loadavg } from 'node:os'
import { commit, machine } from '../provenance.ts'
import type { RunResult } from './measure.ts'
import { linksTotal, type Plan } from './plan.ts'

const MB = 1_000_000
/** Above this, and below this bound, processors and the start of the processes count as much as the links. */
const LINKS_TOTAL_MAX = 250 * MB
const BOUND_SECONDS_MIN = 30

interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

const COLUMNS = [
  ['seconds', 'seconds', 1],
  ['timesBound', 'T/T*', 2],
  ['originCopies', 'copies out of the origin', 3],
  ['originCopiesOnWire', 'the same with all headers', 3],
  ['hostCpuSecondsPerGB', 'CPU-s per GB, hosts', 2],
  ['originCpuSecondsPerGB', 'CPU-s per GB, origin', 2],
  ['otherCpuShare', 'CPU share of others', 2],
] as const

export class Report {
  readonly #plan: Plan
  /** Of the code that was loaded; the working tree may change during a long run. */
  readonly #commit = commit()
  readonly #results: RunResult[] = []
  readonly #failures: { readonly name: string; readonly round: number; readonly message: string }[] = []

  constructor(plan: Plan) {
    this.#plan = plan
  }

  begin(): void {
    if (!this.#plan.json) console.log(`${parameters(this.#plan)}\n`)
    if (linksTotal(this.#plan) > LINKS_TOTAL_MAX) {
      this.#note(`all links together carry ${Math.round(linksTotal(this.#plan) / MB)} MB/s: CPU may be the limit`)
    }
    if (this.#plan.boundSeconds < BOUND_SECONDS_MIN) {
      this.#note(`the bound is ${this.#plan.boundSeconds.toFixed(1)} s: the start of the processes counts`)
    }
  }

  skipped(name: string, reason: string): void {
    if (this.#plan.json) print({ type: 'skipped', name, reason })
    else console.log(`skipped: ${name}; ${reason}`)
  }

  ran(result: RunResult): void {
    this.#results.push(result)
    if (this.#plan.json) print({ type: 'run', ...result })
    else {
      const values = COLUMNS.map(([field, label, digits]) => `${result[field].toFixed(digits)} ${label}`)
      const load = `load before ${result.loadBefore.toFixed(1)}`
      console.log(`${result.round} ${result.name}: ${values.join(', ')}; ${load} ${JSON.stringify(result.details)}`)
    }
  }

  failed(name: string, round: number, message: string): void {
    this.#failures.push({ name, round, message })
    if (this.#plan.json) print({ type: 'failed', name, round, message })
    else console.log(`${round} ${name}: FAILED: ${message}`)
  }

  end(): void {
    const rows = this.#rows()
    const medianOf = (name: string) => rows.find((row) => row.name === name)?.seconds.median ?? Number.NaN
    const timesAsFastAsAlone = medianOf('swarm-alone') / medianOf('swarm')
    if (this.#plan.json) {
      const { json: _json, only: _only, traceFolder: _traceFolder, waitQuietMs: _waitQuietMs, ...plan } = this.#plan
      print({
        type: 'summary',
        contenders: rows,
        failures: this.#failures,
        ...(Number.isNaN(timesAsFastAsAlone) ? {} : { timesAsFastAsAlone }),
        ...plan,
        machine: machine(),
        loadAfter: loadavg()[0],
        commit: this.#commit,
      })
      return
    }
    console.log(`\n| | ${COLUMNS.map(([, label]) => label).join(' | ')} |\n|${'---|'.repeat(COLUMNS.length + 1)}`)
    for (const row of rows) {
      const cells = COLUMNS.map(([field, , digits]) => cell(row[field], digits))
      console.log(`| ${row.name} | ${cells.join(' | ')} |`)
    }
    if (!Number.isNaN(timesAsFastAsAlone)) {
      console.log(`\nTogether ${timesAsFastAsAlone.toFixed(2)} times as fast as each alone.`)
    }
    console.log(
      `\n${parameters(this.#plan)}; ${machine()}; load after ${loadavg()[0]?.toFixed(1)}; commit ${this.#commit}`,
    )
  }

  /** The fastest first. */
  #rows() {
    const names = [...new Set(this.#results.map(({ name }) => name))]
    const rows = names.map((name) => {
      const runs = this.#results.filter((result) => result.name === name)
      const of = (field: (typeof COLUMNS)[number][0]) => spread(runs.map((run) => run[field]))
      return {
        name,
        runs: runs.length,
        seconds: of('seconds'),
        timesBound: of('timesBound'),
        originCopies: of('originCopies'),
        originCopiesOnWire: of('originCopiesOnWire'),
        hostCpuSecondsPerGB: of('hostCpuSecondsPerGB'),
        originCpuSecondsPerGB: of('originCpuSecondsPerGB'),
        otherCpuShare: of('otherCpuShare'),
      }
    })
    return rows.sort((left, right) => left.seconds.median - right.seconds.median)
  }

  #note(text: string): void {
    if (this.#plan.json) print({ type: 'note', text })
    else console.log(`note: ${text}`)
  }
}

function parameters(plan: Plan): string {
  const rate = (bytesPerSec: number) => `${Number((bytesPerSec / MB).toFixed(2))} MB/s`
  return [
    `${plan.hosts} hosts, ${rate(plan.originBytesPerSec)} from the origin to ${plan.isOriginShared ? 'all' : 'each'}`,
    `${rate(plan.upBytesPerSec)} up, ${rate(plan.downBytesPerSec)} down`,
    `TCP with ${plan.congestionControl}`,
    `${(plan.bytes / MB).toFixed(1)} MB`,
    `T* ${plan.boundSeconds.toFixed(2)} s`,
    `chunks of ${plan.chunkBytes / 2 ** 10} KiB, --origin ${plan.policy}`,
    `${plan.rounds} ${plan.rounds === 1 ? 'round' : 'rounds'}`,
  ].join(', ')
}

function cell(values: Spread, digits: number): string {
  const [median, min, max] = [values.median, values.min, values.max].map((value) => value.toFixed(digits))
  return min === max ? `${median}` : `${median} (${min}-${max})`
}

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((left, right) => left - right)
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN
  return { median: at(0.5), min: at(0), max: at(1) }
}

function print(line: { readonly type: string } & Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify(line))
}
