// What the program on a host says of itself, read on this side.

import { isIP } from 'node:net'
import { isErrorCode, SwarmError } from '../base/errors.ts'
import { parseObject } from '../base/json-line.ts'
import type { HostState } from './host-state.ts'
import type { HostEntry } from './hosts-file.ts'

/** The agent's word that it offers the package, as addresses to fetch it from; there may be none. Undefined for any other line. */
export function offeredUrls(line: string, host: HostEntry, token: string): string[] | undefined {
  const value = parseObject(line)
  if (value?.['type'] !== 'offering' || typeof value['port'] !== 'number' || !Array.isArray(value['addresses']))
    return undefined
  const named = host.destination.replace(/^.*@/, '')
  // What we call it comes last: an alias means nothing to others.
  const names = [...value['addresses'].map(String).filter((address) => isIP(address) !== 0), named]
  return names
    .filter((name) => isIP(name) !== 0 || /^[A-Za-z0-9.-]+$/.test(name))
    .map((name) => `http://${isIP(name) === 6 ? `[${name}]` : name}:${value['port']}/${token}`)
}

/** Where the join can be reached, as its `listening` says. */
interface Listening {
  readonly stage: 'listening'
  readonly addrs: readonly string[]
}

/** One line of the join on a host; undefined for what says nothing to a table. */
export function readTold(
  line: string,
): Extract<HostState, { stage: 'joining' }> | Listening | SwarmError | 'ready' | undefined {
  const value = parseObject(line)
  const text = (name: string): string => String(value?.[name] ?? '')
  const count = (name: string): number => Number(value?.[name] ?? 0)
  switch (value?.['type']) {
    case 'ready':
      return 'ready'
    case 'listening':
      return { stage: 'listening', addrs: Array.isArray(value['addrs']) ? value['addrs'].map(String) : [] }
    case 'error':
      return toError(text('code'), text('message'), text('cure'))
    case 'progress':
      return {
        stage: 'joining',
        what: text('stage'),
        done: count('rawBytesDone'),
        total: count('rawBytesTotal'),
        bytesPerSec: count('rateBytesPerSec'),
        peers: count('peers'),
      }
    case 'waiting':
      return { stage: 'joining', what: 'waiting', done: 0, total: 0, bytesPerSec: 0, peers: 0 }
    default:
      return undefined
  }
}

/** The error that the join ended with. A code that this version does not know keeps its text. */
function toError(code: string, message: string, cure: string): SwarmError {
  return new SwarmError(isErrorCode(code) ? code : 'internal', message, { cure })
}
