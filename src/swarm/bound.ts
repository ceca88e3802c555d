// The best possible completion time: how soon a snapshot can be at every node, whatever the schedule, from the rates of
// the links alone. A fluid limit; nothing in the scheduler decides by it. Rates are declared or probed, never read off
// the run that is judged.
//
// Every condition compares what must cross a cut until time T with what the links of that cut carry until T, so that
// nodes that join late and an origin whose rate changes need no formula of their own: without them, T = bytes / c*.

export interface NodeRates {
  /** Bytes per ms; Infinity where nothing limits. */
  readonly down: number
  readonly up: number
  /** What the node alone can read from the origin; 0 when it does not read it. */
  readonly origin: number
  /** When its links begin to carry, in ms. Default 0. */
  readonly joinAtMs?: number
  /** The group it belongs to, a name in `siteInbound`. Default: no group. */
  readonly site?: string
}

/** From `atMs` on, what every node reads from the origin is at most `rate`, bytes per ms. */
export interface OriginChange {
  readonly atMs: number
  readonly rate: number
}

export interface BoundInput {
  /** The nodes that want the snapshot. Nodes that hold it already are sources. */
  readonly nodes: readonly NodeRates[]
  /** What the origin gives to all together, bytes per ms. Default: no limit. */
  readonly originTotal?: number
  /** Rates of the origin for each node from a time on, in order of time. */
  readonly originChanges?: readonly OriginChange[]
  /** How many copies may leave the origin. Default: no limit. */
  readonly copiesMax?: number
  /** The uplinks of all sources together, bytes per ms. Default 0. */
  readonly sourceUp?: number
  /** By site: what can come in from other sites, bytes per ms. Default: no limit. Sources count as outside of every site. */
  readonly siteInbound?: ReadonlyMap<string, number>
}

/** Which links end it: a node's downlink, all uplinks together, what origin and sources put in, or the links between sites. */
export type BoundLimit = 'downlink' | 'uplinks' | 'origin' | 'sites'

export interface Bound {
  /** The rate at which every node can receive at once, bytes per ms. 0: the snapshot cannot arrive. */
  readonly rate: number
  readonly limitedBy: BoundLimit
}

/** Halvings of the interval: below the precision of a double. */
const ROUNDS = 100
/** A snapshot that is not there by then never will be, in ms: 30,000 years. */
const LATEST_MS = 2 ** 50

/** The bound for nodes that are all there from the start. */
export function fluidBound(input: BoundInput): Bound {
  const bytes = 2 ** 40
  const { ms, limitedBy } = earliest((at) => brokenLimit(bytes, input, at))
  return { rate: bytes / ms, limitedBy }
}

/** The least time until `bytes` are at every node, in ms; Infinity when they cannot arrive. */
export function fluidBoundMs(bytes: number, input: BoundInput): number {
  return earliest((at) => brokenLimit(bytes, input, at)).ms
}

/**
 * The same for each node, in the order of `input.nodes`, with its own downlink in the place of the slowest: a reference in a
 * swarm whose downlinks differ. A node that others' downlinks leave more of the uplinks can be sooner.
 */
export function nodeBoundsMs(bytes: number, input: BoundInput): number[] {
  const { ms } = earliest((at) => brokenTotal(bytes, input, at))
  return input.nodes.map((node) => Math.max(ms, (node.joinAtMs ?? 0) + bytes / node.down))
}

/** The least time for which nothing is broken, and what is just before it. */
function earliest(broken: (at: number) => BoundLimit | undefined): { ms: number; limitedBy: BoundLimit } {
  let limitedBy: BoundLimit = 'downlink'
  let low = 0
  let high = 1
  for (let limit = broken(high); limit !== undefined; limit = broken(high)) {
    limitedBy = limit
    if (high >= LATEST_MS) return { ms: Number.POSITIVE_INFINITY, limitedBy }
    low = high
    high *= 2
  }
  for (let round = 0; round < ROUNDS; round++) {
    const middle = (low + high) / 2
    const limit = broken(middle)
    if (limit === undefined) high = middle
    else {
      low = middle
      limitedBy = limit
    }
  }
  return { ms: high, limitedBy }
}

/** What a link of the node carries until `at`. */
function carried(rate: number, at: number, node: NodeRates): number {
  const ms = at - (node.joinAtMs ?? 0)
  return ms > 0 && rate > 0 ? rate * ms : 0
}

