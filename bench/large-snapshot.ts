// Question: how much memory do a source and a joiner need for a large snapshot without a bucket?
//
// Makes bf16 weights, runs one `swarm seed` and one `swarm join` over loopback, samples the peak resident size of both, and
// checks the tree. Usage: node bench/large-snapshot.ts [--gib 20] [--dir DIR]; needs 2.1 x the size on that disk.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { writeBfloat16Weights } from '../src/cli/demo-workspace.ts'

const SWARM = fileURLToPath(new URL('../dist/swarm', import.meta.url))
const FILE_GIB = 4
const SAMPLE_MS = 500

interface Line {
  readonly type: string
  readonly [field: string]: unknown
}

class Run {
  readonly name: string
  readonly child: ChildProcess
  readonly lines: Line[] = []
  readonly ended: Promise<number | null>
  peakRssMib = 0
  readonly #waiting: { type: string; resolve: (line: Line) => void }[] = []

  constructor(name: string, args: readonly string[]) {
    this.name = name
    this.child = spawn(SWARM, [...args, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
    if (this.child.stdout !== null)
      createInterface({ input: this.child.stdout }).on('line', (text) => this.#take(JSON.parse(text)))
    this.ended = new Promise((resolve) => this.child.on('close', resolve))
    const sampling = setInterval(() => void this.#sample(), SAMPLE_MS)
    void this.ended.then(() => clearInterval(sampling))
  }

  next(type: string): Promise<Line> {
    const seen = this.lines.find((line) => line.type === type)
    if (seen !== undefined) return Promise.resolve(seen)
    const found = new Promise<Line>((resolve) => this.#waiting.push({ type, resolve }))
    const died = this.ended.then((code) => Promise.reject(new Error(`${this.name} ended with ${code} before ${type}`)))
    return Promise.race([found, died])
  }

  #take(line: Line): void {
    if (line.type !== 'progress') this.lines.push(line)
    for (const { type, resolve } of this.#waiting) if (type === line.type) resolve(line)
  }

  async #sample(): Promise<void> {
    const status = await readFile(`/proc/${this.child.pid}/status`, 'utf8').catch(() => '')
    const peak = /VmHWM:\s+(\d+) kB/.exec(status)?.[1]
    if (peak !== undefined) this.peakRssMib = Math.round(Number(peak) / 1024)
  }
}

const { values } = parseArgs({
  options: { gib: { type: 'string', default: '20' }, dir: { type: 'string', default: tmpdir() } },
})
const gib = Number(values.gib)
const folder = await mkdtemp(join(values.dir, 'swarm-large-'))
const runs: Run[] = []
try {
  await mkdir(`${folder}/source`)
  for (let made = 0, file = 0; made < gib; made += FILE_GIB, file++) {
    await writeBfloat16Weights(
      `${folder}/source/model-${file}.safetensors`,
      Math.min(FILE_GIB, gib - made) * 2 ** 30,
      file * 1000,
    )
  }
  const listen = ['--listen', '/ip4/127.0.0.1/tcp/0']
  const seedStarted = performance.now()
  const seed = new Run('seed', ['seed', `${folder}/source`, ...listen])
  runs.push(seed)
  const { ticket } = await seed.next('listening')
  const encodeSeconds = (performance.now() - seedStarted) / 1000
  const join = new Run('join', ['join', String(ticket), `${folder}/copy`, ...listen])
  runs.push(join)
  const summary = await join.next('summary')
  const exit = await join.ended
  execFileSync('diff', ['-r', '--exclude=.swarm', `${folder}/source`, `${folder}/copy`], { stdio: 'inherit' })
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  const result = { gib, exit, identical: true, encodeSeconds, joinSeconds: summary['seconds'], bytes: summary['bytes'] }
  console.log(
    JSON.stringify({
      type: 'large',
      commit,
      ...result,
      seedPeakRssMib: seed.peakRssMib,
      joinPeakRssMib: join.peakRssMib,
    }),
  )
} finally {
  for (const { child } of runs) if (child.exitCode === null) child.kill('SIGTERM')
  await Promise.all(runs.map(({ ended }) => ended))
  await rm(folder, { recursive: true, force: true })
}
