// How soon after its start does a join get the first byte of a chunk, in a swarm that is running? One source and seven
// machines that have everything, all on this one; then joins one after the other. Usage: --help.

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { writeBfloat16Weights } from '../src/cli/demo-workspace.ts'
import { countParser } from '../src/cli/values.ts'
import { median } from '../src/node/bench-scaling.ts'
import { commit, machine } from './provenance.ts'
import { LISTEN, SwarmProcess } from './swarm-process.ts'

const USAGE = `usage: npm run -s bench:first-byte -- [options]
  --rounds N     joins that are measured, one after the other (10)
  --running N    nodes that have everything, the source among them (8)`

const ROUNDS_MAX = 1000
const RUNNING_MAX = 32
const SOURCE_BYTES = 64 * 2 ** 20
/** Has a process say when it began, by the clock of the wall; the times of a trace count from there. */
const SAY_START = 'process.stderr.write("began " + performance.timeOrigin + "\\n")'

/** Milliseconds from the start of the process to the first byte. */
async function firstByte(ticket: string, folder: string): Promise<number> {
  const trace = `${folder}/trace.jsonl`
  const preload = `${folder}/began.mjs`
  await writeFile(preload, SAY_START)
  const joining = ['join', ticket, `${folder}/copy`, ...LISTEN]
  const spawned = performance.timeOrigin + performance.now()
  const node = new SwarmProcess([...joining, '--linger', '0s', '--trace', trace], {
    NODE_OPTIONS: `--import ${preload}`,
  })
  await node.line('summary')
  await node.end()
  const began = Number(/^began ([\d.]+)$/m.exec(node.stderr)?.[1])
  for (const text of (await readFile(trace, 'utf8')).split('\n')) {
    const step = JSON.parse(text) as { now?: number; event?: { type: string; bytes: number } }
    if (step.event?.type === 'requestProgress' && step.event.bytes > 0)
      return began + (step.now ?? Number.NaN) / 1000 - spawned
  }
  throw new Error('no byte came')
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    running: { type: 'string', default: '8' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) console.log(USAGE)
else {
  const rounds = countParser(1, ROUNDS_MAX)(values.rounds)
  const running = countParser(1, RUNNING_MAX)(values.running)
  const folder = await mkdtemp(join(tmpdir(), 'swarm-first-byte-'))
  const nodes: SwarmProcess[] = []
  try {
    await mkdir(`${folder}/source`)
    await writeBfloat16Weights(`${folder}/source/model.safetensors`, SOURCE_BYTES, 1)
    const source = new SwarmProcess(['seed', `${folder}/source`, ...LISTEN])
    nodes.push(source)
    const ticket = String((await source.line('listening'))['ticket'])
    while (nodes.length < running) {
      const node = new SwarmProcess(['join', ticket, `${folder}/${nodes.length}`, '--linger', 'forever', ...LISTEN])
      nodes.push(node)
      await node.line('ready')
    }
    const times: number[] = []
    for (let round = 0; round < rounds; round++) {
      const own = `${folder}/round-${round}`
      await mkdir(own)
      times.push(await firstByte(ticket, own))
    }
    const [least, most] = [Math.min(...times), Math.max(...times)]
    console.log(`first byte after ${median(times).toFixed(0)} ms (${least.toFixed(0)}-${most.toFixed(0)})`)
    console.log(JSON.stringify({ type: 'first-byte', times, running, machine: machine(), commit: commit() }))
  } finally {
    await Promise.all(nodes.map((node) => node.end()))
    await rm(folder, { recursive: true, force: true })
  }
}
