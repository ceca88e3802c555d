// The bound of a simulated run, from its spec alone: of the policy in force, for the last node and for each.

import { type BoundInput, fluidBoundMs, nodeBoundsMs } from '../../src/swarm/bound.ts'
import { mustFinish } from '../../test/sim/faults.ts'
import type { NodeSpec } from '../../test/sim/world.ts'
import type { SimSpec } from './spec.ts'

export interface SimBound {
  /** Null where it cannot be known: nodes leave, or sites are cut off. */
  readonly ms: number | null
  /** By node; null for those that need not finish. */
  readonly nodeMs: readonly (number | null)[]
}

/** More copies than one are read where one would take this many times as long; see originCopies in the README. */
const AUTO_GAIN = 1.2

export function boundOf(spec: SimSpec): SimBound {
  const { nodes, chunkBytes, events = [] } = spec.world
  const isStatic =
    nodes.every((node) => node.crashAtMs === undefined) && events.every((event) => event.type === 'originRate')
  if (!isStatic) return { ms: null, nodeMs: nodes.map(() => null) }
  const bytes = chunkBytes.reduce((sum, size) => sum + size, 0)
  const input = inForce(bytes, spec)
  const receiversMs = nodeBoundsMs(bytes, input).values()
  const nodeMs = nodes.map((node) => (mustFinish(node) ? (receiversMs.next().value ?? null) : null))
  return { ms: fluidBoundMs(bytes, input), nodeMs }
}

/** The links, and the copies that the policy reads. */
function inForce(bytes: number, spec: SimSpec): BoundInput {
  const { nodes, originTotal, events = [] } = spec.world
  const sources = nodes.filter((node) => node.source === true)
  const reads = spec.policy !== 'never'
  const links: BoundInput = {
    nodes: nodes.filter(mustFinish).map((node) => (reads ? node : { ...node, origin: 0 })),
    ...(originTotal === undefined ? {} : { originTotal }),
    originChanges: events.flatMap((event) => (event.type === 'originRate' ? [event] : [])),
    sourceUp: sources.reduce((sum, node) => sum + node.up, 0),
    siteInbound: inboundOf(spec, sources),
  }
  const once = { ...links, copiesMax: 1 }
  if (spec.policy !== 'auto') return once
  const more = { ...links, copiesMax: spec.originCopies ?? Number.POSITIVE_INFINITY }
  return fluidBoundMs(bytes, once) > AUTO_GAIN * fluidBoundMs(bytes, more) ? more : once
}

function inboundOf(spec: SimSpec, sources: readonly NodeSpec[]): ReadonlyMap<string, number> {
  const inbound = new Map<string, number>()
  for (const { between, rate = Number.POSITIVE_INFINITY } of spec.world.links ?? [])
    for (const site of between) inbound.set(site, (inbound.get(site) ?? 0) + rate)
  // What a source sends does not come in from outside its own site.
  for (const { site } of sources) if (site !== undefined) inbound.delete(site)
  return inbound
}
