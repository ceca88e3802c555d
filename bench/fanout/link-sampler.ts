// What every link carried over time, and how busy the processors were: the counters of the switch's interfaces, read twice a
// second and written as JSON lines. For finding out which link was idle, when, and whether for want of CPU time.

import { createWriteStream, mkdirSync, readFileSync, type WriteStream } from 'node:fs'
import { availableParallelism } from 'node:os'
import { cpuSecondsOfMachine } from './cpu-time.ts'
import { HostProcess } from './host-process.ts'
import type { TestBed } from './test-bed.ts'

const SAMPLE_MS = 500
/** The process whose view of the network is read must live as long as the benchmark, and not for ever. */
const HOLDER_SECONDS = 6 * 3600

type Counters = Readonly<Record<string, { readonly up: number; readonly down: number }>>

export class LinkSampler {
  readonly #folder: string
  readonly #holder: HostProcess
  #timer: NodeJS.Timeout | undefined
  #out: WriteStream | undefined

  constructor(bed: TestBed, folder: string) {
    mkdirSync(folder, { recursive: true })
    this.#folder = folder
    this.#holder = new HostProcess(bed.network.switchNamespace, ['sleep', `${HOLDER_SECONDS}`], bed.folder)
  }

  /** Lines: seconds since now, the busy share of all processors, then bytes per second up and down of every host; host 1 is the origin. */
  start(label: string): void {
    const out = createWriteStream(`${this.#folder}/${label}-links.jsonl`)
    this.#out = out
    const startedAt = performance.now()
    let lastAt = startedAt
    let last = this.#read()
    let lastCpu = cpuSecondsOfMachine()
    this.#timer = setInterval(() => {
      const now = performance.now()
      const counters = this.#read()
      const rate = (after = 0, before = 0) => Math.round((after - before) / ((now - lastAt) / 1000))
      const hosts = Object.entries(counters).map(([host, { up, down }]) => [
        host,
        { up: rate(up, last[host]?.up), down: rate(down, last[host]?.down) },
      ])
      const cpu = cpuSecondsOfMachine()
      const cpuBusy = (cpu - lastCpu) / ((now - lastAt) / 1000) / availableParallelism()
      const seconds = (now - startedAt) / 1000
      out.write(`${JSON.stringify({ seconds, cpuBusy, ...Object.fromEntries(hosts) })}\n`)
      last = counters
      lastCpu = cpu
      lastAt = now
    }, SAMPLE_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#out?.end()
    this.#out = undefined
  }

  /** What the switch receives from a host is what the host sends. */
  #read(): Counters {
    const lines = readFileSync(`/proc/${this.#holder.pid}/net/dev`, 'utf8').split('\n')
    const found = lines.flatMap((line) => {
      const match = /^\s*e(\d+):\s*(\d+)(?:\s+\d+){7}\s+(\d+)/.exec(line)
      return match === null ? [] : [[`${match[1]}`, { up: Number(match[2]), down: Number(match[3]) }] as const]
    })
    return Object.fromEntries(found)
  }
}
