// What do bytes between two nodes cost, and how fast do they get across? Two processes over loopback through the production
// exchange, beside two that use libp2p as it comes. What arrives is dropped, or checked with --verify. Usage: --help.

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { countParser } from '../src/cli/values.ts'
import { median } from '../src/node/bench-scaling.ts'
import { launcherFlags } from './launcher-flags.ts'
import type { Order, Report, Variant } from './peer/orders.ts'
import { commit, machine } from './provenance.ts'

const USAGE = `usage: npm run -s bench:peer -- [options]
  --gib N        how much to move (4)
  --rounds N     each variant runs once in each round, in turn (3)
  --verify       hash every chunk, and compare
  --json         JSON lines`

const GIB = 2 ** 30
const GIB_MAX = 1024
const ROUNDS_MAX = 100
const VARIANTS: readonly Variant[] = ['swarm', 'stock']
const END = fileURLToPath(new URL('./peer/end.ts', import.meta.url))

interface Measured {
  readonly type: 'peer'
  readonly variant: Variant
  readonly MBps: number
  readonly senderCpuPerGB: number
  readonly receiverCpuPerGB: number
  /** Of the larger of the two processes, at its peak. */
  readonly rssMiB: number
}

class End {
  readonly #child: ChildProcess
  readonly #name: string

  constructor(name: string, variant: Variant) {
    this.#name = name
    // libp2p runs as it comes.
    const flags = variant === 'swarm' ? launcherFlags() : []
    this.#child = fork(END, [], { execArgv: ['--disable-warning=ExperimentalWarning', ...flags] })
  }

  /** What the process answers to an order. */
  ask(order: Order): Promise<Report> {
    const answer = Promise.withResolvers<Report>()
    this.#child.once('message', (report) => answer.resolve(report as Report))
    this.#child.once('exit', (code) => answer.reject(new Error(`the ${this.#name} ended with ${code}`)))
    this.#child.send(order)
    return answer.promise
  }

  kill(): void {
    this.#child.removeAllListeners('exit')
    this.#child.kill()
  }
}

async function measure(variant: Variant, bytes: number, verify: boolean): Promise<Measured> {
  const sender = new End('sender', variant)
  const receiver = new End('receiver', variant)
  try {
    const { address } = await sender.ask({ type: 'serve', variant })
    const received = await receiver.ask({ type: 'fetch', variant, address, bytes, verify })
    const sent = await sender.ask({ type: 'usage' })
    const gigabytes = bytes / 1e9
    return {
      type: 'peer',
      variant,
      MBps: bytes / 1e6 / received.seconds,
      senderCpuPerGB: sent.cpuSeconds / gigabytes,
      receiverCpuPerGB: received.cpuSeconds / gigabytes,
      rssMiB: Math.max(sent.rssMiB, received.rssMiB),
    }
  } finally {
    sender.kill()
    receiver.kill()
  }
}

function summary(runs: readonly Measured[]): Measured[] {
  const middle = (of: readonly Measured[], field: Exclude<keyof Measured, 'type' | 'variant'>) =>
    median(of.map((run) => run[field]))
  return VARIANTS.map((variant) => {
    const own = runs.filter((run) => run.variant === variant)
    return {
      type: 'peer',
      variant,
      MBps: middle(own, 'MBps'),
      senderCpuPerGB: middle(own, 'senderCpuPerGB'),
      receiverCpuPerGB: middle(own, 'receiverCpuPerGB'),
      rssMiB: middle(own, 'rssMiB'),
    }
  })
}

function text({ variant, MBps, senderCpuPerGB, receiverCpuPerGB, rssMiB }: Measured): string {
  const cost = `${senderCpuPerGB.toFixed(2)} CPU-s/GB to send, ${receiverCpuPerGB.toFixed(2)} to receive`
  return `${variant}: ${MBps.toFixed(0)} MB/s, ${cost}, ${rssMiB.toFixed(0)} MiB`
}

const { values } = parseArgs({
  options: {
    gib: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    verify: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) console.log(USAGE)
else {
  const bytes = countParser(1, GIB_MAX)(values.gib) * GIB
  const rounds = countParser(1, ROUNDS_MAX)(values.rounds)
  const runs: Measured[] = []
  for (let round = 0; round < rounds; round++) {
    // Each begins every other time, so that nobody always follows the other.
    for (const variant of round % 2 === 0 ? VARIANTS : VARIANTS.toReversed()) {
      const run = await measure(variant, bytes, values.verify)
      runs.push(run)
      if (!values.json) console.log(text(run))
    }
  }
  const parameters = {
    gib: bytes / GIB,
    rounds,
    verify: values.verify,
    machine: machine(),
    commit: commit(),
  }
  for (const line of summary(runs))
    console.log(values.json ? JSON.stringify({ ...line, ...parameters }) : `median ${text(line)}`)
  if (!values.json) console.log(JSON.stringify(parameters))
}
