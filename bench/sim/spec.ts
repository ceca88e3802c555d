// What a file for `bench:sim` says, checked: nodes, links, policy and what happens when. MBps are 10^6 bytes per second.

import { readFileSync } from 'node:fs'
import { describeError, SwarmError } from '../../src/base/errors.ts'
import type { NodeSpec, WorldEvent, WorldSpec } from '../../test/sim/world.ts'

export interface SimSpec {
  /** Seeds 1 to this are simulated. */
  readonly seeds: number
  readonly policy: 'auto' | 'once' | 'never'
  /** Copies that may leave the origin with `auto`; null: no limit. */
  readonly originCopies: number | null
  /** Everything but the seed. */
  readonly world: Omit<WorldSpec, 'seed'>
}

type Fields = Readonly<Record<string, unknown>>

const CHUNKS_MAX = 200_000
const NODES_MAX = 10_000
const SEEDS_MAX = 1_000
/** Payload moves in blocks; large swarms in larger ones, or they would take hours. Flows share a link block by block. */
const BLOCK_BYTES = 1_048_576
const BLOCKS_PER_CHUNK = 8
const LARGE_FACTOR = 2
const LARGE_NODES = 200
/** Bytes per ms in a MBps. */
const MBPS = 1_000

/** Throws `usage` for a file that cannot be read or says what cannot be simulated. */
export function readSpec(path: string): SimSpec {
  try {
    return parseSpec(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    const cure = 'see bench/specs for files that work'
    throw new SwarmError('usage', `${path}: ${describeError(error)}`, { blame: 'caller', cure })
  }
}

export function parseSpec(value: unknown): SimSpec {
  const fields = fieldsOf(value, 'the spec')
  refuseUnknown(fields, 'the spec', SPEC_FIELDS)
  const policy = choice(fields['policy'] ?? 'auto', 'policy', ['auto', 'once', 'never'] as const)
  const originCopies = optional(fields['originCopies'], (copies) => number(copies, 'originCopies', 1, 1e6))
  const chunkBytes = whole(fields['chunkBytes'] ?? 8_388_608, 'chunkBytes', 1, 2 ** 30)
  const nodes = list(fields['nodes'], 'nodes').flatMap(parseNodes)
  if (nodes.length === 0 || nodes.length > NODES_MAX) throw new Error(`${nodes.length} nodes, not 1 to ${NODES_MAX}`)
  const originTotal = optional(fields['originTotalMBps'], (rate) => MBPS * number(rate, 'originTotalMBps', 0.001, 1e6))
  return {
    seeds: whole(fields['seeds'] ?? 10, 'seeds', 1, SEEDS_MAX),
    policy,
    originCopies,
    world: {
      chunkBytes: new Array<number>(whole(fields['chunks'], 'chunks', 1, CHUNKS_MAX)).fill(chunkBytes),
      nodes,
      mode: policy,
      copiesMax: originCopies ?? 'unlimited',
      ...(originTotal === null ? {} : { originTotal }),
      links: list(fields['links'] ?? [], 'links').map(parseLink),
      events: list(fields['events'] ?? [], 'events').map(parseEvent),
      delayUs: Math.round(1000 * number(fields['delayMs'] ?? 1, 'delayMs', 0, 10_000)),
      blockBytes:
        (nodes.length >= LARGE_NODES ? LARGE_FACTOR : 1) *
        Math.min(BLOCK_BYTES, Math.ceil(chunkBytes / BLOCKS_PER_CHUNK)),
      limits: parseLimitChanges(fields['limits']),
    },
  }
}

const SPEC_FIELDS = [
  'chunks',
  'chunkBytes',
  'policy',
  'originCopies',
  'seeds',
  'originTotalMBps',
  'nodes',
  'links',
  'delayMs',
  'events',
  'limits',
]

const NODE_FIELDS = [
  'count',
  'downMBps',
  'upMBps',
  'originMBps',
  'site',
  'joinAtSeconds',
  'leaveAtSeconds',
  'source',
  'behaviour',
  'reachable',
]

/** A group of nodes alike. `reachable: false`: they can only dial out. */
function parseNodes(value: unknown): NodeSpec[] {
  const fields = fieldsOf(value, 'a group of nodes')
  refuseUnknown(fields, 'a group of nodes', NODE_FIELDS)
  const leaveAt = optional(fields['leaveAtSeconds'], (seconds) => number(seconds, 'leaveAtSeconds', 0, 1e7))
  const node: NodeSpec = {
    down: MBPS * number(fields['downMBps'], 'downMBps', 0.001, 1e6),
    up: MBPS * number(fields['upMBps'], 'upMBps', 0, 1e6),
    origin: MBPS * number(fields['originMBps'] ?? 0, 'originMBps', 0, 1e6),
    source: flag(fields['source'] ?? false, 'source'),
    joinAtMs: 1000 * number(fields['joinAtSeconds'] ?? 0, 'joinAtSeconds', 0, 1e7),
    reachable: flag(fields['reachable'] ?? true, 'reachable'),
    behaviour: choice(fields['behaviour'] ?? 'honest', 'behaviour', ['honest', 'liar', 'corrupt', 'slow'] as const),
    ...(typeof fields['site'] === 'string' ? { site: fields['site'] } : {}),
    ...(leaveAt === null ? {} : { crashAtMs: 1000 * leaveAt }),
  }
  return new Array<NodeSpec>(whole(fields['count'] ?? 1, 'count', 1, NODES_MAX)).fill(node)
}

function parseLink(value: unknown): NonNullable<WorldSpec['links']>[number] {
  const fields = fieldsOf(value, 'a link')
  refuseUnknown(fields, 'a link', ['between', 'MBps', 'delayMs'])
  const rate = optional(fields['MBps'], (mbps) => MBPS * number(mbps, 'MBps', 0.001, 1e6))
  return {
    between: pair(fields['between'], 'between'),
    ...(rate === null ? {} : { rate }),
    delayUs: Math.round(1000 * number(fields['delayMs'] ?? 1, 'delayMs', 0, 10_000)),
  }
}

function parseEvent(value: unknown): WorldEvent {
  const fields = fieldsOf(value, 'an event')
  refuseUnknown(fields, 'an event', ['atSeconds', 'originMBps', 'partition', 'heal'])
  const atMs = 1000 * number(fields['atSeconds'], 'atSeconds', 0, 1e7)
  if (fields['partition'] !== undefined)
    return { atMs, type: 'partition', sites: pair(fields['partition'], 'partition') }
  if (fields['heal'] === true) return { atMs, type: 'heal' }
  return { atMs, type: 'originRate', rate: MBPS * number(fields['originMBps'], 'originMBps', 0, 1e6) }
}

function parseLimitChanges(value: unknown): Record<string, number> {
  const changes = Object.entries(fieldsOf(value ?? {}, 'limits'))
  return Object.fromEntries(changes.map(([name, limit]) => [name, number(limit, name, 0, 2 ** 53)]))
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is not an object`)
  return value as Fields
}

function refuseUnknown(fields: Fields, what: string, known: readonly string[]): void {
  for (const name of Object.keys(fields))
    if (!known.includes(name)) throw new Error(`${what} has no field ${name}; there is ${known.join(', ')}`)
}

function list(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${name} is not a list`)
  return value
}

function number(value: unknown, name: string, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw new Error(`${name} is ${JSON.stringify(value)}, not a number from ${min} to ${max}`)
}

function whole(value: unknown, name: string, min: number, max: number): number {
  if (Number.isInteger(value)) return number(value, name, min, max)
  throw new Error(`${name} is ${JSON.stringify(value)}, not a whole number from ${min} to ${max}`)
}

function flag(value: unknown, name: string): boolean {
  if (typeof value === 'boolean') return value
  throw new Error(`${name} is ${JSON.stringify(value)}, not true or false`)
}

function choice<Name extends string>(value: unknown, name: string, names: readonly Name[]): Name {
  const found = names.find((one) => one === value)
  if (found !== undefined) return found
  throw new Error(`${name} is ${JSON.stringify(value)}, not one of ${names.join(', ')}`)
}

function pair(value: unknown, name: string): readonly [string, string] {
  const [first, second, ...rest] = list(value, name)
  if (typeof first === 'string' && typeof second === 'string' && rest.length === 0) return [first, second]
  throw new Error(`${name} does not name two sites`)
}

/** Null and a field that is not there mean the same. */
function optional<Value>(value: unknown, parse: (value: unknown) => Value): Value | null {
  return value === undefined || value === null ? null : parse(value)
}
