// Gets a manifest from whoever has it: connected peers first, the store where there is one, again and again until one
// answers or it is certain that nobody will.

import { setTimeout as delay } from 'node:timers/promises'
import { isSwarmError, SwarmError } from '../base/errors.ts'
import type { Root } from '../base/ids.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { JoinTarget } from './join-target.ts'
import { FIRST_PEER_MS, OBJECT_RETRY_MS, WAIT_TELL_MS } from './limits.ts'
import { type FetchObject, fetchFromStore, type LoadedManifest, loadManifest } from './manifest-objects.ts'
import type { Patience } from './patience.ts'
import type { SwarmSession } from './swarm-session.ts'

/**
 * With `patience`, a source that cannot be reached yet and an object that the store of a ticket does not hold yet are
 * waited for until it is over; without, a source for FIRST_PEER_MS. Throws `credentialsRefused`, `networkUnavailable`,
 * `integrity`, or the store's own failure.
 */
export function findManifest(
  target: Pick<JoinTarget, 'root' | 'isPublished'>,
  session: SwarmSession,
  store: ObjectStore | undefined,
  signal: AbortSignal,
  patience?: Patience,
): Promise<LoadedManifest> {
  const { root } = target
  const fromStore = store === undefined ? undefined : fetchFromStore(store, { signal })
  const startedAtMs = performance.now()
  let nextLookAtMs = startedAtMs
  const mayAppear = (error: unknown): boolean =>
    target.isPublished !== true && patience?.isOver === false && isSwarmError(error) && error.code === 'objectNotFound'
  const fetchObject: FetchObject = async (id, size) => {
    const bytesMax = 'bytes' in size ? size.bytes : size.bytesMax
    for (;;) {
      const hadPeers = session.peerCount > 0
      const object = await session.fetchObject(id, bytesMax, signal)
      if (object !== undefined) return object
      const nowMs = performance.now()
      if (fromStore === undefined) {
        checkRefusals(session)
        checkHope(session, nowMs - startedAtMs, patience)
      } else if (nowMs >= nextLookAtMs || patience?.isOver !== false) {
        try {
          return await fromStore(id, size)
        } catch (error) {
          if (!mayAppear(error)) throw explain(error, root)
          checkRefusals(session)
          nextLookAtMs = performance.now() + (patience?.nextLookMs() ?? 0)
        }
      }
      if (nowMs - startedAtMs >= WAIT_TELL_MS) patience?.waitsFor('source')
      if (hadPeers) await delay(OBJECT_RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
      else await session.firstPeer(OBJECT_RETRY_MS, signal)
    }
  }
  return loadManifest(root, fetchObject, session.objects)
}

function checkRefusals(session: SwarmSession): void {
  if (session.peerCount > 0 || !session.dialer.everyoneRefused) return
  throw new SwarmError('credentialsRefused', 'the peers that the ticket names belong to another swarm', {
    blame: 'caller',
    cure: 'get a new ticket from the machine that seeds: swarm seed or swarm ticket prints one',
  })
}

function checkHope(session: SwarmSession, waitedMs: number, patience: Patience | undefined): void {
  if (session.peerCount === 0 && session.dialer.candidateCount === 0) {
    throw new SwarmError('usage', 'there is no store to read from and no peer to ask', {
      blame: 'caller',
      cure: 'give --store URL, --peer MULTIADDR, or a ticket that names addresses',
    })
  }
  if (patience === undefined ? waitedMs < FIRST_PEER_MS : !patience.isOver) return
  const found = session.peerCount > 0 ? 'no connected peer has the manifest' : 'no peer could be reached'
  throw new SwarmError('networkUnavailable', `${found} within ${Math.round(waitedMs / 1000)} s`, {
    blame: 'peer',
    retry: true,
    cure: 'check that the seeding machine runs and that its port is open: swarm doctor on that machine tells',
  })
}

/** A name led here, or nobody put it there in time, so a missing object is damage and not a wrong name. */
function explain(error: unknown, root: Root): unknown {
  if (!isSwarmError(error) || error.code !== 'objectNotFound') return error
  return new SwarmError('integrity', `the manifest of ${root} is incomplete: ${error.message}`, {
    blame: 'origin',
    cure: 'push the snapshot again from its source',
    cause: error,
  })
}
