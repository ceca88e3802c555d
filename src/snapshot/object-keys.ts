// Names of objects in a store (protocols/store.md). The only place that knows how keys are spelled.

import { SwarmError } from '../base/errors.ts'
import { isObjectId, type ObjectId, type Root } from '../base/ids.ts'
import { SNAPSHOT_NAME_LENGTH_MAX } from './limits.ts'

const SEQUENCE_DIGITS = 12
const NAME = /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/
const QUOTED_LENGTH_MAX = 40
const SEQUENCE = /^[0-9]{12}$/

export const CHUNKS_PREFIX = 'chunks/'

export function chunkKey(id: ObjectId): string {
  return `${CHUNKS_PREFIX}${id.slice(0, 2)}/${id}`
}

/** Heads and parts alike. */
export function manifestKey(id: ObjectId): string {
  return `manifests/${id}`
}

export function swarmKeyKey(root: Root): string {
  return `keys/${root}`
}

export const SNAPSHOTS_PREFIX = 'snapshots/'

export function snapshotPrefix(name: string): string {
  return `${SNAPSHOTS_PREFIX}${name}/`
}

/** Sequences count from 1. */
export function snapshotKey(name: string, sequence: number): string {
  return `${snapshotPrefix(name)}${String(sequence).padStart(SEQUENCE_DIGITS, '0')}`
}

/** Inverse of snapshotKey; undefined for any other key. */
export function parseSnapshotKey(key: string): { name: string; sequence: number } | undefined {
  if (!key.startsWith(SNAPSHOTS_PREFIX)) return undefined
  const slash = key.lastIndexOf('/')
  const name = key.slice(SNAPSHOTS_PREFIX.length, slash)
  const sequence = key.slice(slash + 1)
  if (slash < SNAPSHOTS_PREFIX.length || !SEQUENCE.test(sequence) || snapshotNameProblem(name) !== undefined) {
    return undefined
  }
  return Number(sequence) === 0 ? undefined : { name, sequence: Number(sequence) }
}

export function presencePrefix(root: Root): string {
  return `swarms/${root}/`
}

/** Why a snapshot cannot be called `name`, or undefined when it can. */
export function snapshotNameProblem(name: string): string | undefined {
  if (name.length === 0) return 'is empty'
  if (name.length > SNAPSHOT_NAME_LENGTH_MAX) return `is longer than ${SNAPSHOT_NAME_LENGTH_MAX} characters`
  if (!NAME.test(name)) return 'may hold only letters, digits, ".", "_", "-" and single "/" between them'
  for (const component of name.split('/')) {
    if (component === '.' || component.includes('..')) return 'may not hold a component "." or ".."'
    // In a store that is a directory, a/000000000001 is already the first snapshot called a.
    if (SEQUENCE.test(component)) return `may not hold a component of ${SEQUENCE_DIGITS} digits`
  }
  return undefined
}

/** `name` or `name@root`, as people write it. Throws `usage`. */
export function parseSnapshotName(text: string): { name: string; root: Root | undefined } {
  const at = text.indexOf('@')
  const name = at === -1 ? text : text.slice(0, at)
  const problem = snapshotNameProblem(name)
  if (problem !== undefined) {
    throw new SwarmError('usage', `snapshot name ${quoted(name)} ${problem}`, {
      blame: 'caller',
      cure: 'give a name such as llama-70b or team/run-12, a name@root, or a ticket that starts with swarm1',
    })
  }
  if (at === -1) return { name, root: undefined }
  const root = text.slice(at + 1)
  if (!isObjectId(root)) {
    throw new SwarmError('usage', `${quoted(root)} after @ is not a root: a root has 64 hex digits`, {
      blame: 'caller',
      cure: `run: swarm inspect ${name}   which prints the root`,
    })
  }
  return { name, root }
}

/** For messages, cut short: a mistyped ticket ends up here too, and its key lies behind the first 57 characters. */
function quoted(text: string): string {
  return JSON.stringify(text.length > QUOTED_LENGTH_MAX ? `${text.slice(0, QUOTED_LENGTH_MAX)}...` : text)
}
