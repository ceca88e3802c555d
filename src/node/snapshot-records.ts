// Names in a store: which snapshot a name means, its history, its swarm key, and how a new one is published.
// What the objects hold is specified in protocols/store.md.

import { randomBytes } from 'node:crypto'
import { isSwarmError, SwarmError } from '../base/errors.ts'
import { isObjectId, type Root } from '../base/ids.ts'
import { SWARM_KEY_BYTES } from '../snapshot/limits.ts'
import {
  parseSnapshotKey,
  SNAPSHOTS_PREFIX,
  snapshotKey,
  snapshotPrefix,
  swarmKeyKey,
} from '../snapshot/object-keys.ts'
import type { CallOptions, ObjectStore } from '../store/object-store.ts'
import { PUBLISH_ATTEMPTS_MAX, RECORD_BYTES_MAX, SIMILAR_NAMES_MAX } from './limits.ts'

/** Content of one `snapshots/<name>/<sequence>` object. */
export interface SnapshotRecord {
  readonly root: Root
  /** ISO 8601, by the pusher's clock. */
  readonly createdAt: string
  readonly files: number
  readonly rawBytes: number
  readonly encodedBytes: number
}

export interface NamedSnapshot {
  readonly name: string
  readonly sequence: number
  readonly record: SnapshotRecord
}

const RECORD_VERSION = 0

/** Every name with its current sequence, in byte order. */
export async function listNames(store: ObjectStore, options: CallOptions): Promise<Map<string, number[]>> {
  const names = new Map<string, number[]>()
  for await (const found of keysBelow(store, SNAPSHOTS_PREFIX, options)) {
    const sequences = names.get(found.name)
    if (sequences === undefined) names.set(found.name, [found.sequence])
    else sequences.push(found.sequence)
  }
  return names
}

/**
 * What `name` means now, or the given root under that name. Throws `snapshotNotFound` with near names. `search` looks as often as it likes;
 * default: once.
 */
export async function findSnapshot(
  store: ObjectStore,
  name: string,
  root: Root | undefined,
  options: CallOptions,
  search: (look: SnapshotLook) => Promise<NamedSnapshot | undefined> = (look) => look(),
): Promise<NamedSnapshot> {
  const wanted = new SnapshotSearch(store, name, root)
  const found = await search(() => wanted.look(options))
  if (found !== undefined) return found
  throw await wanted.notFound(options)
}

/** One look at the store. */
type SnapshotLook = () => Promise<NamedSnapshot | undefined>

/** Looks for what `name` means, or for the given root under it, as often as wanted. */
class SnapshotSearch {
  readonly #store: ObjectStore
  readonly #name: string
  readonly #root: Root | undefined
  /** Sequences that hold other roots. */
  readonly #others = new Set<number>()

  constructor(store: ObjectStore, name: string, root: Root | undefined) {
    this.#store = store
    this.#name = name
    this.#root = root
  }

