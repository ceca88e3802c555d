// What does one node do with everything at once? A join in the middle reads from a store, asks a peer, serves another join, decodes
// and writes, all over loopback and in memory: how much of each, how busy its event loop is, and whether it loses anybody.
// Usage: --help.

import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { countParser } from '../src/cli/values.ts'
import { TICK_MS } from '../src/exchange/limits.ts'
import { cpuSecondsOf } from './fanout/cpu-time.ts'
import { MEMORY_FOLDER } from './memory.ts'
import { type LoopUse, loopUse, parseLoopSamples, WINDOW_MS } from './node/loop-use.ts'
import { commit, machine } from './provenance.ts'
import { S3Process } from './s3-process.ts'
import { spread, spreadText } from './spread.ts'
import { LISTEN, type Line, SwarmProcess } from './swarm-process.ts'
import { makeWorkspace } from './tree/workspaces.ts'

const USAGE = `usage: npm run -s bench:node -- [options]
  --gib N           bf16 weights (2)
  --rounds N        how often (5)
  --peer-up RATE    what the peer that has everything may send (60M)
  --dir DIR         a file system in memory with room for five times the weights (/dev/shm)
  --json            JSON lines`

const GIB_MAX = 64
const ROUNDS_MAX = 100
const SNAPSHOT = 'bench/node'
const LOOP_WATCH = new URL('node/loop-watch.mjs', import.meta.url).href

interface Measured {
  readonly type: 'node'
  readonly round: number
  /** From the first request for a chunk to the complete tree. */
  readonly seconds: number
  readonly fromStoreMBps: number
  readonly fromPeersMBps: number
  /** Until its tree was complete; it serves for longer. */
  readonly toPeersMBps: number
  readonly writtenMBps: number
  /** Of the middle one's whole life until its tree was complete, for each GB that came or went. */
  readonly cpuPerGB: number
  readonly loop: LoopUse
  /** Peers that the scheduler was told to be gone while all of them ran. */
  readonly lost: number
}

interface Bytes {
  readonly raw: number
  readonly fromStore: number
  readonly fromPeers: number
  readonly toPeers: number
}

function bytesOf(line: Line): Bytes {
  const bytes: Partial<Record<keyof Bytes, number>> = Object(line['bytes'])
  const { raw = 0, fromStore = 0, fromPeers = 0, toPeers = 0 } = bytes
  return { raw, fromStore, fromPeers, toPeers }
}

/** Of the trace of a node that was ended before all others. */
async function lostPeers(trace: string): Promise<number> {
  const lines = (await readFile(trace, 'utf8')).trim().split('\n')
  const types = lines.map((line) => String(Object(Object(JSON.parse(line)).event).type))
  const stop = types.indexOf('stop')
  return types.slice(0, stop < 0 ? types.length : stop).filter((type) => type === 'peerDown').length
}

async function measure(round: number, folder: string, env: Readonly<Record<string, string>>, peerUp: string) {
  const own = `${folder}/round-${round}`
  const store = ['--store', 's3://bench/bench', ...LISTEN, '--linger', 'forever']
  const join = (name: string, more: readonly string[], moreEnv = {}) =>
    new SwarmProcess(['join', SNAPSHOT, `${own}/${name}`, ...store, ...more], { ...env, ...moreEnv })
  await mkdir(own)
  const started: SwarmProcess[] = []
  try {
    const peer = join('peer', ['--limit-up', peerUp])
    started.push(peer)
    // Those that share a machine do not tell the bucket that they are on loopback.
    const addresses: readonly unknown[] = Object((await peer.line('listening'))['addrs'])
    const dial = addresses.flatMap((address) => ['--peer', String(address)])
    await peer.line('ready')
    const watch = { NODE_OPTIONS: `--import ${LOOP_WATCH}`, LOOP_WATCH_FILE: `${own}/loop` }
    const middle = join('middle', [...dial, '--trace', `${own}/trace`], watch)
    started.unshift(middle)
    // It knows the middle one alone, until that introduces it.
    const ticket = String((await middle.line('listening'))['ticket'])
    const other = new SwarmProcess(['join', ticket, `${own}/other`, ...LISTEN, '--linger', 'forever'])
    started.push(other)
    const ready = await middle.line('ready')
    const cpuSeconds = cpuSecondsOf([middle.child.pid ?? 0])
    await other.line('ready')
    for (const each of started) await each.end()
    for (const name of ['middle', 'other'])
      execFileSync('diff', ['-r', '--exclude=.swarm', `${folder}/source`, `${own}/${name}`], { stdio: 'inherit' })
    const { raw, fromStore, fromPeers, toPeers } = bytesOf(ready)
    const [fromMs, toMs] = [Number(ready['firstRequestAtMs']), Number(ready['readyAtMs'])]
    const rate = (bytes: number): number => bytes / 1e3 / (toMs - fromMs)
    return {
      ...{ type: 'node', round, seconds: (toMs - fromMs) / 1000 },
      ...{ fromStoreMBps: rate(fromStore), fromPeersMBps: rate(fromPeers), toPeersMBps: rate(toPeers) },
      writtenMBps: rate(raw),
      cpuPerGB: cpuSeconds / ((fromStore + fromPeers + toPeers) / 1e9),
      loop: loopUse(parseLoopSamples(await readFile(`${own}/loop`, 'utf8')), fromMs, toMs),
      lost: await lostPeers(`${own}/trace`),
    } satisfies Measured
  } finally {
    await Promise.all(started.map((each) => each.end()))
    await rm(own, { recursive: true, force: true })
  }
}

