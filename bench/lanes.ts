// Do two lanes move more than one? Two data connections of one process, served by one native thread or by two, whose other ends
// neither seal nor open, so that a processor is free for each lane of two. Usage: --help.

import { mkdtemp, rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { countParser } from '../src/cli/values.ts'
import { measureScaling, openMachineWorks } from '../src/node/bench-scaling.ts'
import { CONNECTIONS, type Measured, measure, type Work } from './lanes/measure.ts'
import { ANSWER_BYTES, writeSealedRecords } from './lanes/sealed-records.ts'
import { MEMORY_FOLDER } from './memory.ts'
import { commit, machine } from './provenance.ts'
import { type Spread, spread, spreadText } from './spread.ts'

const USAGE = `usage: npm run -s bench:lanes -- [options]
  --gib N      how much each run moves, half of it on either connection (4)
  --rounds N   each number of lanes runs once in each round, in turn (5)
  --dir DIR    a file system in memory, with room for half of that (/dev/shm)
  --json       JSON lines`

const GIB = 2 ** 30
const GIB_MAX = 64
const ROUNDS_MAX = 100
const LANES = [1, 2] as const
const WORKS: readonly Work[] = ['seal', 'open']

interface Row {
  readonly work: Work
  readonly oneLaneMBps: Spread
  readonly twoLanesMBps: Spread
  /** Two lanes beside one, of the same round. */
  readonly gain: Spread
  /** With one lane. */
  readonly cpuPerGB: Spread
  readonly farCpuPerGB: Spread
  readonly twoLanesCpuPerGB: Spread
  /**
   * The most that two processors allow: a lane keeps one busy, and the other ends use the second; two lanes share both with them. By the
   * medians of what a GB costs with one lane.
   */
  readonly gainMax: number
  /** What two lanes would gain with a processor for each and others for the other ends: computed from what a GB costs with one and with two. */
  readonly gainByCost: number
}

function rowOf(work: Work, runs: readonly Measured[]): Row {
  const rates = (lanes: number) => runs.filter((run) => run.lanes === lanes).map(({ MBps }) => MBps)
  const [one, two] = [rates(1), rates(2)]
  const single = runs.filter(({ lanes }) => lanes === 1)
  const doubled = spread(runs.filter(({ lanes }) => lanes === 2).map((run) => run.cpuPerGB))
  const cpuPerGB = spread(single.map((run) => run.cpuPerGB))
  const farCpuPerGB = spread(single.map((run) => run.farCpuPerGB))
  return {
    work,
    oneLaneMBps: spread(one),
    twoLanesMBps: spread(two),
    gain: spread(two.map((rate, round) => rate / (one[round] ?? Number.NaN))),
    ...{ cpuPerGB, farCpuPerGB, twoLanesCpuPerGB: doubled },
    gainMax: (2 * cpuPerGB.median) / (cpuPerGB.median + farCpuPerGB.median),
    gainByCost: (2 * cpuPerGB.median) / doubled.median,
  }
}

function runText({ work, lanes, round, MBps, cpuPerGB, farCpuPerGB }: Measured): string {
  const cost = `${cpuPerGB.toFixed(2)} CPU-s/GB, ${farCpuPerGB.toFixed(2)} at the other ends`
  return `${round + 1}. ${work}, ${lanes} ${lanes === 1 ? 'lane' : 'lanes'}: ${MBps.toFixed(0)} MB/s, ${cost}`
}

function rowText({ work, oneLaneMBps, twoLanesMBps, gain, gainMax, gainByCost }: Row): string {
  const rates = `one lane ${spreadText(oneLaneMBps, 0)}, two ${spreadText(twoLanesMBps, 0)} MB/s`
  return `median ${work}: ${rates}, ${spreadText(gain)} times; at most ${gainMax.toFixed(2)} beside those other ends, ${gainByCost.toFixed(2)} by cost`
}

const { values } = parseArgs({
  options: {
    gib: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '5' },
    dir: { type: 'string', default: MEMORY_FOLDER },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

async function run(): Promise<void> {
  const bytes = countParser(1, GIB_MAX)(values.gib) * GIB
  const rounds = countParser(1, ROUNDS_MAX)(values.rounds)
  const answers = bytes / CONNECTIONS / ANSWER_BYTES
  const folder = await mkdtemp(`${values.dir}/swarm-lanes-`)
  try {
    const records = `${folder}/records`
    await writeSealedRecords(records, answers)
    const runs: Measured[] = []
    for (let round = 0; round < rounds; round++)
      // Each begins every other time, so that nobody always follows the other.
      for (const work of WORKS)
        for (const lanes of round % 2 === 0 ? LANES : LANES.toReversed()) {
          const measured = await measure(work, lanes, round, records, answers)
          runs.push(measured)
          console.log(values.json ? JSON.stringify(measured) : runText(measured))
        }
    const works = openMachineWorks(LANES.length, ANSWER_BYTES)
    const signal = new AbortController().signal
    const scaling = await measureScaling(works.works, LANES.length, rounds, signal).finally(() => works.close())
    const machineGains = Object.fromEntries(scaling.map(({ path, decode }) => [path, decode]))
    const rows = WORKS.map((work) =>
      rowOf(
        work,
        runs.filter((each) => each.work === work),
      ),
    )
    if (!values.json) for (const row of rows) console.log(rowText(row))
    const parameters = { gib: bytes / GIB, rounds, connections: CONNECTIONS, machine: machine(), commit: commit() }
    console.log(JSON.stringify({ type: 'summary', rows, machineGains, ...parameters }))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

if (values.help) console.log(USAGE)
else await run()
