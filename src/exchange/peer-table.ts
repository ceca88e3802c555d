// Which peers there are, and which of their connections counts. Two nodes that dial each other at once end up with two
// admitted connections; both keep the one whose dialler has the smaller id, without the peer ever seeming to leave.

import type { PeerId } from '../base/ids.ts'
import { REFUSED_PEERS_MAX, STRIKES_MAX } from './limits.ts'
import type { Message } from './messages.ts'
import type { LinkEnd } from './peer-link.ts'

/** What the table needs of a connection's link. */
export interface TableLink {
  readonly peer: PeerId
  readonly connection: { readonly direction: 'inbound' | 'outbound' }
  send(message: Message): void
  /** Finish what is open, then end. */
  retire(): void
}

export interface TableHandlers<Link extends TableLink> {
  up(link: Link): void
  down(peer: PeerId, reason: LinkEnd): void
  /** Whether a connection of this peer may be admitted any moment. */
  isPending(peer: PeerId): boolean
}

interface Entry<Link> {
  /** Undefined for the moment between the end of one connection and the admission of another. */
  link: Link | undefined
  lastEnd: LinkEnd
  /** What was sent in such a moment. */
  readonly waiting: Message[]
}

/** Messages for a peer that is between two connections; more do not come together in the milliseconds it lasts. */
const WAITING_MESSAGES_MAX = 1_024

export class PeerTable<Link extends TableLink> {
  readonly #self: PeerId
  readonly #handlers: TableHandlers<Link>
  readonly #entries = new Map<PeerId, Entry<Link>>()
  /** Every link that has not ended, retired ones too. */
  readonly #links = new Set<Link>()
  readonly #strikes = new Map<PeerId, number>()

  constructor(self: PeerId, handlers: TableHandlers<Link>) {
    this.#self = self
    this.#handlers = handlers
  }

  get peers(): PeerId[] {
    return [...this.#entries.keys()]
  }

  /** The links that count, one per peer. */
  get links(): Link[] {
    return [...this.#entries.values()].flatMap((entry) => entry.link ?? [])
  }

  /** The links that have not ended, retired ones too. */
  get allLinks(): Link[] {
    return [...this.#links]
  }

  find(peer: PeerId): Link | undefined {
    return this.#entries.get(peer)?.link
  }

  add(link: Link): void {
    this.#links.add(link)
    const entry = this.#entries.get(link.peer)
    if (entry === undefined) {
      this.#entries.set(link.peer, { link, lastEnd: 'closed', waiting: [] })
      this.#handlers.up(link)
      return
    }
    if (entry.link !== undefined && !this.#isBetter(link, entry.link)) {
      link.retire()
      return
    }
    entry.link?.retire()
    entry.link = link
    for (const message of entry.waiting.splice(0)) link.send(message)
  }

  /** Sends to a peer; does nothing when it is gone. */
  send(peer: PeerId, message: Message): void {
    const entry = this.#entries.get(peer)
    if (entry === undefined) return
    if (entry.link !== undefined) entry.link.send(message)
    else if (entry.waiting.length < WAITING_MESSAGES_MAX) entry.waiting.push(message)
    else this.#remove(peer, 'stalled')
  }

  ended(link: Link, reason: LinkEnd): void {
    this.#links.delete(link)
    if (reason === 'malformed' || reason === 'flooding') this.strike(link.peer)
    const entry = this.#entries.get(link.peer)
    if (entry?.link !== link) return
    entry.link = undefined
    entry.lastEnd = reason
    if (!this.#handlers.isPending(link.peer)) this.#remove(link.peer, reason)
  }

  /** An admission of this peer has ended, one way or the other. */
  settled(peer: PeerId): void {
    const entry = this.#entries.get(peer)
    if (entry !== undefined && entry.link === undefined && !this.#handlers.isPending(peer))
      this.#remove(peer, entry.lastEnd)
  }

  /** Counts an offence of this identity. */
  strike(peer: PeerId, strikes = 1): void {
    if (this.#strikes.size >= REFUSED_PEERS_MAX && !this.#strikes.has(peer)) {
      // Forget the oldest: identities cost nothing, so that a longer memory would not help.
      for (const oldest of this.#strikes.keys()) {
        this.#strikes.delete(oldest)
        break
      }
    }
    this.#strikes.set(peer, (this.#strikes.get(peer) ?? 0) + strikes)
  }

  isRefused(peer: PeerId): boolean {
    return (this.#strikes.get(peer) ?? 0) >= STRIKES_MAX
  }

  #remove(peer: PeerId, reason: LinkEnd): void {
    if (this.#entries.delete(peer)) this.#handlers.down(peer, reason)
  }

  /** Of two links with one dialler the newer counts: that node dials again only when the older one has ended for it. */
  #isBetter(link: Link, than: Link): boolean {
    const dialler = this.#diallerOf(link)
    if (dialler === this.#diallerOf(than)) return true
    return dialler < (dialler === this.#self ? link.peer : this.#self)
  }

  #diallerOf(link: Link): PeerId {
    return link.connection.direction === 'outbound' ? this.#self : link.peer
  }
}
