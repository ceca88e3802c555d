// Judges a finished join: the best time that its links allowed, what it took, and which link was the limit. Only from rates that
// were declared, never from what the run itself showed; where that is not possible, why, and what would make it possible.

import { type BoundLimit, fluidBound, type NodeRates } from '../swarm/bound.ts'
import type { DeclaredRate } from './link-rate.ts'
import type { Participants } from './peer-starts.ts'

/** Nodes that began within this share of the run count as having begun together. */
const TOGETHER_SHARE = 0.1
/** `auto` reads further copies only where once would be more than 20 % worse. */
const WORTH_COPIES = 1.2
/** A run may beat its bound by what limits let through at once at the start, and no more. */
const BURST_SECONDS = 1
/** Faster than any link, and finite, as the bound's bisection needs it. */
const UNLIMITED_BYTES_PER_SEC = 1e12

/** What is declared of this node, each in bytes per second; undefined: nothing. */
export interface DeclaredRates {
  readonly store: DeclaredRate | undefined
  readonly fromPeers: DeclaredRate | undefined
  readonly toPeers: DeclaredRate | undefined
  /** All that comes in, and all that goes out. */
  readonly link: DeclaredRate | undefined
}

export interface FinishedRun {
  readonly encodedBytes: number
  readonly chunks: number
  /** Command start to ready. */
  readonly seconds: number
  readonly fetchStartedAtMs: number
  readonly chunksHeldAtStart: number
  /** Encoded bytes that were verified. */
  readonly bytesFetched: number
  readonly readsStore: boolean
  readonly mode: 'auto' | 'once' | 'never'
  readonly copiesMax: number | 'unlimited'
  readonly rates: DeclaredRates
  readonly swarm: Participants
}

export interface RunBound {
  /** The least that this took, whatever anybody had done. */
  readonly seconds: number
  /** `seconds` over the seconds taken. */
  readonly efficiency: number
  readonly rates: {
    /** This one among them. All are taken to be equal to it, but for whether they read the store. */
    readonly nodes: number
    readonly storeBytesPerSec: number
    /** What one node can take from store and peers together. Null, as `up`, where one node alone declares nothing. */
    readonly downBytesPerSec: number | null
    readonly upBytesPerSec: number | null
    readonly originCopies: number | 'unlimited'
    /** What declared each of them. */
    readonly declaredBy: Readonly<Record<'store' | 'down' | 'up', string | null>>
  }
  readonly limitedBy: BoundLimit
}

/** `reason` completes "the best possible time is not known:". */
export type Judgement =
  | { readonly bound: RunBound; readonly reason: null }
  | { readonly bound: null; readonly reason: string }

export function judgeRun(run: FinishedRun): Judgement {
  const unequal = whyUnequal(run)
  if (unequal !== undefined) return { bound: null, reason: unequal }
  const links = linksOf(run)
  if ('missing' in links) return { bound: null, reason: `declare ${listed(links.missing)}` }
  const { rate, limitedBy, copies, downBytesPerSec } = policyBound(run, links)
  const seconds = run.encodedBytes / rate / 1000
  if (run.seconds + BURST_SECONDS < seconds) {
    return { bound: null, reason: `it was faster than ${listed(links.by)} would allow` }
  }
  const { nodes, store, down, up } = links
  return {
    reason: null,
    bound: {
      seconds,
      efficiency: seconds / run.seconds,
      rates: {
        nodes,
        storeBytesPerSec: store.bytesPerSec,
        downBytesPerSec: down === undefined ? null : downBytesPerSec,
        upBytesPerSec: up?.bytesPerSec ?? null,
        originCopies: copies,
        declaredBy: { store: store.by, down: down?.by ?? null, up: up?.by ?? null },
      },
      limitedBy,
    },
  }
}

