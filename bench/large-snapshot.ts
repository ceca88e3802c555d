// Question: how much memory do a source and a joiner need for a large snapshot without a bucket?
//
// Makes bf16 weights, runs one `swarm seed` and one `swarm join` over loopback, samples the resident size of both, and checks
// the tree. With more peers, others join at 2 MB/s each, ask both for chunks all the time, and are ended with the join.
// Usage: node bench/large-snapshot.ts [--gib 20] [--peers 1] [--dir DIR]; needs 2.1 x the size on that disk, and 1 GB a peer.

import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { writeBfloat16Weights } from '../src/cli/demo-workspace.ts'
import { countParser } from '../src/cli/values.ts'
import { median } from '../src/node/bench-scaling.ts'
import { commit, machine } from './provenance.ts'
import { LISTEN, SwarmProcess } from './swarm-process.ts'

const FILE_GIB = 4
const SAMPLE_MS = 500
const GIB_MAX = 1024
const PEERS_MAX = 32

class Run extends SwarmProcess {
  readonly name: string
  peakRssMib = 0
  /** Resident size at each sample, MiB. */
  readonly #samples: number[] = []

  constructor(name: string, args: readonly string[]) {
    super(args)
    this.name = name
    const sampling = setInterval(() => void this.#sample(), SAMPLE_MS)
    void this.ended.then(() => clearInterval(sampling))
  }

  /** The median of each quarter of the samples since the last call. */
  quarters(): number[] {
    const samples = this.#samples.splice(0)
    const length = Math.ceil(samples.length / 4)
    return [0, 1, 2, 3].map((quarter) => median(samples.slice(quarter * length, (quarter + 1) * length)))
  }

  async #sample(): Promise<void> {
    const status = await readFile(`/proc/${this.child.pid}/status`, 'utf8').catch(() => '')
    const mib = (field: string): number =>
      Math.round(Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024)
    if (Number.isNaN(mib('VmRSS'))) return
    this.peakRssMib = mib('VmHWM')
    this.#samples.push(mib('VmRSS'))
  }
}

const { values } = parseArgs({
  options: {
    gib: { type: 'string', default: '20' },
    peers: { type: 'string', default: '1' },
    dir: { type: 'string', default: tmpdir() },
  },
})
const gib = countParser(1, GIB_MAX)(values.gib)
const peers = countParser(1, PEERS_MAX)(values.peers)
const folder = await mkdtemp(join(values.dir, 'swarm-large-'))
const runs: Run[] = []

function run(name: string, args: readonly string[]): Run {
  const started = new Run(name, [...args, ...LISTEN])
  runs.push(started)
  return started
}

try {
  await mkdir(`${folder}/source`)
  for (let made = 0, file = 0; made < gib; made += FILE_GIB, file++) {
    await writeBfloat16Weights(
      `${folder}/source/model-${file}.safetensors`,
      Math.min(FILE_GIB, gib - made) * 2 ** 30,
      file * 1000,
    )
  }
  const seedStarted = performance.now()
  const seed = run('seed', ['seed', `${folder}/source`])
  const ticket = String((await seed.line('listening'))['ticket'])
  const encodeSeconds = (performance.now() - seedStarted) / 1000
  for (let peer = 1; peer < peers; peer++)
    await run(`peer ${peer}`, ['join', ticket, `${folder}/peer-${peer}`, '--limit-down', '2M']).line('listening')
  seed.quarters()
  const join = run('join', ['join', ticket, `${folder}/copy`])
  const summary = await join.line('ready')
  const joinQuartersMib = join.quarters()
  const seedQuartersMib = seed.quarters()
  const connected = summary['peers']
  for (const { name, child } of runs) if (name.startsWith('peer')) child.kill('SIGTERM')
  const exit = await join.ended
  execFileSync('diff', ['-r', '--exclude=.swarm', `${folder}/source`, `${folder}/copy`], { stdio: 'inherit' })
  const result = { gib, peers: connected, exit, identical: true, encodeSeconds, joinSeconds: summary['seconds'] }
  const resident = {
    seedPeakRssMib: seed.peakRssMib,
    joinPeakRssMib: join.peakRssMib,
    seedQuartersMib,
    joinQuartersMib,
  }
  console.log(
    JSON.stringify({
      ...{ type: 'large', commit: commit(), machine: machine() },
      ...result,
      ...resident,
      bytes: summary['bytes'],
    }),
  )
} finally {
  await Promise.all(runs.map((each) => each.end()))
  await rm(folder, { recursive: true, force: true })
}
