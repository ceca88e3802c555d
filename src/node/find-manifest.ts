// Gets a manifest from whoever has it: connected peers first, the store where there is one, again and again until one
// answers or it is certain that nobody will.

import { setTimeout as delay } from 'node:timers/promises'
import { isSwarmError, SwarmError } from '../base/errors.ts'
import type { Root } from '../base/ids.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { FIRST_PEER_MS, OBJECT_RETRY_MS } from './limits.ts'
import { type FetchObject, fetchFromStore, type LoadedManifest, loadManifest } from './manifest-objects.ts'
import type { SwarmSession } from './swarm-session.ts'

/** Throws `snapshotNotFound`, `credentialsRefused`, `networkUnavailable`, `integrity`, or the store's own failure. */
export function findManifest(
  root: Root,
  session: SwarmSession,
  store: ObjectStore | undefined,
  signal: AbortSignal,
): Promise<LoadedManifest> {
  const fromStore = store === undefined ? undefined : fetchFromStore(store, { signal })
  const startedAtMs = performance.now()
  const fetchObject: FetchObject = async (id, size) => {
    const bytesMax = 'bytes' in size ? size.bytes : size.bytesMax
    for (;;) {
      const object = await session.fetchObject(id, bytesMax, signal)
      if (object !== undefined) return object
      if (fromStore !== undefined)
        return fromStore(id, size).catch((error: unknown) => Promise.reject(explain(error, root)))
      checkHope(session, performance.now() - startedAtMs)
      await delay(OBJECT_RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }
  return loadManifest(root, fetchObject, session.objects)
}

function checkHope(session: SwarmSession, waitedMs: number): void {
  const { dialer } = session
  if (session.peerCount === 0 && dialer.everyoneRefused) {
    throw new SwarmError('credentialsRefused', 'the peers that the ticket names belong to another swarm', {
      blame: 'caller',
      cure: 'get a new ticket from the machine that seeds: swarm seed or swarm ticket prints one',
    })
  }
  if (session.peerCount === 0 && dialer.candidateCount === 0) {
    throw new SwarmError('usage', 'there is no store to read from and no peer to ask', {
      blame: 'caller',
      cure: 'give --store URL, --peer MULTIADDR, or a ticket that names addresses',
    })
  }
  if (waitedMs < FIRST_PEER_MS) return
  const found = session.peerCount > 0 ? 'no connected peer has the manifest' : 'no peer could be reached'
  throw new SwarmError('networkUnavailable', `${found} within ${FIRST_PEER_MS / 1000} s`, {
    blame: 'peer',
    retry: true,
    cure: 'check that the seeding machine runs and that its port is open: swarm doctor on that machine tells',
  })
}

/** A name led here, so a missing object is damage and not a wrong name. */
function explain(error: unknown, root: Root): unknown {
  if (!isSwarmError(error) || error.code !== 'objectNotFound') return error
  return new SwarmError('integrity', `the manifest of ${root} is incomplete: ${error.message}`, {
    blame: 'origin',
    cure: 'push the snapshot again from its source',
    cause: error,
  })
}
