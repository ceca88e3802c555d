// The words of control messages, and what stands for each of them on the wire.

import * as wire from '../generated/exchange_pb.ts'

export type ClaimState = 'pulling' | 'held' | 'dropped'
export type Progress = 'partial' | 'done' | 'leaving'
export type RefuseReason = 'busy' | 'missing' | 'stopping'
export type Reachability = 'untried' | 'reachable' | 'unreachable'
export type ErrorReason = 'wrongSwarm' | 'wrongKey' | 'malformed' | 'flooding' | 'busy' | 'stopping' | 'unspecified'

export const CLAIM_STATES: ReadonlyMap<wire.ClaimState, ClaimState> = new Map([
  [wire.ClaimState.PULLING, 'pulling'],
  [wire.ClaimState.HELD, 'held'],
  [wire.ClaimState.DROPPED, 'dropped'],
])

export const PROGRESS: ReadonlyMap<wire.Progress, Progress> = new Map([
  [wire.Progress.PARTIAL, 'partial'],
  [wire.Progress.DONE, 'done'],
  [wire.Progress.LEAVING, 'leaving'],
])

export const REFUSE_REASONS: ReadonlyMap<wire.RefuseReason, RefuseReason> = new Map([
  [wire.RefuseReason.BUSY, 'busy'],
  [wire.RefuseReason.MISSING, 'missing'],
  [wire.RefuseReason.STOPPING, 'stopping'],
])

export const REACHABILITY: ReadonlyMap<wire.Reachability, Reachability> = new Map([
  [wire.Reachability.UNSPECIFIED, 'untried'],
  [wire.Reachability.REACHABLE, 'reachable'],
  [wire.Reachability.UNREACHABLE, 'unreachable'],
])

export const ERROR_REASONS: ReadonlyMap<wire.ErrorCode, ErrorReason> = new Map([
  [wire.ErrorCode.UNSPECIFIED, 'unspecified'],
  [wire.ErrorCode.WRONG_SWARM, 'wrongSwarm'],
  [wire.ErrorCode.WRONG_KEY, 'wrongKey'],
  [wire.ErrorCode.MALFORMED, 'malformed'],
  [wire.ErrorCode.FLOODING, 'flooding'],
  [wire.ErrorCode.BUSY, 'busy'],
  [wire.ErrorCode.STOPPING, 'stopping'],
])

/** What stands for a word. */
export function reverse<Key, Value>(table: ReadonlyMap<Key, Value>, wanted: Value): Key {
  for (const [key, value] of table) if (value === wanted) return key
  throw new Error(`no wire value for ${wanted}`)
}
