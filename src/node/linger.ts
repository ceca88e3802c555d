// How long a finished node goes on serving.

import { setTimeout as delay } from 'node:timers/promises'
import { LINGER_MS_MIN, LINGER_PEER_IDLE_MS, LINGER_POLL_MS } from './limits.ts'
import type { SwarmSession } from './swarm-session.ts'

/** `auto`: while neighbours need us; a number: so many ms; `forever`: until the signal. */
export type LingerPolicy = 'auto' | 'forever' | number

/** Resolves when serving may end; never rejects. `joinMs` is how long this node itself took. */
export async function linger(
  policy: LingerPolicy,
  session: SwarmSession,
  joinMs: number,
  signal: AbortSignal,
): Promise<void> {
  const startedAtMs = performance.now()
  const limitMs = policy === 'auto' ? Math.max(LINGER_MS_MIN, joinMs) : policy === 'forever' ? Infinity : policy
  while (!signal.aborted && performance.now() - startedAtMs < limitMs) {
    if (policy === 'auto' && !isNeeded(session)) return
    await delay(LINGER_POLL_MS, undefined, { signal }).catch(() => undefined)
  }
}

/** Some neighbour is incomplete and still getting on. */
function isNeeded(session: SwarmSession): boolean {
  return session.peers().some(({ progress, idleMs }) => progress === 'partial' && idleMs < LINGER_PEER_IDLE_MS)
}
