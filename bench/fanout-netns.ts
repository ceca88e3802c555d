// How much faster do four hosts restore a snapshot together than each alone, when their links are several times faster than
// what the bucket gives to one of them? A real S3 server and five network namespaces on one machine; needs root.
// Alone is the same program with the same flags on the same links in the same run, all four at once. Its keys may only
// read the bucket: nobody is listed there, so nobody finds a peer.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeDemoWorkspace } from '../src/cli/demo-workspace.ts'
import { fluidBoundMs } from '../src/swarm/bound.ts'
import { Command, type Line, number, succeed } from '../test/support/cli.ts'
import { Network, networkUnavailable } from '../test/support/netns.ts'
import { type Rgw, type RgwKeys, rgwUnavailable, startRgw } from '../test/support/rgw.ts'
import { assertSameTree } from '../test/support/trees.ts'

const MB = 1_000_000
const SERVER = 1
const HOSTS = [2, 3, 4, 5]
/** What the demo's workspace measures at scale 1. */
const WORKSPACE_MIB = 600
const NAME = 'bench/fanout'
const SPEED_UP_MIN = 2.5
const SUMMARY_DIGITS = 1000

type Mode = 'alone' | 'together'

interface Options {
  readonly rounds: number
  readonly originBytesPerSec: number
  readonly linkBytesPerSec: number
  readonly chunkSize: string
}

interface Round {
  readonly mode: Mode
  /** First request for a chunk on any host to the last tree complete. */
  readonly seconds: number
  /** Start of the processes to the last tree complete. */
  readonly secondsFromStart: number
  /** Bytes that left the server's interface, for each encoded byte. */
  readonly copies: number
}

class Bench {
  readonly #options: Options
  readonly #folder: string
  readonly #network: Network
  readonly #rgw: Rgw
  readonly #storeUrl: string
  readonly #reader: RgwKeys
  readonly #encodedBytes: number

  private constructor(
    options: Options,
    folder: string,
    network: Network,
    rgw: Rgw,
    store: { url: string; reader: RgwKeys; encodedBytes: number },
  ) {
    this.#options = options
    this.#folder = folder
    this.#network = network
    this.#rgw = rgw
    this.#storeUrl = store.url
    this.#reader = store.reader
    this.#encodedBytes = store.encodedBytes
  }

  static async prepare(options: Options, sizeMib: number, folder: string): Promise<Bench> {
    await makeDemoWorkspace(`${folder}/source`, sizeMib / WORKSPACE_MIB)
    const network = await Network.create(HOSTS.length + 1)
    for (const host of HOSTS) {
      await network.limitHost(host, options.linkBytesPerSec)
      await network.limitPair(SERVER, host, options.originBytesPerSec)
    }
    const namespace = network.namespace(SERVER)
    const rgw = await startRgw({ ip: network.address(SERVER), namespace })
    const url = `s3://${await rgw.createBucket('bench')}`
    const args = ['push', `${folder}/source`, NAME, '--store', url, '--chunk-size', options.chunkSize]
    const pushed = await succeed(args, { namespace, env: rgw.env() })
    const encodedBytes = number(pushed, 'bytes.encoded')
    return new Bench(options, folder, network, rgw, { url, reader: await rgw.createReader(), encodedBytes })
  }