/** What the node can read from the origin until `at`. */
function readUntil(at: number, node: NodeRates, changes: readonly OriginChange[]): number {
  let read = 0
  let since = node.joinAtMs ?? 0
  let rate = node.origin
  for (const change of changes) {
    if (change.atMs >= at) break
    read += rate * Math.max(0, change.atMs - since)
    since = Math.max(since, change.atMs)
    rate = Math.min(node.origin, change.rate)
  }
  return read + (at > since ? rate * (at - since) : 0)
}

/** Which limit is broken if every node has `bytes` at `at`, if any. */
function brokenLimit(bytes: number, input: BoundInput, at: number): BoundLimit | undefined {
  for (const node of input.nodes) if (carried(node.down, at, node) < bytes) return 'downlink'
  return brokenTotal(bytes, input, at)
}

/** The conditions on several links together. */
function brokenTotal(bytes: number, input: BoundInput, at: number): BoundLimit | undefined {
  const changes = input.originChanges ?? []
  const fromSources = (input.sourceUp ?? 0) * at
  const originTotal = input.originTotal === undefined ? Number.POSITIVE_INFINITY : input.originTotal * at
  const wanted = input.nodes.length * bytes
  let fromOrigin = 0
  let uplinks = fromSources
  let passedOn = 0
  let rest = Number.POSITIVE_INFINITY
  for (const node of input.nodes) {
    const direct = Math.min(bytes, readUntil(at, node, changes))
    const up = carried(node.up, at, node)
    fromOrigin += direct
    uplinks += up
    passedOn += Math.min(direct, up)
    // The node that keeps most of what it reads for itself needs least of the others.
    rest = Math.min(rest, Math.max(0, direct - up))
  }
  // The origin puts in each byte at least once, and a node's own reading must pass through its uplink to reach others.
  if (bytes > originTotal + fromSources || bytes > passedOn + rest + fromSources) return 'origin'
  const copies = Math.min(originTotal, (input.copiesMax ?? Number.POSITIVE_INFINITY) * bytes)
  if (wanted > Math.min(fromOrigin, copies) + uplinks) return 'uplinks'
  for (const split of new Set(input.nodes.map((node) => node.joinAtMs ?? 0)))
    if (split > 0 && wanted > mostReceived(bytes, input, split, at)) return 'uplinks'
  return areSitesShort(bytes, input, at, copies) ? 'sites' : undefined
}

/**
 * What all nodes together can have received until `at`, seen from an earlier time `split`: those that were there before it
 * held no more than what origin and sources had put in by then, however fast their links are.
 */
function mostReceived(bytes: number, input: BoundInput, split: number, at: number): number {
  if (split >= at) return Number.POSITIVE_INFINITY
  const changes = input.originChanges ?? []
  const sourceUp = input.sourceUp ?? 0
  const totalRate = input.originTotal ?? Number.POSITIVE_INFINITY
  let present = 0
  let readBefore = 0
  let readAfter = 0
  let uplinks = sourceUp * (at - split)
  for (const node of input.nodes) {
    const before = readUntil(split, node, changes)
    if ((node.joinAtMs ?? 0) < split) present++
    readBefore += before
    readAfter += readUntil(at, node, changes) - before
    uplinks += carried(node.up, at, node) - carried(node.up, split, node)
  }
  const putIn = Math.min(bytes, Math.min(readBefore, totalRate * split) + sourceUp * split)
  const copiesLeft = Math.max(0, (input.copiesMax ?? Number.POSITIVE_INFINITY) * bytes - putIn)
  return present * putIn + Math.min(readAfter, totalRate * (at - split), copiesLeft) + uplinks
}

/** What a site's inbound link does not carry, its own nodes must read from the origin; no more copies than allowed. */
function areSitesShort(bytes: number, input: BoundInput, at: number, copies: number): boolean {
  const { siteInbound } = input
  if (siteInbound === undefined) return false
  const readBySite = new Map<string, number>()
  for (const node of input.nodes) {
    if (node.site === undefined) continue
    const read = Math.min(bytes, readUntil(at, node, input.originChanges ?? []))
    readBySite.set(node.site, (readBySite.get(node.site) ?? 0) + read)
  }
  let needed = 0
  for (const [site, read] of readBySite) {
    const inbound = siteInbound.get(site)
    if (inbound === undefined) continue
    const missing = Math.max(0, bytes - inbound * at)
    if (missing > read) return true
    needed += missing
  }
  return needed > copies
}
