// The best possible completion time: how fast a snapshot can reach every node, whatever the schedule, from the rates of
// the links alone. A fluid limit; nothing in the scheduler decides by it. Rates are declared or probed, never read off
// the run that is judged.

export interface NodeRates {
  /** Bytes per ms; Infinity where nothing limits. */
  readonly down: number
  readonly up: number
  /** What the node alone can read from the origin; 0 when it does not read it. */
  readonly origin: number
}

export interface BoundInput {
  /** The nodes that want the snapshot. Nodes that hold it already are sources. */
  readonly nodes: readonly NodeRates[]
  /** What the origin gives to all together, bytes per ms. Default: no limit. */
  readonly originTotal?: number
  /** How many copies may leave the origin. Default: no limit. */
  readonly copiesMax?: number
  /** The uplinks of all sources together, bytes per ms. Default 0. */
  readonly sourceUp?: number
}

export type BoundLimit = 'downlink' | 'uplinks' | 'origin'

export interface Bound {
  /** The rate at which every node can receive at once, bytes per ms. 0: the snapshot cannot arrive. */
  readonly rate: number
  /** Which links end it: a node's downlink, all uplinks together, or what origin and sources put in. */
  readonly limitedBy: BoundLimit
}

/** Halvings of the interval: below the precision of a double. */
const ROUNDS = 200

export function fluidBound(input: BoundInput): Bound {
  const originTotal = input.originTotal ?? Number.POSITIVE_INFINITY
  const sourceUp = input.sourceUp ?? 0
  const downMin = Math.min(Number.POSITIVE_INFINITY, ...input.nodes.map((node) => node.down))
  let low = 0
  let high = Math.min(downMin, ceilingOf(input.nodes, sourceUp))
  if (brokenLimit(input, high, originTotal, sourceUp) === undefined) return { rate: high, limitedBy: 'downlink' }
  let limitedBy: BoundLimit = 'downlink'
  for (let round = 0; round < ROUNDS; round++) {
    const middle = (low + high) / 2
    const broken = brokenLimit(input, middle, originTotal, sourceUp)
    if (broken === undefined) low = middle
    else {
      high = middle
      limitedBy = broken
    }
  }
  return { rate: low, limitedBy }
}

/** The least time for `bytes`, in ms; Infinity when they cannot arrive. */
export function fluidBoundMs(bytes: number, input: BoundInput): number {
  return bytes / fluidBound(input).rate
}

/** A rate that no node can reach: everything that could be sent to it at once. */
function ceilingOf(nodes: readonly NodeRates[], sourceUp: number): number {
  return nodes.reduce((sum, node) => sum + node.up + node.origin, sourceUp)
}

/** Which limit a common rate `c` breaks, if any. The three are necessary and, in the fluid, together sufficient. */
function brokenLimit(input: BoundInput, c: number, originTotal: number, sourceUp: number): BoundLimit | undefined {
  const { nodes } = input
  let fromOrigin = 0
  let uplinks = sourceUp
  let passedOn = 0
  let rest = Number.POSITIVE_INFINITY
  for (const node of nodes) {
    if (c > node.down) return 'downlink'
    const direct = Math.min(node.origin, c)
    fromOrigin += direct
    uplinks += node.up
    passedOn += Math.min(direct, node.up)
    rest = Math.min(rest, Math.max(0, direct - node.up))
  }
  // The origin puts in each byte at least once, and a node's own reading must pass through its uplink to reach others.
  if (c > originTotal + sourceUp || c > passedOn + rest + sourceUp) return 'origin'
  const copies = Math.min(originTotal, fromOrigin, (input.copiesMax ?? Number.POSITIVE_INFINITY) * c)
  return nodes.length * c > copies + uplinks ? 'uplinks' : undefined
}