  /** One LIST, and a GET for each version that is new since the last look. */
  async look(options: CallOptions): Promise<NamedSnapshot | undefined> {
    const sequences = await sequencesOf(this.#store, this.#name, options)
    for (const sequence of sequences.reverse()) {
      if (this.#others.has(sequence)) continue
      const record = await readRecord(this.#store, this.#name, sequence, options)
      if (this.#root === undefined || record.root === this.#root) return { name: this.#name, sequence, record }
      this.#others.add(sequence)
    }
    return undefined
  }

  /** `snapshotNotFound` after the last look, with near names, for which the whole store is listed. */
  async notFound(options: CallOptions): Promise<SwarmError> {
    const { url } = this.#store
    if (this.#others.size > 0) {
      const message = `snapshot ${this.#name} in ${url} has no version with root ${this.#root}`
      return new SwarmError('snapshotNotFound', message, { blame: 'caller', cure: `run: swarm list --store ${url}` })
    }
    const near = similarNames(this.#name, [...(await listNames(this.#store, options)).keys()])
    return new SwarmError('snapshotNotFound', `there is no snapshot ${this.#name} in ${url}`, {
      blame: 'caller',
      cure: near.length > 0 ? `did you mean ${near.join(' or ')}?` : `run: swarm list --store ${url}`,
      details: { near },
    })
  }
}

export async function findCurrent(
  store: ObjectStore,
  name: string,
  options: CallOptions,
): Promise<NamedSnapshot | undefined> {
  const sequence = (await sequencesOf(store, name, options)).at(-1)
  if (sequence === undefined) return undefined
  return { name, sequence, record: await readRecord(store, name, sequence, options) }
}

/** Publishes under the next free sequence. When pushes race, each gets one of its own. */
export async function publish(
  store: ObjectStore,
  name: string,
  record: SnapshotRecord,
  options: CallOptions,
): Promise<NamedSnapshot> {
  const body = Buffer.from(`${JSON.stringify({ v: RECORD_VERSION, ...record })}\n`)
  let sequence = ((await sequencesOf(store, name, options)).at(-1) ?? 0) + 1
  for (let attempt = 0; attempt < PUBLISH_ATTEMPTS_MAX; attempt++) {
    if ((await store.putIfAbsent(snapshotKey(name, sequence), body, options)) === 'created') {
      return { name, sequence, record }
    }
    sequence++
  }
  throw new SwarmError(
    'storeUnavailable',
    `publishing ${name}: ${PUBLISH_ATTEMPTS_MAX} sequences in a row were taken`,
    {
      blame: 'origin',
      cure: 'other machines push the same name all the time; push again when they are done',
      retry: true,
    },
  )
}

/** The swarm key of a snapshot. Throws `objectNotFound` when the store holds none, `integrity` when it is no key. */
export async function readSwarmKey(store: ObjectStore, root: Root, options: CallOptions): Promise<Buffer> {
  const key = await findSwarmKey(store, root, options)
  if (key !== undefined) return key
  throw new SwarmError('objectNotFound', `${store.url} holds no swarm key of ${root}`, {
    blame: 'origin',
    cure: 'push the snapshot again from its source, which uploads what is missing',
  })
}

async function findSwarmKey(store: ObjectStore, root: Root, options: CallOptions): Promise<Buffer | undefined> {
  let key: Buffer
  try {
    key = await store.get(swarmKeyKey(root), RECORD_BYTES_MAX, options)
  } catch (error) {
    if (isSwarmError(error) && error.code === 'objectNotFound') return undefined
    throw error
  }
  if (key.length === SWARM_KEY_BYTES) return key
  throw new SwarmError('integrity', `the swarm key of ${root} in ${store.url} has ${key.length} bytes, not 32`, {
    blame: 'origin',
    cure: `delete ${swarmKeyKey(root)} there and push the snapshot again`,
  })
}

/** Reads the swarm key, making one if there is none; racing makers end up with the same one. */
export async function obtainSwarmKey(store: ObjectStore, root: Root, options: CallOptions): Promise<Buffer> {
  const key = await findSwarmKey(store, root, options)
  if (key !== undefined) return key
  await store.putIfAbsent(swarmKeyKey(root), randomBytes(SWARM_KEY_BYTES), options)
  return readSwarmKey(store, root, options)
}

/** Ascending. */
async function sequencesOf(store: ObjectStore, name: string, options: CallOptions): Promise<number[]> {
  const sequences: number[] = []
  for await (const found of keysBelow(store, snapshotPrefix(name), options)) {
    if (found.name === name) sequences.push(found.sequence)
  }
  return sequences.sort((a, b) => a - b)
}

async function* keysBelow(store: ObjectStore, prefix: string, options: CallOptions) {
  let after: string | undefined
  do {
    const page = await store.list(prefix, after, options)
    for (const entry of page.entries) {
      const found = parseSnapshotKey(entry.key)
      if (found !== undefined) yield found
    }
    after = page.next
  } while (after !== undefined)
}

async function readRecord(
  store: ObjectStore,
  name: string,
  sequence: number,
  options: CallOptions,
): Promise<SnapshotRecord> {
  const body = await store.get(snapshotKey(name, sequence), RECORD_BYTES_MAX, options)
  const record = parseRecord(body.toString('utf8'))
  if (record === 'newer') {
    throw new SwarmError('unsupportedVersion', `the record of ${name} in ${store.url} comes from a newer swarm`, {
      cure: 'install a newer swarm on this machine',
    })
  }
  if (record !== undefined) return record
  throw new SwarmError('integrity', `the record ${snapshotKey(name, sequence)} in ${store.url} is not readable`, {
    blame: 'origin',
    cure: 'push the snapshot again: that publishes a new record',
  })
}

function parseRecord(text: string): SnapshotRecord | 'newer' | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { v, root, createdAt, files, rawBytes, encodedBytes } = value as Record<string, unknown>
  if (typeof v === 'number' && v > RECORD_VERSION) return 'newer'
  if (v !== RECORD_VERSION || typeof root !== 'string' || !isObjectId(root)) return undefined
  if (typeof createdAt !== 'string' || !isCount(files) || !isCount(rawBytes) || !isCount(encodedBytes)) return undefined
  return { root, createdAt, files, rawBytes, encodedBytes }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** The closest names by edit distance, at most a third of the name's length away. */
function similarNames(name: string, names: readonly string[]): string[] {
  return names
    .map((other) => ({ other, distance: editDistance(name, other) }))
    .filter(({ other, distance }) => distance <= Math.max(2, name.length / 3) || other.startsWith(name))
    .sort((a, b) => a.distance - b.distance || (a.other < b.other ? -1 : 1))
    .slice(0, SIMILAR_NAMES_MAX)
    .map(({ other }) => other)
}

/** Levenshtein distance, by rows. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replace = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replace, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
