// What a run of the benchmark is about: how many hosts, which rates, how many bytes, who takes part, and the bound that
// follows from the declared rates. Rates are bytes per second and count the headers of every packet.

import { parseArgs } from 'node:util'
import { countParser, parseBytes } from '../../src/cli/values.ts'
import { fluidBoundMs } from '../../src/swarm/bound.ts'
import { machineCongestionControl } from '../../test/support/netns.ts'

const MB = 1_000_000
/** The most that all links of all hosts carry together, when the rates follow from a topology. */
const LINKS_TOTAL = 240 * MB
/** The most that all hosts receive together by the bound, then. Twice as much, and two cores are the limit. */
const ARRIVING_TOTAL = '50M'
const RATE_STEP = 0.1 * MB
const HOSTS_MAX = 32
const ROUNDS_MAX = 100
const SECONDS_MAX = 3600
/** What `--origin auto` may read at most from a store that charges for what leaves it. */
const COPIES_DEFAULT = '2'
/** `auto` reads a chunk again only where the bound for one copy is worse than this many times the other. */
const WORTH_COPIES = 1.2

export interface Plan {
  readonly hosts: number
  /** What the origin sends to each host, or to all together if they share it. */
  readonly originBytesPerSec: number
  readonly isOriginShared: boolean
  readonly upBytesPerSec: number
  readonly downBytesPerSec: number
  /** TCP's, on every host, for everyone. */
  readonly congestionControl: string
  readonly bytes: number
  readonly rounds: number
  /** Empty: all. */
  readonly only: readonly string[]
  readonly chunkBytes: number
  readonly policy: 'auto' | 'once'
  readonly originCopies: number
  /** swarm reads its chunks from the S3 server itself, which needs many times the processor time of nginx. */
  readonly isStoreBare: boolean
  /** Where the joins' traces and the bytes on every link over time go. */
  readonly traceFolder: string | undefined
  /** How long to wait before each run for other work on the machine to pause. */
  readonly waitQuietMs: number
  readonly json: boolean
  readonly boundSeconds: number
}

type Rates = Pick<
  Plan,
  'hosts' | 'originBytesPerSec' | 'isOriginShared' | 'upBytesPerSec' | 'downBytesPerSec' | 'policy' | 'originCopies'
>

export const USAGE = `usage: npm run bench:fanout -- [options]
  --hosts N              hosts that want the file (4)
  --topology R:U:D       origin to each host, uplink and downlink of a host, scaled (1:6:7) so that all links carry
                         at most ${LINKS_TOTAL / MB} MB/s together, and by the bound hosts receive at most
  --arriving RATE        together (${ARRIVING_TOTAL})
  --origin RATE          instead: what the origin sends to each host, for example 4M
  --shared-origin        that rate is for all hosts together
  --link UP/DOWN         instead: the links of a host, for example 24M/28M
  --congestion NAME      TCP's congestion control on every host (the machine's)
  --seconds S            choose the size so that the bound is S seconds (30)
  --bytes SIZE           instead: the size of the file, for example 200MiB
  --rounds N             everyone runs once in each round, in turn (5)
  --only NAME            take part (repeatable); default: all but swarm-alone
  --chunk-size SIZE      swarm's chunks (1MiB)
  --policy auto|once     swarm's --origin (auto)
  --origin-copies N      swarm's --origin-copies (${COPIES_DEFAULT})
  --bare-store           swarm's chunks come from radosgw itself, not from nginx in front of it
  --trace DIR            keep the joins' traces and the bytes of every link for each half second
  --wait-quiet S         before each run, wait up to S seconds for other work on the machine to pause (0)
  --json                 JSON lines`

