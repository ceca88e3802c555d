// What does reading a store cost beside a bare HTTP client? Both read the same objects of a chunk's size over loopback from
// the same server, a process of its own, and run with the flags of the launcher. Usage: --help.

import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { countParser } from '../src/cli/values.ts'
import { median } from '../src/node/bench-scaling.ts'
import { makeCertificate } from '../test/support/certificate.ts'
import { launcherFlags } from './launcher-flags.ts'
import { commit, machine } from './provenance.ts'
import { OBJECT_BYTES, type Order, type Reader, type Report } from './store/orders.ts'

const USAGE = `usage: npm run -s bench:store -- [options]
  --gib N        how much to read (4)
  --rounds N     each reader runs once in each round, in turn (5)
  --together N   reads at once (8)
  --tls          over TLS, as all stores are that are far away (needs openssl)
  --json         JSON lines`

const GIB = 2 ** 30
const GIB_MAX = 1024
const ROUNDS_MAX = 100
const TOGETHER_MAX = 64
const READERS: readonly Reader[] = ['swarm', 'http']
const SERVER = fileURLToPath(new URL('./store/server.ts', import.meta.url))
const CLIENT = fileURLToPath(new URL('./store/client.ts', import.meta.url))

interface Measured {
  readonly type: 'store'
  readonly reader: Reader
  readonly MBps: number
  readonly cpuPerGB: number
  readonly rssMiB: number
}

function start(path: string, args: readonly string[] = []): ChildProcess {
  return fork(path, args, {
    execArgv: ['--disable-warning=ExperimentalWarning', ...launcherFlags()],
    // Nobody vouches for the server's certificate.
    env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_NO_WARNINGS: '1' },
  })
}

/** The first message of a process that is to send one. */
function messageOf<Message>(child: ChildProcess): Promise<Message> {
  const { promise, resolve, reject } = Promise.withResolvers<Message>()
  child.once('message', (message) => resolve(message as Message))
  child.once('exit', (code) => reject(new Error(`${child.spawnfile} ended with ${code}`)))
  return promise
}

async function measure(order: Order): Promise<Measured> {
  const client = start(CLIENT)
  client.send(order)
  const { seconds, cpuSeconds, rssMiB } = await messageOf<Report>(client)
  const bytes = order.objects * OBJECT_BYTES
  return {
    ...{ type: 'store', reader: order.reader },
    ...{ MBps: bytes / 1e6 / seconds, cpuPerGB: cpuSeconds / (bytes / 1e9), rssMiB },
  }
}

function middle(runs: readonly Measured[], reader: Reader): Measured {
  const own = runs.filter((run) => run.reader === reader)
  const of = (field: 'MBps' | 'cpuPerGB' | 'rssMiB'): number => median(own.map((run) => run[field]))
  return { type: 'store', reader, MBps: of('MBps'), cpuPerGB: of('cpuPerGB'), rssMiB: of('rssMiB') }
}

function text({ reader, MBps, cpuPerGB, rssMiB }: Measured): string {
  return `${reader}: ${MBps.toFixed(0)} MB/s, ${cpuPerGB.toFixed(2)} CPU-s/GB, ${rssMiB.toFixed(0)} MiB`
}

const { values } = parseArgs({
  options: {
    gib: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '5' },
    together: { type: 'string', default: '8' },
    tls: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) console.log(USAGE)
else {
  const gib = countParser(1, GIB_MAX)(values.gib)
  const rounds = countParser(1, ROUNDS_MAX)(values.rounds)
  const together = countParser(1, TOGETHER_MAX)(values.together)
  const directory = mkdtempSync(join(tmpdir(), 'swarm-bench-store-'))
  const server = start(SERVER, values.tls ? makeCertificate(directory) : [])
  const runs: Measured[] = []
  try {
    const { port } = await messageOf<{ port: number }>(server)
    for (let round = 0; round < rounds; round++) {
      // Each begins every other time, so that nobody always follows the other.
      for (const reader of round % 2 === 0 ? READERS : READERS.toReversed()) {
        const run = await measure({ reader, secure: values.tls, port, together, objects: (gib * GIB) / OBJECT_BYTES })
        runs.push(run)
        if (!values.json) console.log(text(run))
      }
    }
  } finally {
    server.removeAllListeners('exit')
    server.kill()
    rmSync(directory, { recursive: true })
  }
  const parameters = { gib, rounds, together, tls: values.tls, machine: machine(), commit: commit() }
  const medians = READERS.map((reader) => middle(runs, reader))
  for (const line of medians)
    console.log(values.json ? JSON.stringify({ ...line, ...parameters }) : `median ${text(line)}`)
  const [swarm, http] = medians
  const costRatio = swarm !== undefined && http !== undefined ? swarm.cpuPerGB / http.cpuPerGB : null
  console.log(JSON.stringify({ type: 'summary', costRatio, ...parameters }))
}
