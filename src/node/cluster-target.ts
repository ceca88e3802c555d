// The snapshot that a whole cluster gets: looked up once, so that every host restores the same one, whatever is pushed meanwhile.

import type { Root } from '../base/ids.ts'
import { looksLikeTicket, parseTicket } from '../snapshot/ticket.ts'
import { resolveTarget } from './join-target.ts'
import type { Machine } from './machine.ts'

export interface ClusterTarget {
  readonly root: Root
  /** May be empty, from a ticket. */
  readonly name: string
  /** Of the restored tree; undefined where only its peers know. */
  readonly rawBytes: number | undefined
  /** What a host joins: `name@root`, or `-` with the ticket in SWARM_TICKET. */
  readonly argument: string
  /** Undefined: joined by name. */
  readonly ticket: string | undefined
}

/** Throws what `join` would throw here: `usage`, `snapshotNotFound`, `credentialsRefused` and so on. A ticket is not asked about. */
export async function findClusterTarget(
  snapshot: string,
  storeUrl: string | undefined,
  machine: Machine,
  signal: AbortSignal,
): Promise<ClusterTarget> {
  if (looksLikeTicket(snapshot)) {
    const { root, name } = parseTicket(snapshot)
    return { root, name, rawBytes: undefined, argument: '-', ticket: snapshot }
  }
  const { target, store, record } = await resolveTarget(
    snapshot,
    storeUrl,
    (at) => machine.openStore(at),
    () => undefined,
    signal,
  )
  await store?.store.close()
  const { root, name } = target
  return { root, name, rawBytes: record?.rawBytes, argument: `${name}@${root}`, ticket: undefined }
}
