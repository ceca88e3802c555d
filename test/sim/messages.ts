// What a message weighs and what a trace keeps of an action: both as the exchange and the recorder would have it.

import { hashText } from '../../src/base/prng.ts'
import type { Action, Claim } from '../../src/swarm/events.ts'

/** Bytes of a batch of claims: each names its holder, so that it can travel past neighbours. */
export function claimBytes(claims: readonly Claim[]): number {
  return 8 + claims.length * 60
}

/** The action as numbers, everything that matters in it. */
export function traceNumbers(action: Action): number[] {
  const kind = hashText(action.type)
  switch (action.type) {
    case 'requestChunk':
      return [
        kind,
        action.request,
        action.chunk,
        action.from.kind === 'origin' ? 0 : hashText(action.from.peer),
        action.offset,
      ]
    case 'cancelRequest':
      return [kind, action.request]
    case 'tellHave':
      return [kind, ...action.chunks, action.to.length]
    case 'tellClaims':
      return [kind, ...action.claims.flatMap((claim) => [claim.chunk, claim.sequence, claim.hops]), action.to.length]
    case 'tellStatus':
      return [kind, action.to.length]
    case 'serveChunk':
      return [kind, action.ask, action.chunk]
    case 'refuseAsk':
      return [kind, action.ask, hashText(action.reason)]
    case 'dropBeginning':
      return [kind, action.chunk]
    case 'dropPeer':
      return [kind, hashText(action.peer)]
    case 'findPeers':
    case 'complete':
      return [kind]
  }
}
