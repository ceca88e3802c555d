// One seed of a spec, simulated and judged.

import { mustFinish } from '../../test/sim/faults.ts'
import { World } from '../../test/sim/world.ts'
import type { SimBound } from './bound.ts'
import type { SimSpec } from './spec.ts'

/** What `bench:sim` prints for a seed. */
export interface SimLine {
  readonly type: 'sim'
  readonly seed: number
  /** When the last surviving honest node was complete. */
  readonly seconds: number
  readonly boundSeconds: number | null
  readonly ratio: number | null
  readonly originCopies: number
  /** Encoded bytes received twice or thrown away, as a part of all payload. */
  readonly wasted: number
  /** Bytes of messages by bytes of payload. */
  readonly controlShare: number
  readonly stalled: boolean
  /** Each node's time by the bound with its own downlink: median and 95th percentile. Null without a bound. */
  readonly nodeP50: number | null
  readonly nodeP95: number | null
}

export function runSeed(spec: SimSpec, bound: SimBound, seed: number): SimLine {
  const result = new World({ ...spec.world, seed }).run()
  const shares: number[] = []
  for (const [index, atMs] of result.completeAtMs.entries()) {
    const boundMs = bound.nodeMs[index] ?? null
    const node = spec.world.nodes[index]
    if (boundMs !== null && atMs !== undefined && node !== undefined && mustFinish(node)) shares.push(atMs / boundMs)
  }
  shares.sort((left, right) => left - right)
  return {
    type: 'sim',
    seed,
    seconds: result.ms / 1000,
    boundSeconds: bound.ms === null ? null : bound.ms / 1000,
    ratio: bound.ms === null ? null : result.ms / bound.ms,
    originCopies: result.originCopies,
    wasted: result.wastedShare,
    controlShare: result.controlShare,
    stalled: result.stalled,
    nodeP50: percentile(shares, 0.5),
    nodeP95: percentile(shares, 0.95),
  }
}

/** Of values in ascending order: the least that `share` of them do not exceed. */
export function percentile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null
}
