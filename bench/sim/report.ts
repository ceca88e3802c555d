// Medians and worst cases over seeds, and the table over topologies and numbers of nodes.

import type { SimLine } from './run.ts'

export interface Spread {
  readonly median: number
  readonly worst: number
}

export interface Summary {
  readonly type: 'summary'
  readonly seeds: number
  readonly seconds: Spread
  readonly boundSeconds: Spread | null
  readonly ratio: Spread | null
  readonly originCopies: Spread
  readonly wasted: Spread
  readonly controlShare: Spread
  /** Whether any seed stalled. */
  readonly stalled: boolean
  readonly nodeP50: Spread | null
  readonly nodeP95: Spread | null
}

export function summarise(lines: readonly SimLine[]): Summary {
  return {
    type: 'summary',
    seeds: lines.length,
    seconds: spread(lines.map((line) => line.seconds)),
    boundSeconds: known(lines.map((line) => line.boundSeconds)),
    ratio: known(lines.map((line) => line.ratio)),
    originCopies: spread(lines.map((line) => line.originCopies)),
    wasted: spread(lines.map((line) => line.wasted)),
    controlShare: spread(lines.map((line) => line.controlShare)),
    stalled: lines.some((line) => line.stalled),
    nodeP50: known(lines.map((line) => line.nodeP50)),
    nodeP95: known(lines.map((line) => line.nodeP95)),
  }
}

/** Files are named `topology-nodes`; cells hold the median ratio and, in brackets, the worst. */
export function tableOf(summaries: ReadonlyMap<string, Summary>): string {
  const sizes = new Set<number>()
  const rows = new Map<string, Map<number, string>>()
  for (const [name, { ratio, nodeP95 }] of summaries) {
    const [, topology, size] = /^(.*)-(\d+)$/.exec(name) ?? [name, name, '0']
    const isMixed = topology === 'mixed'
    const cell = ratio === null ? '-' : `${ratio.median.toFixed(3)} (${ratio.worst.toFixed(3)})`
    const row = rows.get(topology ?? name) ?? new Map<number, string>()
    row.set(Number(size), isMixed && nodeP95 !== null ? `${cell} / ${nodeP95.median.toFixed(3)}` : cell)
    rows.set(topology ?? name, row)
    sizes.add(Number(size))
  }
  const columns = [...sizes].sort((left, right) => left - right)
  const lines = [
    `| topology | ${columns.map((size) => `N=${size}`).join(' | ')} |`,
    `|---|${'---|'.repeat(columns.length)}`,
  ]
  for (const [topology, row] of rows)
    lines.push(`| ${topology} | ${columns.map((size) => row.get(size) ?? '').join(' | ')} |`)
  return lines.join('\n')
}

/** The mean of the two in the middle where their number is even. Of nothing: 0. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  const middle = sorted.length >>> 1
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

function spread(values: readonly number[]): Spread {
  return { median: median(values), worst: Math.max(...values) }
}

function known(values: readonly (number | null)[]): Spread | null {
  const found = values.filter((value) => value !== null)
  return found.length === 0 ? null : spread(found)
}