function text({
  round,
  seconds,
  fromStoreMBps,
  fromPeersMBps,
  toPeersMBps,
  writtenMBps,
  loop,
  lost,
}: Measured): string {
  const came = `${fromStoreMBps.toFixed(0)} from the store, ${fromPeersMBps.toFixed(0)} from peers`
  const rates = `${came}, ${toPeersMBps.toFixed(0)} to peers, ${writtenMBps.toFixed(0)} MB/s written`
  const busy = `loop ${loop.share.toFixed(2)}, busiest ${WINDOW_MS} ms ${loop.busiestShare.toFixed(2)}`
  return `${round + 1}. ${seconds.toFixed(1)} s: ${rates}; ${busy}, longest gap ${loop.longestGapMs.toFixed(0)} ms; lost ${lost}`
}

const { values } = parseArgs({
  options: {
    gib: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    'peer-up': { type: 'string', default: '60M' },
    dir: { type: 'string', default: MEMORY_FOLDER },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

async function run(): Promise<void> {
  const gib = countParser(1, GIB_MAX)(values.gib)
  const rounds = countParser(1, ROUNDS_MAX)(values.rounds)
  const folder = await mkdtemp(`${values.dir}/swarm-node-`)
  const store = await S3Process.start()
  try {
    const { env } = store
    await mkdir(`${folder}/source`)
    await makeWorkspace('weights', `${folder}/source`, { gib, files: 0 })
    const push = new SwarmProcess(['push', `${folder}/source`, SNAPSHOT, '--store', 's3://bench/bench'], env)
    if ((await push.ended) !== 0) throw new Error(`the push failed: ${push.stderr}`)
    await rm(`${folder}/source/.swarm`, { recursive: true, force: true })
    const runs: Measured[] = []
    for (let round = 0; round < rounds; round++) {
      const measured = await measure(round, folder, env, values['peer-up'])
      runs.push(measured)
      console.log(values.json ? JSON.stringify(measured) : text(measured))
    }
    summarize(runs, { gib, rounds, peerUp: values['peer-up'] })
  } finally {
    await store.end()
    await rm(folder, { recursive: true, force: true })
  }
}

function summarize(runs: readonly Measured[], parameters: object): void {
  const figures = {
    seconds: spread(runs.map((each) => each.seconds)),
    fromStoreMBps: spread(runs.map((each) => each.fromStoreMBps)),
    fromPeersMBps: spread(runs.map((each) => each.fromPeersMBps)),
    toPeersMBps: spread(runs.map((each) => each.toPeersMBps)),
    writtenMBps: spread(runs.map((each) => each.writtenMBps)),
    cpuPerGB: spread(runs.map((each) => each.cpuPerGB)),
    loopShare: spread(runs.map((each) => each.loop.share)),
    busiestShare: spread(runs.map((each) => each.loop.busiestShare)),
    longestGapMs: spread(runs.map((each) => each.loop.longestGapMs)),
  }
  if (!values.json) for (const [name, figure] of Object.entries(figures)) console.log(`${name} ${spreadText(figure)}`)
  const lost = runs.reduce((sum, each) => sum + each.lost, 0)
  const keepAlive = { keepAliveEveryMs: TICK_MS, secondsInAll: runs.reduce((sum, each) => sum + each.seconds, 0) }
  const where = { machine: machine(), commit: commit() }
  console.log(
    JSON.stringify({ type: 'summary', ...figures, lost, windowMs: WINDOW_MS, ...keepAlive, ...parameters, ...where }),
  )
}

if (values.help) console.log(USAGE)
else await run()
