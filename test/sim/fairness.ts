// How unevenly a finished run treated nodes that are alike: the same links, the same moment of joining, the same faults.

import type { NodeSpec, World, WorldResult } from './world.ts'

export interface Unfairness {
  /** Among nodes alike: the longest time from joining to being complete, by the shortest. 1: none. */
  readonly time: number
  /** Among nodes alike: the most bytes that one sent, by the fewest. */
  readonly sent: number
  /** The most bytes that one node read from the origin, by the mean of those alike. */
  readonly origin: number
}

/** The worst group of nodes alike. Groups of one, and nodes that never finished, tell nothing. */
export function unfairness(world: World, result: WorldResult): Unfairness {
  const worst = { time: 1, sent: 1, origin: 1 }
  for (const indexes of groups(world.spec.nodes)) {
    const times: number[] = []
    const sent: number[] = []
    const read: number[] = []
    for (const index of indexes) {
      const node = world.nodes[index]
      const atMs = result.completeAtMs[index]
      if (node === undefined || atMs === undefined) continue
      times.push(atMs - (node.spec.joinAtMs ?? 0))
      sent.push(node.up.sentBytes)
      read.push(node.originLink.sentBytes)
    }
    if (times.length < 2) continue
    worst.time = Math.max(worst.time, Math.max(...times) / Math.min(...times))
    worst.sent = Math.max(worst.sent, Math.max(...sent) / Math.min(...sent))
    const mean = read.reduce((sum, bytes) => sum + bytes, 0) / read.length
    if (mean > 0) worst.origin = Math.max(worst.origin, Math.max(...read) / mean)
  }
  return worst
}

function groups(specs: readonly NodeSpec[]): Iterable<readonly number[]> {
  const found = new Map<string, number[]>()
  for (const [index, spec] of specs.entries()) {
    const key = JSON.stringify(Object.entries(spec).sort(([left], [right]) => (left < right ? -1 : 1)))
    const group = found.get(key)
    if (group === undefined) found.set(key, [index])
    else group.push(index)
  }
  return found.values()
}
