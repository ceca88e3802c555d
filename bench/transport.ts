// What does a GB cost from one process to another over loopback, by swarm and by other programs? One sends a file of random bytes
// that lies in memory, the other writes it to memory; each as a user runs it. Usage: --help.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { countParser } from '../src/cli/values.ts'
import { MEMORY_FOLDER, makeRandomFile } from './memory.ts'
import { commit, machine } from './provenance.ts'
import { type Spread, spread, spreadText } from './spread.ts'
import type { Contender, Place } from './transport/contender.ts'
import { type Measured, measure } from './transport/measure.ts'
import { RsyncEnds } from './transport/rsync-ends.ts'
import { SwarmEnds } from './transport/swarm-ends.ts'
import { Aria2, Libtorrent, Webtorrent } from './transport/torrents.ts'

const USAGE = `usage: npm run -s bench:transport -- [options]
  --gib N              how much to move (2)
  --rounds N           each contender runs once in each round, in turn (5)
  --only NAME          this contender (repeatable); otherwise all that are installed
  --webtorrent FOLDER  where it was installed
  --dir DIR            a file system in memory with room for four times the bytes (/dev/shm)
  --json               JSON lines`

const GIB = 2 ** 30
const GIB_MAX = 64
const ROUNDS_MAX = 100

interface Row {
  readonly contender: string
  readonly protection: string
  readonly cipher: string
  readonly MBps: Spread
  readonly senderCpuPerGB: Spread
  readonly receiverCpuPerGB: Spread
  readonly bothCpuPerGB: Spread
  readonly othersShareMost: number
}

function rowOf({ name, protection, cipher }: Contender, runs: readonly Measured[]): Row {
  const of = (field: 'MBps' | 'senderCpuPerGB' | 'receiverCpuPerGB'): Spread => spread(runs.map((run) => run[field]))
  return {
    ...{ contender: name, protection, cipher },
    MBps: of('MBps'),
    senderCpuPerGB: of('senderCpuPerGB'),
    receiverCpuPerGB: of('receiverCpuPerGB'),
    bothCpuPerGB: spread(runs.map((run) => run.senderCpuPerGB + run.receiverCpuPerGB)),
    othersShareMost: Math.max(...runs.map((run) => run.othersShare)),
  }
}

function runText({ contender, round, MBps, senderCpuPerGB, receiverCpuPerGB, othersShare }: Measured): string {
  const cost = `${senderCpuPerGB.toFixed(2)} CPU-s/GB to send, ${receiverCpuPerGB.toFixed(2)} to receive`
  return `${round + 1}. ${contender}: ${MBps.toFixed(0)} MB/s, ${cost}; others ${othersShare.toFixed(2)}`
}

function rowText(row: Row): string {
  const cost = `${spreadText(row.senderCpuPerGB)} CPU-s/GB to send, ${spreadText(row.receiverCpuPerGB)} to receive`
  return `${row.contender} [${`${row.protection} ${row.cipher}`.trim()}]: ${spreadText(row.MBps, 0)} MB/s, ${cost}`
}

const { values } = parseArgs({
  options: {
    gib: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', multiple: true, default: [] },
    webtorrent: { type: 'string' },
    dir: { type: 'string', default: MEMORY_FOLDER },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

async function run(): Promise<void> {
  const bytes = countParser(1, GIB_MAX)(values.gib) * GIB
  const rounds = countParser(1, ROUNDS_MAX)(values.rounds)
  const folder = await mkdtemp(`${values.dir}/swarm-transport-`)
  const place: Place = {
    folder,
    sourceFolder: `${folder}/source`,
    fileName: 'random.bin',
    targetFolder: `${folder}/target`,
  }
  try {
    const all: readonly Contender[] = [
      new SwarmEnds(place),
      new RsyncEnds(place),
      new Libtorrent(place),
      new Libtorrent(place, true),
      new Aria2(place),
      new Aria2(place, true),
      new Webtorrent(place, values.webtorrent),
    ]
    const names = all.map(({ name }) => name)
    const unknown = values.only.find((name) => !names.includes(name))
    if (unknown !== undefined) throw new Error(`--only: ${unknown} is none of ${names.join(', ')}`)
    const wanted = all.filter(({ name }) => values.only.length === 0 || values.only.includes(name))
    const skipped = wanted.flatMap((contender) => {
      const cure = contender.unavailable()
      return cure === undefined ? [] : [{ type: 'skipped', contender: contender.name, cure }]
    })
    for (const line of skipped)
      console.log(values.json ? JSON.stringify(line) : `skipped ${line.contender}; ${line.cure}`)
    const contenders = wanted.filter(({ name }) => skipped.every(({ contender }) => contender !== name))
    await mkdir(place.sourceFolder)
    await makeRandomFile(`${place.sourceFolder}/${place.fileName}`, bytes)
    for (const contender of contenders) await contender.prepare()
    const runs: Measured[] = []
    for (let round = 0; round < rounds; round++) {
      // Another one begins each time, so that nobody always follows the same one.
      const first = round % contenders.length
      for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
        const measured = await measure(contender, place, round, bytes)
        runs.push(measured)
        console.log(values.json ? JSON.stringify(measured) : runText(measured))
      }
    }
    const rows = contenders.map((each) =>
      rowOf(
        each,
        runs.filter(({ contender }) => contender === each.name),
      ),
    )
    const encrypted = rows.filter(({ protection }) => protection === 'encrypted')
    const [cheapest] = encrypted.toSorted((one, other) => one.bothCpuPerGB.median - other.bothCpuPerGB.median)
    if (!values.json) for (const row of rows) console.log(`median ${rowText(row)}`)
    const found = { cheapestEncrypted: cheapest?.contender ?? null, rows, skipped: skipped.length }
    const parameters = { gib: bytes / GIB, rounds, machine: machine(), commit: commit() }
    console.log(JSON.stringify({ type: 'summary', ...found, ...parameters }))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

if (values.help) console.log(USAGE)
else await run()
