// How soon have N hosts one file from a slow origin, by swarm and by other means, beside the bound? Real processes in network
// namespaces on one machine, everyone on the same links in the same run; needs root. Usage: --help.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { networkUnavailable } from '../test/support/netns.ts'
import type { Contender } from './fanout/contender.ts'
import { Aria2Http, Rclone } from './fanout/downloads.ts'
import { LinkSampler } from './fanout/link-sampler.ts'
import { measure } from './fanout/measure.ts'
import { type Plan, parsePlan, USAGE } from './fanout/plan.ts'
import { Report } from './fanout/report.ts'
import { SecureCopy } from './fanout/secure-copy.ts'
import { Bucket, SwarmJoins } from './fanout/swarm-joins.ts'
import { TestBed } from './fanout/test-bed.ts'
import { Aria2Torrent, Libtorrent } from './fanout/torrents.ts'

/** Takes part only where it is named: it answers another question. */
const NOT_BY_DEFAULT = 'swarm-alone'

async function main(plan: Plan): Promise<boolean> {
  const reason = networkUnavailable()
  if (reason !== undefined) throw new Error(`this machine ${reason}`)
  // At the end of the process the servers are stopped and the namespaces go, with everything that runs in them.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))
  const folder = mkdtempSync(join(tmpdir(), 'swarm-bench-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const bed = await TestBed.create(plan, folder)
  const report = new Report(plan)
  report.begin()
  const contenders = await choose(bed, report)
  const sampler = plan.traceFolder === undefined ? undefined : new LinkSampler(bed, plan.traceFolder)
  let isComplete = true
  for (let round = 1; round <= plan.rounds; round++) {
    // Each round begins with another one, so that nobody always follows the same.
    const first = (round - 1) % contenders.length
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      try {
        report.ran(await measure(bed, contender, round, sampler))
      } catch (error) {
        isComplete = false
        report.failed(contender.name, round, error instanceof Error ? error.message : String(error))
      }
    }
  }
  report.end()
  return isComplete
}

async function choose(bed: TestBed, report: Report): Promise<readonly Contender[]> {
  let bucket: Promise<Bucket> | undefined
  const shared = () => {
    bucket ??= Bucket.create(bed)
    return bucket
  }
  const all: readonly Contender[] = [
    new SwarmJoins(bed, shared, false),
    new Libtorrent(bed),
    new Aria2Torrent(bed),
    new Rclone(bed),
    new Aria2Http(bed),
    new SecureCopy(bed),
    new SwarmJoins(bed, shared, true),
  ]
  const { only } = bed.plan
  const unknown = only.filter((name) => !all.some((contender) => contender.name === name))
  if (unknown.length > 0) throw new Error(`--only: give one of ${all.map(({ name }) => name).join(', ')}`)
  const wanted = all.filter(({ name }) => (only.length === 0 ? name !== NOT_BY_DEFAULT : only.includes(name)))
  const chosen: Contender[] = []
  for (const contender of wanted) {
    const reason = contender.unavailable()
    if (reason !== undefined) report.skipped(contender.name, reason)
    else {
      await contender.prepare()
      chosen.push(contender)
    }
  }
  if (chosen.length === 0) throw new Error('nobody is left to take part')
  return chosen
}

try {
  const plan = parsePlan(process.argv.slice(2))
  if (plan === undefined) console.log(USAGE)
  process.exit(plan === undefined || (await main(plan)) ? 0 : 1)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}