/** Why this was no run of equal nodes that began together. */
function whyUnequal(run: FinishedRun): string | undefined {
  if (run.bytesFetched === 0) return 'nothing had to be fetched'
  if (run.chunksHeldAtStart > 0) return 'a part of it was here at the start'
  if (!run.readsStore)
    return 'this machine does not read the store, and the links of those that give are not known here'
  if (!run.swarm.isKnown) return 'there may be machines that this one was not connected to'
  const tolerance = TOGETHER_SHARE * run.seconds * 1000
  for (const peer of run.swarm.peers) {
    if (peer === undefined || peer.atMs > run.fetchStartedAtMs + tolerance) return 'another machine joined much later'
    if (peer.chunksHeld >= run.chunks) return 'another machine had all of it at the start'
    if (peer.chunksHeld > TOGETHER_SHARE * run.chunks) return 'another machine had joined much earlier'
  }
  return run.swarm.peersLost > 0 ? 'another machine left before it had everything' : undefined
}

interface Links {
  readonly nodes: number
  readonly store: DeclaredRate
  readonly down: DeclaredRate | undefined
  readonly up: DeclaredRate | undefined
  /** Everything that was declared. */
  readonly by: readonly string[]
}

function linksOf(run: FinishedRun): Links | { readonly missing: readonly string[] } {
  const { store, fromPeers, toPeers, link } = run.rates
  const nodes = run.swarm.peers.length + 1
  const missing: string[] = []
  if (store === undefined) missing.push('--limit-store')
  if (nodes > 1 && fromPeers === undefined && link === undefined) missing.push('--limit-down')
  if (nodes > 1 && toPeers === undefined && link === undefined) missing.push('--limit-up')
  if (store === undefined || missing.length > 0) return { missing }
  const declared = [store, fromPeers, toPeers, link].flatMap((rate) => rate?.by ?? [])
  const reading = slower(store, link)
  // Bytes from peers and from the store share the link; --limit-down is for those from peers alone.
  const together = fromPeers && { ...fromPeers, bytesPerSec: fromPeers.bytesPerSec + reading.bytesPerSec }
  return { nodes, store: reading, down: slowerOf(together, link), up: slowerOf(toPeers, link), by: declared }
}

/** The bound of the policy in force, with the copies that it lets leave the store. */
function policyBound(run: FinishedRun, links: Links) {
  const bound = (copies: number | 'unlimited') => {
    const own = nodeRates(run, links, copies, true)
    const others = run.swarm.peers.map((peer) => nodeRates(run, links, copies, peer?.readsOrigin === true))
    const copiesMax = copies === 'unlimited' ? {} : { copiesMax: copies }
    return { ...fluidBound({ nodes: [own, ...others], ...copiesMax }), copies, downBytesPerSec: own.down * 1000 }
  }
  const once = bound(1)
  if (run.mode !== 'auto') return once
  const more = bound(run.copiesMax)
  return more.rate > once.rate * WORTH_COPIES ? more : once
}

function nodeRates(run: FinishedRun, links: Links, copies: number | 'unlimited', reads: boolean): NodeRates {
  const { nodes, store, down, up } = links
  const { fromPeers } = run.rates
  let most = down?.bytesPerSec ?? UNLIMITED_BYTES_PER_SEC
  // What does not come from the store comes from peers: at least 1 - copies / nodes of everything.
  if (fromPeers !== undefined && copies !== 'unlimited' && copies < nodes) {
    most = Math.min(most, (fromPeers.bytesPerSec * nodes) / (nodes - copies))
  }
  if (fromPeers !== undefined && !reads) most = Math.min(most, fromPeers.bytesPerSec)
  return {
    down: most / 1000,
    up: (up?.bytesPerSec ?? UNLIMITED_BYTES_PER_SEC) / 1000,
    origin: reads ? store.bytesPerSec / 1000 : 0,
  }
}

function slower(first: DeclaredRate, second: DeclaredRate | undefined): DeclaredRate {
  return second !== undefined && second.bytesPerSec < first.bytesPerSec ? second : first
}

function slowerOf(first: DeclaredRate | undefined, second: DeclaredRate | undefined): DeclaredRate | undefined {
  return first === undefined ? second : slower(first, second)
}

/** `a`, `a and b`, `a, b and c`. */
function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
