// Tickets that this node can hand out.

import { parseSnapshotName } from '../snapshot/object-keys.ts'
import { encodeTicket, looksLikeTicket } from '../snapshot/ticket.ts'
import type { StoreDescription } from '../store/open-store.ts'
import type { JoinTarget } from './join-target.ts'
import type { SwarmSession } from './swarm-session.ts'

/** A ticket that leads to this node, to the peers it knows, and to the store if others can read it too. */
export function ticketFor(target: JoinTarget, session: SwarmSession, store: StoreDescription | undefined): string {
  return makeTicket(target, session.exchange.addresses(), store)
}

export function makeTicket(
  target: Omit<JoinTarget, 'addresses'>,
  addresses: readonly string[],
  store: StoreDescription | undefined,
): string {
  return encodeTicket({
    root: target.root,
    swarmKey: target.swarmKey,
    name: target.name,
    addresses: publicFirst(addresses),
    store: store && { url: store.url, endpoint: store.endpoint ?? '', region: store.region ?? '' },
  })
}

/** Loopback addresses help only on this machine and come last, so that the limit on addresses cuts them first. */
function publicFirst(addresses: readonly string[]): string[] {
  const isLoopback = (address: string): number => (/^\/(ip4\/127\.|ip6\/::1\/)/.test(address) ? 1 : 0)
  return [...addresses].sort((a, b) => isLoopback(a) - isLoopback(b))
}

/** Whether a command's argument is a ticket, and so a secret, rather than a snapshot's name. */
export function isTicket(text: string): boolean {
  return looksLikeTicket(text)
}

/** Returns `text`, a name or name@root; throws `usage` when no snapshot can be called that. */
export function checkSnapshotName(text: string): string {
  parseSnapshotName(text)
  return text
}
