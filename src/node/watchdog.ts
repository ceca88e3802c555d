// Notices that a join can no longer end by itself and says why, so that nothing waits for ever.

import { SwarmError } from '../base/errors.ts'
import { chunkKey } from '../snapshot/object-keys.ts'
import type { Driver } from './driver.ts'
import { STUCK_ALONE_MS, STUCK_AMONG_PEERS_MS, STUCK_MS } from './limits.ts'
import type { LoadedManifest } from './manifest-objects.ts'
import type { SwarmSession } from './swarm-session.ts'

const NAMED_CHUNKS_MAX = 5

/** Undefined while there is hope; otherwise the error that the join ends with. */
export function findDeadlock(
  driver: Pick<Driver, 'status' | 'lastUsefulAtMs' | 'wrongChunk' | 'originFailure'>,
  session: Pick<SwarmSession, 'peerCount' | 'peers'>,
  manifest: LoadedManifest,
  hasStore: boolean,
): SwarmError | undefined {
  const idleMs = performance.now() - driver.lastUsefulAtMs
  if (idleMs < (session.peerCount === 0 ? STUCK_ALONE_MS : STUCK_MS)) return undefined
  const status = driver.status()
  const missing = status.chunksWanted - status.chunksHeld
  if (missing === 0 || status.requestsOpen > 0) return undefined
  const resume = 'run the same command again later: it goes on where it stopped'
  if (status.unobtainable.length > 0) {
    if (driver.wrongChunk !== undefined) return driver.wrongChunk
    const keys = status.unobtainable.slice(0, NAMED_CHUNKS_MAX).map((chunk) => chunkKey(manifest.chunks.id(chunk)))
    return new SwarmError(
      'objectNotFound',
      `${status.unobtainable.length} chunks are neither in the store nor at any peer: ${keys.join(', ')}`,
      {
        blame: 'origin',
        cure: 'push the snapshot again from its source, which uploads what is missing',
        details: { keys },
      },
    )
  }
  if (Math.min(idleMs, ...session.peers().map((peer) => peer.idleMs)) < patienceMs(session)) return undefined
  if (driver.originFailure !== undefined) return driver.originFailure
  const gone = hasStore ? 'the store and all peers are gone' : 'all peers are gone'
  const what = session.peerCount > 0 ? 'no connected peer has what is missing or gets on' : gone
  return new SwarmError('networkUnavailable', `${what}: ${missing} of ${status.chunksWanted} chunks are missing`, {
    blame: 'peer',
    cure: resume,
    retry: true,
    details: { missing, wanted: status.chunksWanted },
  })
}

function patienceMs(session: Pick<SwarmSession, 'peerCount'>): number {
  return session.peerCount > 0 ? STUCK_AMONG_PEERS_MS : STUCK_MS
}
