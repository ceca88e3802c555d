// Writes bench/specs: eight topologies by five numbers of nodes. Rates are in units of what a machine reads from R2.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Prng } from '../../src/base/prng.ts'

const FOLDER = join(import.meta.dirname, '..', 'specs')
const SIZES = [4, 16, 64, 256, 1000]
const UNIT_MBPS = 184
/** Nodes join in this many groups, evenly within the first seconds. */
const JOIN_GROUPS = 6
const JOIN_SECONDS = 5
/** A site's inbound link, as a part of the uplinks of its nodes. */
const SITE_LINK_PART = 20
/** Each link of the mixed topology is drawn between these, evenly by its logarithm. */
const MIXED = { min: 0.2, max: 5 }
const DRAW_STEPS = 1_000_000

interface Rates {
  readonly origin: number
  readonly up: number
  readonly down: number
}

type Group = Readonly<Record<string, unknown>>
type Spec = Readonly<Record<string, unknown>>

const PLAIN: Rates = { origin: 1, up: 6, down: 7 }

const TOPOLOGIES: Readonly<Record<string, (size: number) => Spec>> = {
  'two-copies': (size) => ({ policy: 'auto', originCopies: 2, nodes: joining(size, [group(PLAIN)]) }),
  'fast-links': (size) => ({ policy: 'once', nodes: joining(size, [group({ origin: 1, up: 15, down: 16 })]) }),
  'slow-uplinks': (size) => ({ policy: 'auto', nodes: joining(size, [group({ origin: 1, up: 0.5, down: 7 })]) }),
  'origin-total': (size) => ({ policy: 'once', originTotalMBps: UNIT_MBPS, nodes: joining(size, [group(PLAIN)]) }),
  'lone-source': (size) => {
    const links = group({ origin: 0, up: 10, down: 10 })
    return { policy: 'never', nodes: [{ count: 1, ...links, source: true }, ...joining(size, [links])] }
  },
  mixed: (size) => ({ policy: 'once', nodes: mixed(size) }),
  'two-sites': (size) => ({
    policy: 'once',
    nodes: joining(size, [
      { ...group(PLAIN), site: 'a' },
      { ...group(PLAIN), site: 'b' },
    ]),
    links: [{ between: ['a', 'b'], MBps: (UNIT_MBPS * PLAIN.up * (size / 2)) / SITE_LINK_PART, delayMs: 30 }],
  }),
  'dial-only': (size) => ({
    policy: 'once',
    nodes: joining(size, [group(PLAIN), { ...group(PLAIN), reachable: false }]),
  }),
}

function group(rates: Rates): Group {
  return { downMBps: mbps(rates.down), upMBps: mbps(rates.up), originMBps: mbps(rates.origin) }
}

/** `size` nodes of these kinds in turn, joining in groups. */
function joining(size: number, kinds: readonly Group[]): Group[] {
  const groups = Math.min(JOIN_GROUPS, size / kinds.length)
  const found: Group[] = []
  for (let index = 0; index < groups; index++)
    for (const kind of kinds) {
      const each = size / kinds.length
      const count = Math.floor(((index + 1) * each) / groups) - Math.floor((index * each) / groups)
      found.push({ count, ...kind, joinAtSeconds: (JOIN_SECONDS * index) / Math.max(1, groups - 1) })
    }
  return found
}

function mixed(size: number): Group[] {
  const chance = new Prng(size)
  const part = (): number => chance.below(DRAW_STEPS) / DRAW_STEPS
  const rate = (): number => MIXED.min * (MIXED.max / MIXED.min) ** part()
  return Array.from({ length: size }, () => ({
    count: 1,
    ...group({ down: rate(), up: rate(), origin: rate() }),
    joinAtSeconds: Math.round(1000 * JOIN_SECONDS * part()) / 1000,
  }))
}

function mbps(units: number): number {
  return Math.round(units * UNIT_MBPS * 1000) / 1000
}

mkdirSync(FOLDER, { recursive: true })
for (const [topology, specOf] of Object.entries(TOPOLOGIES))
  for (const size of SIZES) {
    const { nodes, ...rest } = specOf(size)
    const shape = { chunks: size >= 256 ? 2000 : 6000, seeds: size >= 1000 ? 3 : 10, ...rest }
    const head = JSON.stringify(shape).slice(0, -1)
    const groups = (nodes as Group[]).map((one) => `  ${JSON.stringify(one)}`).join(',\n')
    writeFileSync(join(FOLDER, `${topology}-${size}.json`), `${head},"nodes":[\n${groups}\n]}\n`)
  }
