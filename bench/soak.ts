// Does a source that serves at full rate hold more and more? One `swarm seed`, and joins one after the other over loopback, in
// memory, for as long as asked; what the source holds of memory, descriptors and threads is sampled all the time. Usage: --help.

import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { countParser } from '../src/cli/values.ts'
import { MEMORY_FOLDER, makeRandomFile } from './memory.ts'
import { commit, machine } from './provenance.ts'
import { HELD, type Sample, takeSample, trendOf } from './soak/samples.ts'
import { spread } from './spread.ts'
import { LISTEN, SwarmProcess } from './swarm-process.ts'

const USAGE = `usage: npm run -s bench:soak -- [options]
  --minutes N    how long (5)
  --gib N        random bytes that each join fetches (2)
  --together N   joins at once (1)
  --dir DIR      a file system in memory with room for that and the source (/dev/shm)
  --json         JSON lines`

const GIB = 2 ** 30
const GIB_MAX = 64
const MINUTES_MAX = 24 * 60
const TOGETHER_MAX = 16
const SAMPLE_MS = 1000
const MS_PER_MINUTE = 60_000
const SAMPLES_MIN = 4

/** Joins until the time is over, each into a folder of its own, which is compared and removed; the seconds that each took. */
async function joinAgain(ticket: string, source: string, folder: string, endAtMs: number): Promise<number[]> {
  const seconds: number[] = []
  while (performance.now() < endAtMs) {
    const join = new SwarmProcess(['join', ticket, folder, ...LISTEN, '--linger', '0'])
    const summary = await join.line('summary')
    const code = await join.ended
    if (code !== 0) throw new Error(`a join ended with ${code}: ${join.stderr}`)
    execFileSync('diff', ['-r', '--exclude=.swarm', source, folder], { stdio: 'inherit' })
    await rm(folder, { recursive: true })
    seconds.push(Number(summary['seconds']))
  }
  return seconds
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    gib: { type: 'string', default: '2' },
    together: { type: 'string', default: '1' },
    dir: { type: 'string', default: MEMORY_FOLDER },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

async function run(): Promise<void> {
  const minutes = countParser(1, MINUTES_MAX)(values.minutes)
  const bytes = countParser(1, GIB_MAX)(values.gib) * GIB
  const together = countParser(1, TOGETHER_MAX)(values.together)
  const folder = await mkdtemp(`${values.dir}/swarm-soak-`)
  const source = `${folder}/source`
  const samples: Sample[] = []
  let seed: SwarmProcess | undefined
  try {
    await mkdir(source)
    await makeRandomFile(`${source}/random.bin`, bytes)
    seed = new SwarmProcess(['seed', source, '--codec', 'raw', '--state', `${folder}/state`, ...LISTEN])
    const ticket = String((await seed.line('listening'))['ticket'])
    const pid = seed.child.pid ?? 0
    const startedAtMs = performance.now()
    const sampling = setInterval(async () => {
      const sample = await takeSample(pid, (performance.now() - startedAtMs) / 1000)
      if (sample === undefined) return
      samples.push(sample)
      if (values.json) console.log(JSON.stringify({ type: 'sample', ...sample }))
    }, SAMPLE_MS)
    const endAtMs = startedAtMs + minutes * MS_PER_MINUTE
    const joins = Array.from({ length: together }, (_, index) =>
      joinAgain(ticket, source, `${folder}/copy-${index}`, endAtMs),
    )
    const seconds = (await Promise.all(joins).finally(() => clearInterval(sampling))).flat()
    const totalSeconds = (performance.now() - startedAtMs) / 1000
    if (samples.length < SAMPLES_MIN) throw new Error('the source ended early')
    const trends = Object.fromEntries(HELD.map((held) => [held, trendOf(samples, held)]))
    if (!values.json)
      for (const [held, { quarters, trend }] of Object.entries(trends))
        console.log(`${held}: ${trend}; quarters ${quarters.map((each) => each.toFixed(0)).join(', ')}`)
    const isFlat = Object.values(trends).every(({ trend }) => trend !== 'grown')
    // Starting and comparing included.
    const MBps = (seconds.length * bytes) / 1e6 / totalSeconds
    const figures = {
      isFlat,
      trends,
      joins: seconds.length,
      joinSeconds: spread(seconds),
      MBps,
      samples: samples.length,
    }
    const parameters = { minutes, gib: bytes / GIB, together, machine: machine(), commit: commit() }
    console.log(JSON.stringify({ type: 'summary', ...figures, ...parameters }))
  } finally {
    await seed?.end()
    await rm(folder, { recursive: true, force: true })
  }
}

if (values.help) console.log(USAGE)
else await run()
