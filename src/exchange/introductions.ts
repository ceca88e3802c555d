// Who knows whom: finds out through peers whether this node can be dialled, tells its signed record when it can, passes
// the records of connected peers on to others, and filters what it is told. Never dials anyone itself.

import type { PrivateKey } from '@libp2p/interface'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { PeerId } from '../base/ids.ts'
import { hostOf, mayBelieve, parseAddress, scopeOf, tcpAddress, worthTelling } from './addresses.ts'
import { dialBack } from './dial-back.ts'
import * as limits from './limits.ts'
import type { Reachability } from './messages.ts'
import type { LinkMessage, PeerLink } from './peer-link.ts'
import { type Candidate, openRecord, sealRecord } from './records.ts'

/** What is needed of a link. */
export interface IntroducedLink extends Pick<PeerLink, 'peer' | 'send'> {
  readonly connection: { readonly remoteAddr: Multiaddr }
}

export interface IntroductionsInit {
  readonly self: PeerId
  readonly privateKey: PrivateKey
  /** The addresses that this node listens on or was told to announce, now. */
  readonly ownAddresses: () => Multiaddr[]
  /** Addresses that a person vouched for; they are told without a check. */
  readonly announce: readonly string[]
  /** The port under which the outside reaches this node, where it is another than the one listened on or certain. */
  readonly mappedPort?: number | undefined
  readonly links: () => readonly IntroducedLink[]
  /** Candidates that passed the filters and are not connected. */
  readonly peersHeard: (candidates: readonly Candidate[]) => void
  /** Addresses of this node were found to be reachable, or not. */
  readonly reachabilityChanged: () => void
  /** Monotonic, ms. */
  readonly nowMs: () => number
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Runs something after so long. It may run after this node has stopped, and then finds no links. */
  readonly later: (ms: number, run: () => void) => void
}

/** What is kept per peer. */
interface Acquaintance {
  /** The peer's own record, to be passed on. */
  record: Uint8Array | undefined
  /** Whose records it was given here. It dials them itself. */
  readonly knows: Set<PeerId>
  /** Records that may still be looked at, refilled with time. */
  recordsAllowed: number
  refilledAtMs: number
  dialBacksAnswered: number
  dialBacksAsked: number
  answering: boolean
  /** The addresses of our open question. */
  asked: readonly Multiaddr[] | undefined
}

export class Introductions {
  readonly #init: IntroductionsInit
  readonly #known = new Map<PeerId, Acquaintance>()
  /** Verdicts of peers about our addresses, by address; reachable once is reachable. */
  readonly #verdicts = new Map<string, Reachability>()
  /** What any peer was asked about. */
  readonly #everAsked = new Set<string>()
  /** Addresses from which peers saw us come, with our listening port put in. */
  readonly #observed = new Map<string, Multiaddr>()

  constructor(init: IntroductionsInit) {
    this.#init = init
    for (const address of init.announce) this.#verdicts.set(withoutPeer(multiaddr(address)).toString(), 'reachable')
  }

