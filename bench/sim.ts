// How near to the bound does the production scheduler come, in simulation? Without --spec: every file in bench/specs, as one
// table over topologies and numbers of nodes. With it: one file, a line for each seed. --seed replays one seed.

import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { isSwarmError } from '../src/base/errors.ts'
import { median, type Summary, summarise, tableOf } from './sim/report.ts'
import type { SimLine } from './sim/run.ts'
import { readSpec } from './sim/spec.ts'
import { SimThreads } from './sim/threads.ts'

const FOLDER = join(import.meta.dirname, 'specs')

interface Options {
  readonly paths: readonly string[]
  readonly isJson: boolean
  readonly seed: number | undefined
  readonly seeds: number | undefined
}

function parseOptions(): Options {
  const { values } = parseArgs({
    options: {
      spec: { type: 'string', multiple: true },
      json: { type: 'boolean', default: false },
      seed: { type: 'string' },
      seeds: { type: 'string' },
      only: { type: 'string' },
    },
  })
  const all = readdirSync(FOLDER).filter((name) => name.endsWith('.json') && name.includes(values.only ?? ''))
  return {
    paths: values.spec ?? all.sort().map((name) => join(FOLDER, name)),
    isJson: values.json,
    seed: values.seed === undefined ? undefined : Number(values.seed),
    seeds: values.seeds === undefined ? undefined : Number(values.seeds),
  }
}

function printLine(path: string, line: SimLine, isJson: boolean): void {
  if (isJson) console.log(JSON.stringify(line))
  if (!line.stalled) return
  console.error(
    `${path}: seed ${line.seed} never ended; again: npm run -s bench:sim -- --spec ${path} --seed ${line.seed}`,
  )
}

async function measure(threads: SimThreads, path: string, options: Options): Promise<Summary> {
  const count = options.seeds ?? readSpec(path).seeds
  const seeds = options.seed === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [options.seed]
  const lines = await Promise.all(
    seeds.map(async (seed) => {
      const line = await threads.run({ path, seed })
      printLine(path, line, options.isJson)
      return line
    }),
  )
  const summary = summarise(lines)
  if (options.isJson) console.log(JSON.stringify(summary))
  else
    console.log(
      `${basename(path, '.json').padEnd(28)} ratio ${text(summary.ratio?.median)} (worst ${text(summary.ratio?.worst)})  ` +
        `seconds ${text(summary.seconds.median)} of ${text(median(lines.map((line) => line.boundSeconds ?? 0)))}  ` +
        `copies ${text(summary.originCopies.median)}  wasted ${text(100 * summary.wasted.median)} %  ` +
        `control ${text(100 * summary.controlShare.median)} %  node p50 ${text(summary.nodeP50?.median)} p95 ${text(summary.nodeP95?.median)}` +
        (summary.stalled ? '  STALLED' : ''),
    )
  return summary
}

function text(value: number | undefined | null): string {
  return value === undefined || value === null ? '-' : value.toFixed(value < 10 ? 3 : 1)
}

async function main(): Promise<void> {
  const options = parseOptions()
  const threads = new SimThreads(availableParallelism())
  const summaries = new Map<string, Summary>()
  try {
    for (const path of options.paths) summaries.set(basename(path, '.json'), await measure(threads, path, options))
  } finally {
    await threads.close()
  }
  if (!options.isJson && options.paths.length > 1) console.log(`\n${tableOf(summaries)}`)
  if ([...summaries.values()].some((summary) => summary.stalled)) process.exitCode = 1
}

try {
  await main()
} catch (error) {
  if (!isSwarmError(error)) throw error
  console.error(`error: ${error.message}\n${error.cure ?? ''}`)
  process.exitCode = 2
}
