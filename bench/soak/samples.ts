// What a process holds of the system, and whether that grows.

import { readdir, readFile } from 'node:fs/promises'
import { median } from '../../src/node/bench-scaling.ts'

export interface Sample {
  /** Since the first sample. */
  readonly seconds: number
  readonly residentMiB: number
  readonly descriptors: number
  readonly threads: number
}

export type Held = Exclude<keyof Sample, 'seconds'>

export const HELD: readonly Held[] = ['residentMiB', 'descriptors', 'threads']

export interface Trend {
  /** Medians of the quarters of the run. */
  readonly quarters: readonly number[]
  /** The last quarter beside the second; the first one warms up. */
  readonly trend: 'flat' | 'grown' | 'shrunk'
}

/** What may differ between two quarters that are alike: a share, and at least so many. */
const SHARE_SAME = 0.05
const LEAST_SAME: Readonly<Record<Held, number>> = { residentMiB: 8, descriptors: 2, threads: 1 }

/** Undefined when the process has ended. */
export async function takeSample(pid: number, seconds: number): Promise<Sample | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1])
    const descriptors = (await readdir(`/proc/${pid}/fd`)).length
    return { seconds, residentMiB: field('VmRSS') / 1024, descriptors, threads: field('Threads') }
  } catch {
    return undefined
  }
}

/** Of at least four samples. */
export function trendOf(samples: readonly Sample[], held: Held): Trend {
  const length = Math.ceil(samples.length / 4)
  const quarters = [0, 1, 2, 3].map((quarter) =>
    median(samples.slice(quarter * length, (quarter + 1) * length).map((sample) => sample[held])),
  )
  const [, second = 0, , last = 0] = quarters
  const same = Math.max(LEAST_SAME[held], second * SHARE_SAME)
  const trend = Math.abs(last - second) <= same ? 'flat' : last > second ? 'grown' : 'shrunk'
  return { quarters, trend }
}