  /** Whether a peer has reached this node at one of its addresses, or a person says that it can be reached. */
  get reachable(): boolean {
    return [...this.#verdicts.values()].includes('reachable')
  }

  /** Whether no more need be asked: with a mapped port, that somebody on the same network gets through is not enough. */
  get #isSettled(): boolean {
    if (this.#init.mappedPort === undefined) return this.#reached.length > 0
    return [...this.#verdicts].some(([text, verdict]) => verdict === 'reachable' && isWide(text))
  }

  /** The addresses to tell: those found reachable; before any check those that may be. */
  get addresses(): Multiaddr[] {
    const reached = this.#reached
    if (reached.length > 0) return reached
    // Peers on this machine, which got through at a loopback address, know others there who can use it.
    const near = [...this.#candidates().values()].filter((address) => this.#isReached(address))
    const all = [...this.possibleAddresses, ...near]
    return [...new Map(all.map((address) => [address.toString(), address])).values()]
  }

  /** Where peers got through that may be elsewhere: not at a loopback address, where there is a better one. */
  get #reached(): Multiaddr[] {
    return worthTelling([...this.#candidates().values()]).filter((address) => this.#isReached(address))
  }

  #isReached(address: Multiaddr): boolean {
    return this.#verdicts.get(address.toString()) === 'reachable'
  }

  /** All that nobody has failed to reach: for people, who may know more about their network than the peers of now. */
  get possibleAddresses(): Multiaddr[] {
    const all = [...this.#candidates().values()]
    return worthTelling(all.filter((address) => this.#verdicts.get(address.toString()) !== 'unreachable'))
  }

  /** The signed record of `addresses`. */
  record(): Promise<Uint8Array> {
    return sealRecord(this.#init.privateKey, this.addresses)
  }

  /** A peer was admitted: tell it of others, and ask it what it can tell of us. */
  peerUp(link: IntroducedLink): void {
    const others = this.#pick(
      [...this.#known].filter(([peer, { record }]) => peer !== link.peer && record !== undefined),
    )
    this.#known.set(link.peer, {
      record: undefined,
      knows: new Set(others.map(([peer]) => peer)),
      recordsAllowed: limits.RECORDS_HEARD_PER_TICK_MAX,
      refilledAtMs: this.#init.nowMs(),
      dialBacksAnswered: 0,
      dialBacksAsked: 0,
      answering: false,
      asked: undefined,
    })
    const records = others.flatMap(([, { record }]) => record ?? [])
    if (records.length > 0) link.send({ type: 'peers', records })
    if (this.reachable) void this.#tellRecord([link])
    if (!this.#isSettled) this.#ask(link)
  }

  peerDown(peer: PeerId): void {
    this.#known.delete(peer)
    for (const { knows } of this.#known.values()) knows.delete(peer)
  }

  /** Handles the messages of this subject. */
  heard(link: IntroducedLink, message: Extract<LinkMessage, { type: 'peers' | 'dialBack' | 'dialBackResult' }>): void {
    switch (message.type) {
      case 'peers':
        void this.#hearPeers(link, message.records)
        return
      case 'dialBack':
        void this.#answer(link, message.addresses)
        return
      case 'dialBackResult':
        this.#learn(link, message.results, message.observed)
    }
  }

  async #hearPeers(link: IntroducedLink, records: readonly Uint8Array[]): Promise<void> {
    const known = this.#known.get(link.peer)
    const introducerHost = hostOf(link.connection.remoteAddr)
    if (known === undefined || introducerHost === undefined) return
    const candidates: Candidate[] = []
    for (const bytes of records.slice(0, this.#allow(known, records.length))) {
      const candidate = await openRecord(bytes)
      if (candidate === undefined || candidate.peer === this.#init.self) continue
      if (candidate.peer === link.peer) {
        this.#keepRecord(link, known, bytes)
        continue
      }
      const addresses = candidate.addresses.filter((address) => {
        const host = hostOf(multiaddr(address))
        return host === undefined || mayBelieve(host, introducerHost)
      })
      if (addresses.length > 0) candidates.push({ peer: candidate.peer, addresses })
    }
    const connected = new Set(this.#init.links().map((other) => other.peer))
    const fresh = candidates.filter((candidate) => !connected.has(candidate.peer))
    if (fresh.length > 0) this.#init.peersHeard(fresh)
  }

  /**
   * A peer says that it can be dialled: others should know. Those that it was told of it is dialling now; if they dialled
   * it as well, there would be two connections between the two. So they hear of it later, in case it does not get through.
   */
  #keepRecord(link: IntroducedLink, known: Acquaintance, bytes: Uint8Array): void {
    if (this.#known.get(link.peer) !== known) return
    const isNew = known.record === undefined
    known.record = bytes.slice()
    if (!isNew) return
    const tell = (others: readonly IntroducedLink[]): void => {
      const { record } = known
      if (record === undefined) return
      for (const other of others) {
        this.#known.get(other.peer)?.knows.add(link.peer)
        other.send({ type: 'peers', records: [record] })
      }
    }
    const others = this.#pick(this.#init.links().filter(({ peer }) => peer !== link.peer))
    tell(others.filter(({ peer }) => !known.knows.has(peer)))
    const dialled = new Set(others.flatMap(({ peer }) => (known.knows.has(peer) ? peer : [])))
    if (dialled.size === 0) return
    this.#init.later(limits.INTRODUCE_DIALLED_MS, () => {
      if (this.#known.get(link.peer) === known) tell(this.#init.links().filter(({ peer }) => dialled.has(peer)))
    })
  }

  /** How many of `wanted` records may be looked at now. */
  #allow(known: Acquaintance, wanted: number): number {
    const nowMs = this.#init.nowMs()
    const max = limits.RECORDS_HEARD_PER_TICK_MAX
    const refill = ((nowMs - known.refilledAtMs) * max) / limits.TICK_MS
    known.recordsAllowed = Math.min(max, known.recordsAllowed + refill)
    known.refilledAtMs = nowMs
    const allowed = Math.min(wanted, Math.floor(known.recordsAllowed))
    known.recordsAllowed -= allowed
    return allowed
  }

  async #answer(link: IntroducedLink, addresses: readonly Uint8Array[]): Promise<void> {
    const known = this.#known.get(link.peer)
    const askerHost = hostOf(link.connection.remoteAddr)
    if (known === undefined || known.answering || known.dialBacksAnswered >= limits.DIAL_BACKS_PER_LINK_MAX) return
    known.dialBacksAnswered++
    known.answering = true
    const results =
      askerHost === undefined ? addresses.map((): Reachability => 'untried') : await dialBack(addresses, askerHost)
    known.answering = false
    const observed = withoutPeer(link.connection.remoteAddr).bytes
    link.send({ type: 'dialBackResult', results, observed })
  }

  /** Asks a peer about the addresses that nobody has reached yet. */
  #ask(link: IntroducedLink): void {
    const known = this.#known.get(link.peer)
    if (known === undefined || known.asked !== undefined) return
    if (known.dialBacksAsked >= limits.DIAL_BACKS_PER_LINK_MAX) return
    const open = [...this.#candidates().values()].filter((address) => !this.#isReached(address))
    // A machine may have more than fit in one question, and be reachable at the last of them.
    const wasAsked = (address: Multiaddr): number => Number(this.#everAsked.has(address.toString()))
    if (open.length > limits.DIAL_BACK_ADDRESSES_MAX) open.sort((left, right) => wasAsked(left) - wasAsked(right))
    const asked = open.slice(0, limits.DIAL_BACK_ADDRESSES_MAX)
    if (asked.length === 0) return
    for (const address of asked) this.#everAsked.add(address.toString())
    known.asked = asked
    known.dialBacksAsked++
    link.send({ type: 'dialBack', addresses: asked.map((address) => address.bytes) })
  }

  #learn(link: IntroducedLink, results: readonly Reachability[], observed: Uint8Array): void {
    const known = this.#known.get(link.peer)
    if (known?.asked === undefined) return
    const before = { reachable: this.reachable, settled: this.#isSettled }
    known.asked.forEach((address, position) => {
      const verdict = results[position] ?? 'untried'
      const text = address.toString()
      if (verdict !== 'untried' && this.#verdicts.get(text) !== 'reachable') this.#verdicts.set(text, verdict)
    })
    known.asked = undefined
    const isSettled = this.#isSettled
    if (this.reachable && (!before.reachable || (isSettled && !before.settled))) {
      this.#init.reachabilityChanged()
      void this.#tellRecord(this.#init.links())
    }
    if (!isSettled && this.#observe(observed)) this.#ask(link)
  }

  /**
   * A machine behind a one-to-one translation listens on an address that it cannot see; the peer can. Keeps that address
   * with our port, or with the one that leads to it; true when it is new. So an address that changed since the start of a
   * container is found as well.
   */
  #observe(bytes: Uint8Array): boolean {
    const seen = parseAddress(bytes)
    const host = seen === undefined ? undefined : hostOf(seen)
    if (host === undefined || scopeOf(host) !== 'public' || this.#observed.size >= limits.DIAL_BACK_ADDRESSES_MAX) {
      return false
    }
    const port =
      this.#init.mappedPort ?? this.#init.ownAddresses().flatMap((address) => tcpAddress(address)?.port ?? [])[0]
    if (port === undefined) return false
    const address = multiaddr(`/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/${port}`)
    if (this.#candidates().has(address.toString())) return false
    this.#observed.set(address.toString(), address)
    return true
  }

  async #tellRecord(links: readonly IntroducedLink[]): Promise<void> {
    const record = await this.record()
    for (const link of links) link.send({ type: 'peers', records: [record] })
  }

  #candidates(): Map<string, Multiaddr> {
    const own = this.#init.ownAddresses().map(withoutPeer)
    return new Map([...own.map((address): [string, Multiaddr] => [address.toString(), address]), ...this.#observed])
  }

  /** Up to RECORDS_SHARED_MAX of them by chance. */
  #pick<Item>(items: readonly Item[]): Item[] {
    const pool = [...items]
    const picked: Item[] = []
    while (pool.length > 0 && picked.length < limits.RECORDS_SHARED_MAX) {
      picked.push(...pool.splice(Math.floor(this.#init.random() * pool.length), 1))
    }
    return picked
  }
}

/** Whether the address is not of a network that its machine is in itself, or was vouched for as a name. */
function isWide(text: string): boolean {
  const host = hostOf(multiaddr(text))
  return host === undefined || scopeOf(host) === 'public'
}

function withoutPeer(address: Multiaddr): Multiaddr {
  return address.decapsulateCode(CODE_P2P)
}
