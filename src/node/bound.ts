// The best possible time of a transfer whose rates were declared, for those outside the hub.

import { fluidBoundMs } from '../swarm/bound.ts'

export interface DeclaredRates {
  readonly encodedBytes: number
  readonly nodes: number
  /** What each node may read from the store. */
  readonly originBytesPerSec: number
}

/** Faster than any link, and finite, as the bound's bisection needs it. */
const UNLIMITED_BYTES_PER_MS = 1e9

/** Links between the nodes count as unlimited: the bound is then the lowest that it can be. */
export function bestSeconds({ encodedBytes, nodes, originBytesPerSec }: DeclaredRates): number {
  const node = { down: UNLIMITED_BYTES_PER_MS, up: UNLIMITED_BYTES_PER_MS, origin: originBytesPerSec / 1000 }
  return fluidBoundMs(encodedBytes, { nodes: Array.from({ length: nodes }, () => node) }) / 1000
}
