// What is in a store, and a manifest for commands that only look: from the store, or from peers with a ticket.

import type { OpenedStore } from '../store/open-store.ts'
import { findManifest } from './find-manifest.ts'
import type { NodeEvent } from './join-events.ts'
import { type JoinTarget, resolveTarget } from './join-target.ts'
import type { Machine } from './machine.ts'
import type { LoadedManifest } from './manifest-objects.ts'
import { fetchFromStore, loadManifest } from './manifest-objects.ts'
import { openPeering } from './peering.ts'
import { findCurrent, listNames, type SnapshotRecord } from './snapshot-records.ts'
import { makeTicket } from './tickets.ts'

export interface ListedSnapshot extends SnapshotRecord {
  readonly name: string
  readonly versions: number
  readonly sequence: number
}

export async function listSnapshots(machine: Machine, url: string, signal: AbortSignal): Promise<ListedSnapshot[]> {
  const opened = await machine.openStore({ url })
  try {
    const listed: ListedSnapshot[] = []
    for (const [name, sequences] of await listNames(opened.store, { signal })) {
      const current = await findCurrent(opened.store, name, { signal })
      if (current === undefined) continue
      listed.push({ name, versions: sequences.length, sequence: current.sequence, ...current.record })
    }
    return listed
  } finally {
    await opened.store.close()
  }
}

export interface LookUpInit {
  readonly snapshot: string
  readonly storeUrl: string | undefined
  readonly machine: Machine
  readonly peers: readonly string[]
  readonly emit: (event: NodeEvent) => void
  readonly log: (text: string) => void
  readonly signal: AbortSignal
}

export interface LookedUp {
  readonly target: JoinTarget
  readonly manifest: LoadedManifest
}

/** Reads a manifest without joining for chunks. */
export async function lookUp(init: LookUpInit): Promise<LookedUp> {
  const { machine, signal } = init
  const warn = (message: string): void => init.emit({ type: 'warning', message })
  const { target, store } = await resolveTarget(
    init.snapshot,
    init.storeUrl,
    (at) => machine.openStore(at),
    warn,
    signal,
  )
  try {
    return { target, manifest: await manifestOf(init, target, store) }
  } finally {
    await store?.store.close()
  }
}

async function manifestOf(
  init: LookUpInit,
  target: JoinTarget,
  store: OpenedStore | undefined,
): Promise<LoadedManifest> {
  const { signal } = init
  if (store !== undefined) return loadManifest(target.root, fetchFromStore(store.store, { signal }), new Map())
  const peering = { peers: init.peers, listen: [], listenIsDefault: false, announce: [], site: '' }
  const session = await openPeering(target, undefined, false, peering, () => undefined, init.log)
  try {
    return await findManifest(target, session, undefined, signal)
  } finally {
    await session.close()
  }
}

/** A ticket for a snapshot in a store; joiners find each other through the store. */
export async function ticketFromStore(
  snapshot: string,
  url: string,
  machine: Machine,
  signal: AbortSignal,
): Promise<{ ticket: string; target: JoinTarget }> {
  const opening = (location: { url: string }) => machine.openStore(location)
  const { target, store } = await resolveTarget(snapshot, url, opening, () => undefined, signal)
  await store?.store.close()
  return { ticket: makeTicket(target, target.addresses, store?.description), target }
}
