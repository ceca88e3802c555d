// What `join` (and verify, inspect) was asked for: a ticket or a name becomes a root, a swarm key, addresses and a store.

import { isSwarmError, SwarmError } from '../base/errors.ts'
import type { Root } from '../base/ids.ts'
import { parseSnapshotName } from '../snapshot/object-keys.ts'
import { looksLikeTicket, parseTicket, type Ticket } from '../snapshot/ticket.ts'
import type { OpenedStore } from '../store/open-store.ts'
import type { Patience } from './patience.ts'
import { findSnapshot, readSwarmKey, type SnapshotRecord } from './snapshot-records.ts'

export interface JoinTarget {
  readonly root: Root
  readonly swarmKey: Uint8Array
  /** May be empty, from a ticket. */
  readonly name: string
  /** Of nodes that had the snapshot when the ticket was written. */
  readonly addresses: readonly string[]
  /** Found by its name in a store, which therefore holds its manifest. Default false. */
  readonly isPublished?: boolean
}

/** Opens the store at a place, as the command line or a ticket names it. */
export type StoreOpener = (location: { url: string; endpoint?: string; region?: string }) => Promise<OpenedStore>

export interface ResolvedTarget {
  readonly target: JoinTarget
  /** Undefined: peers only. The caller closes it. */
  readonly store: OpenedStore | undefined
  /** What the store says of the snapshot; absent for a ticket. */
  readonly record?: SnapshotRecord
}

/**
 * `storeUrl` is what the person gave, if anything; it wins over a ticket's hint. A ticket whose store cannot be opened
 * (no credentials here) still works with peers alone, and `warn` is told. A name that is not there is waited for as long
 * as `patience` lasts, and then `snapshotNotFound`.
 */
export async function resolveTarget(
  snapshot: string,
  storeUrl: string | undefined,
  openStore: StoreOpener,
  warn: (text: string) => void,
  signal: AbortSignal,
  patience?: Patience,
): Promise<ResolvedTarget> {
  if (looksLikeTicket(snapshot)) {
    const ticket = parseTicket(snapshot)
    return { target: ticket, store: await openTicketStore(ticket, storeUrl, openStore, warn) }
  }
  const { name, root } = parseSnapshotName(snapshot)
  if (storeUrl === undefined) {
    throw new SwarmError('usage', `${name} is the name of a snapshot, and no store is given to look it up in`, {
      blame: 'caller',
      cure: 'give --store URL (or set SWARM_STORE), or join with a ticket from swarm seed or swarm ticket',
    })
  }
  const opened = await openStore({ url: storeUrl })
  try {
    const found = await findSnapshot(opened.store, name, root, { signal }, (look) =>
      patience === undefined ? look() : patience.find('snapshot', look, signal),
    )
    const swarmKey = await readSwarmKey(opened.store, found.record.root, { signal })
    const target = { root: found.record.root, swarmKey, name, addresses: [], isPublished: true }
    return { target, store: opened, record: found.record }
  } catch (error) {
    await opened.store.close()
    throw error
  }
}

async function openTicketStore(
  ticket: Ticket,
  storeUrl: string | undefined,
  openStore: StoreOpener,
  warn: (text: string) => void,
): Promise<OpenedStore | undefined> {
  if (storeUrl !== undefined) return openStore({ url: storeUrl })
  if (ticket.store === undefined) return undefined
  const { url, endpoint, region } = ticket.store
  try {
    return await openStore({ url, ...(endpoint === '' ? {} : { endpoint }), ...(region === '' ? {} : { region }) })
  } catch (error) {
    if (!isSwarmError(error)) throw error
    warn(`the ticket's store ${url} is not used: ${error.message}`)
    return undefined
  }
}
