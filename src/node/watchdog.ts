// Notices that a join can no longer end by itself and says why, so that nothing waits for ever.

import { SwarmError } from '../base/errors.ts'
import { chunkKey } from '../snapshot/object-keys.ts'
import type { Driver } from './driver.ts'
import { STUCK_ALONE_MS, STUCK_MS } from './limits.ts'
import type { LoadedManifest } from './manifest-objects.ts'
import type { SwarmSession } from './swarm-session.ts'

const NAMED_CHUNKS_MAX = 5

/** Undefined while there is hope; otherwise the error that the join ends with. */
export function findDeadlock(
  driver: Driver,
  session: SwarmSession,
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
  if (session.peerCount > 0 || idleMs < STUCK_MS) return undefined
  if (driver.originFailure !== undefined) return driver.originFailure
  const what = hasStore ? 'the store and all peers are' : 'all peers are'
  return new SwarmError('networkUnavailable', `${what} gone, ${missing} of ${status.chunksWanted} chunks are missing`, {
    blame: 'peer',
    cure: resume,
    retry: true,
    details: { missing, wanted: status.chunksWanted },
  })
}
