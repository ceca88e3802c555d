// What a new neighbour is told at once: what our bitfield may not say yet, and, if it is new to the swarm, what others said.

import { hashText, mix32 } from '../base/prng.ts'
import type { PeerProgress } from './events.ts'
import type { Peer } from './peer-table.ts'
import type { SwarmState } from './swarm-state.ts'

/** One neighbour in so many tells a newcomer what it heard of others. */
const BRIEFING_PART = 4

/** `progress` is our own. */
export function greet(state: SwarmState, peer: Peer, progress: PeerProgress): void {
  const { actions, leases, limits, outbox, now } = state
  const to = [peer.id]
  const chunks = outbox.recentHaves(now)
  if (chunks.length > 0) actions.push({ type: 'tellHave', chunks, to })
  const claims = [...leases.current(now)]
  if (isBriefed(state, peer)) claims.push(...leases.heard(limits.briefingClaimsMax, now))
  for (let start = 0; start < claims.length; start += limits.claimBatchMax)
    actions.push({ type: 'tellClaims', claims: claims.slice(start, start + limits.claimBatchMax), to })
  if (progress !== 'partial') actions.push({ type: 'tellStatus', progress, to })
}

/** A newcomer may have neighbours of its own that we do not see. A few of us brief it; which ones, chance decides without a word. */
function isBriefed({ self, peers, limits }: SwarmState, newcomer: Peer): boolean {
  if (newcomer.have.count > 0 || peers.count < limits.neighboursWanted) return false
  return mix32(hashText(self), hashText(newcomer.id)) % BRIEFING_PART === 0
}