  async run(): Promise<void> {
    const rounds: Round[] = []
    for (let round = 1; round <= this.#options.rounds; round++) {
      for (const mode of ['alone', 'together'] as const) rounds.push(await this.#round(round, mode))
    }
    this.#summarize(rounds)
  }

  async #round(round: number, mode: Mode): Promise<Round> {
    const load = loadavg()[0] ?? 0
    const sentBefore = await this.#network.sentBytes(SERVER)
    const startedAtMs = Date.now()
    const keys = mode === 'alone' ? this.#reader : this.#rgw.owner
    const commands = HOSTS.map((host) => {
      const args = ['join', NAME, this.#target(host), '--store', this.#storeUrl]
      return new Command(args, { namespace: this.#network.namespace(host), env: this.#rgw.env(keys) })
    })
    const reports = await Promise.all(commands.map(finish))
    const sent = (await this.#network.sentBytes(SERVER)) - sentBefore
    for (const host of HOSTS) {
      await assertSameTree(`${this.#folder}/source`, this.#target(host))
      await rm(this.#target(host), { recursive: true })
    }
    const sum = (field: string): number => reports.reduce((total, report) => total + number(report, field), 0)
    if (mode === 'alone' && sum('peers') > 0) throw new Error('a host that should be alone found a peer')
    const first = Math.min(...reports.map((report) => number(report, 'firstRequestAtMs')))
    const last = Math.max(...reports.map((report) => number(report, 'readyAtMs')))
    const result = {
      mode,
      seconds: (last - first) / 1000,
      secondsFromStart: (last - startedAtMs) / 1000,
      copies: sent / this.#encodedBytes,
    }
    const bytes = { serverBytes: sent, fromStore: sum('bytes.fromStore'), fromPeers: sum('bytes.fromPeers') }
    print({ type: 'run', round, ...result, ...bytes, wasted: sum('bytes.wasted'), loadBefore: load })
    return result
  }

  #summarize(rounds: readonly Round[]): void {
    const { originBytesPerSec, linkBytesPerSec, chunkSize } = this.#options
    const rates = { down: linkBytesPerSec / 1000, up: linkBytesPerSec / 1000, origin: originBytesPerSec / 1000 }
    const boundSeconds = fluidBoundMs(this.#encodedBytes, { nodes: HOSTS.map(() => rates) }) / 1000
    const of = (mode: Mode, field: 'seconds' | 'secondsFromStart' | 'copies') =>
      spread(rounds.filter((round) => round.mode === mode).map((round) => round[field]))
    const speedUp = of('alone', 'seconds').median / of('together', 'seconds').median
    print({
      type: 'summary',
      hosts: HOSTS.length,
      rounds: this.#options.rounds,
      encodedBytes: this.#encodedBytes,
      chunkSize,
      originMBps: originBytesPerSec / MB,
      linkMBps: linkBytesPerSec / MB,
      secondsAlone: of('alone', 'seconds'),
      seconds: of('together', 'seconds'),
      secondsFromStartAlone: of('alone', 'secondsFromStart'),
      secondsFromStart: of('together', 'secondsFromStart'),
      copiesAlone: of('alone', 'copies'),
      copies: of('together', 'copies'),
      speedUp: rounded(speedUp),
      boundSeconds: rounded(boundSeconds),
      timesBound: rounded(of('together', 'seconds').median / boundSeconds),
      machine: `${cpus()[0]?.model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
      commit: commit(),
    })
    if (speedUp < SPEED_UP_MIN) throw new Error(`only ${rounded(speedUp)} x as fast, not ${SPEED_UP_MIN}`)
  }

  #target(host: number): string {
    return `${this.#folder}/host-${host}`
  }
}

async function finish(command: Command): Promise<Line> {
  const { code, last, stderr } = await command.ended
  if (code !== 0) throw new Error(`a join ended with ${code}: ${JSON.stringify(last)} ${stderr}`)
  return last
}

function spread(values: readonly number[]): { median: number; min: number; max: number } {
  const sorted = [...values].sort((left, right) => left - right)
  const at = (share: number): number => rounded(sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN)
  return { median: at(0.5), min: at(0), max: at(1) }
}

function rounded(value: number): number {
  return Math.round(value * SUMMARY_DIGITS) / SUMMARY_DIGITS
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}

function print(line: { readonly type: string } & Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify(line))
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      size: { type: 'string', default: '120' },
      origin: { type: 'string', default: '3' },
      factor: { type: 'string', default: '8' },
      'chunk-size': { type: 'string', default: '1MiB' },
    },
  })
  const reason = networkUnavailable() ?? rgwUnavailable()
  if (reason !== undefined) throw new Error(`this machine ${reason}`)
  // At the end of the process the server is stopped and the namespaces go, with everything that runs in them.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))
  const originBytesPerSec = Number(values.origin) * MB
  const linkBytesPerSec = originBytesPerSec * Number(values.factor)
  const options = { rounds: Number(values.rounds), originBytesPerSec, linkBytesPerSec, chunkSize: values['chunk-size'] }
  const folder = mkdtempSync(join(tmpdir(), 'swarm-bench-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const bench = await Bench.prepare(options, Number(values.size), folder)
  await bench.run()
}

try {
  await main()
  process.exit(0)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}