export function parsePlan(argv: readonly string[]): Plan | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      hosts: { type: 'string', default: '4' },
      topology: { type: 'string', default: '1:6:7' },
      arriving: { type: 'string', default: ARRIVING_TOTAL },
      origin: { type: 'string' },
      'shared-origin': { type: 'boolean', default: false },
      link: { type: 'string' },
      congestion: { type: 'string' },
      seconds: { type: 'string', default: '30' },
      bytes: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      only: { type: 'string', multiple: true, default: [] },
      'chunk-size': { type: 'string', default: '1MiB' },
      policy: { type: 'string', default: 'auto' },
      'origin-copies': { type: 'string', default: COPIES_DEFAULT },
      'bare-store': { type: 'boolean', default: false },
      trace: { type: 'string' },
      'wait-quiet': { type: 'string', default: '0' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const hosts = countParser(2, HOSTS_MAX)(values.hosts)
  const link = values.link === undefined ? undefined : parseLink(values.link)
  const chunkBytes = parseBytes(values['chunk-size'])
  if (values.policy !== 'auto' && values.policy !== 'once') throw new Error('--policy: give auto or once')
  const fixed = {
    hosts,
    policy: values.policy,
    originCopies: countParser(1, HOSTS_MAX)(values['origin-copies']),
    isOriginShared: values['shared-origin'],
  } as const
  const scaled = scaleTopology({ ...fixed, ...parseTopology(values.topology) }, parseBytes(values.arriving))
  const rates: Rates = {
    ...fixed,
    originBytesPerSec: values.origin === undefined ? scaled.originBytesPerSec : parseBytes(values.origin),
    upBytesPerSec: link?.up ?? scaled.upBytesPerSec,
    downBytesPerSec: link?.down ?? scaled.downBytesPerSec,
  }
  const wanted = countParser(1, SECONDS_MAX)(values.seconds)
  const bytes = values.bytes === undefined ? Math.ceil(wanted / boundSeconds(1, rates)) : parseBytes(values.bytes)
  return {
    ...rates,
    congestionControl: values.congestion ?? machineCongestionControl(),
    bytes,
    rounds: countParser(1, ROUNDS_MAX)(values.rounds),
    only: values.only,
    chunkBytes,
    isStoreBare: values['bare-store'],
    traceFolder: values.trace,
    waitQuietMs: countParser(0, SECONDS_MAX)(values['wait-quiet']) * 1000,
    json: values.json,
    boundSeconds: boundSeconds(bytes, rates),
  }
}

/** What all links of all hosts carry together when they are full, both directions and the origin. */
export function linksTotal(rates: Rates): number {
  const { hosts, originBytesPerSec, isOriginShared, upBytesPerSec, downBytesPerSec } = rates
  return hosts * (upBytesPerSec + downBytesPerSec) + (isOriginShared ? 1 : hosts) * originBytesPerSec
}

/** The bound of the policy in force. */
function boundSeconds(bytes: number, rates: Rates): number {
  const node = {
    down: rates.downBytesPerSec / 1000,
    up: rates.upBytesPerSec / 1000,
    origin: rates.originBytesPerSec / 1000,
  }
  const nodes = Array.from({ length: rates.hosts }, () => node)
  const total = rates.isOriginShared ? { originTotal: node.origin } : {}
  const bound = (copiesMax: number) => fluidBoundMs(bytes, { nodes, copiesMax, ...total }) / 1000
  const once = bound(1)
  const more = bound(rates.originCopies)
  return rates.policy === 'auto' && once > more * WORTH_COPIES ? more : once
}

/** The same proportions, as fast as the limits allow, in steps that read well. */
function scaleTopology(rates: Rates, arrivingTotal: number): Rates {
  const arriving = rates.hosts / boundSeconds(1, rates)
  const exact = Math.min(LINKS_TOTAL / linksTotal(rates), arrivingTotal / arriving)
  const unit = Math.floor(exact / RATE_STEP) * RATE_STEP
  if (unit === 0) throw new Error('--topology: the rates are too different; give --origin and --link')
  return {
    ...rates,
    originBytesPerSec: rates.originBytesPerSec * unit,
    upBytesPerSec: rates.upBytesPerSec * unit,
    downBytesPerSec: rates.downBytesPerSec * unit,
  }
}

/** In units that are to be chosen. */
function parseTopology(text: string): Pick<Rates, 'originBytesPerSec' | 'upBytesPerSec' | 'downBytesPerSec'> {
  const [origin = 0, up = 0, down = 0, ...rest] = text.split(':').map(Number)
  if (!(origin > 0 && up > 0 && down > 0) || rest.length > 0) throw new Error('--topology: give three rates as 1:6:7')
  return { originBytesPerSec: origin, upBytesPerSec: up, downBytesPerSec: down }
}

function parseLink(text: string): { up: number; down: number } {
  const [up, down = up, ...rest] = text.split('/')
  if (up === undefined || down === undefined || rest.length > 0) throw new Error('--link: give UP/DOWN as 24M/28M')
  return { up: parseBytes(up), down: parseBytes(down) }
}
