// The machines of the benchmark: one that stands for the bucket, and the hosts that want the file, as network namespaces
// with the plan's limits. Every contender uses the same ones.

import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { mkdir, open, rm } from 'node:fs/promises'
import { Network } from '../../test/support/netns.ts'
import { HostProcess } from './host-process.ts'
import type { Plan } from './plan.ts'

export const ORIGIN = 1
export const FILE = 'data.bin'
const UNLIMITED_BYTES_PER_SEC = 1e9
const FILL_BYTES = 8 * 1024 * 1024

export class TestBed {
  readonly plan: Plan
  readonly network: Network
  readonly folder: string
  /** The hosts that want the file. */
  readonly hosts: readonly number[]

  private constructor(plan: Plan, network: Network, folder: string) {
    this.plan = plan
    this.network = network
    this.folder = folder
    this.hosts = Array.from({ length: plan.hosts }, (_, index) => ORIGIN + 1 + index)
  }

  static async create(plan: Plan, folder: string): Promise<TestBed> {
    const network = await Network.create(plan.hosts + 1)
    const bed = new TestBed(plan, network, folder)
    for (const host of [ORIGIN, ...bed.hosts]) await network.useCongestionControl(host, plan.congestionControl)
    for (const host of bed.hosts) {
      await network.limitHost(host, plan.upBytesPerSec, plan.downBytesPerSec)
      if (!plan.isOriginShared) await network.limitPair(ORIGIN, host, plan.originBytesPerSec)
    }
    if (plan.isOriginShared) await network.limitHost(ORIGIN, plan.originBytesPerSec, UNLIMITED_BYTES_PER_SEC)
    // BitTorrent clients find each other on the local network by multicast, which needs a route.
    for (const host of [ORIGIN, ...bed.hosts]) {
      execFileSync('ip', ['-n', network.namespace(host), 'route', 'add', 'default', 'dev', 'eth0'])
    }
    await mkdir(bed.source)
    await writeRandom(bed.sourceFile, plan.bytes)
    return bed
  }

  get source(): string {
    return `${this.folder}/source`
  }

  get sourceFile(): string {
    return `${this.source}/${FILE}`
  }

  /** Where a host puts what it receives; made anew for every run. */
  target(host: number): string {
    return `${this.folder}/host-${host}`
  }

  async emptyTargets(): Promise<void> {
    for (const host of this.hosts) {
      await rm(this.target(host), { recursive: true, force: true })
      await mkdir(this.target(host))
    }
  }

  address(host: number): string {
    return this.network.address(host)
  }

  start(host: number, ...command: [string, ...string[]]): HostProcess {
    return new HostProcess(this.network.namespace(host), command, this.folder)
  }
}

/** Bytes that nobody can make smaller. */
async function writeRandom(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'wx')
  const buffer = Buffer.alloc(FILL_BYTES)
  for (let rest = bytes; rest > 0; rest -= FILL_BYTES) {
    await file.write(randomFillSync(buffer), 0, Math.min(rest, FILL_BYTES))
  }
  await file.close()
}
