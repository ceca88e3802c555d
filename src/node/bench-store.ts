// How fast can this machine read a store, and over how many connections? Reads chunks that are there; writes nothing.

import { SwarmError } from '../base/errors.ts'
import { CHUNKS_PREFIX } from '../snapshot/object-keys.ts'
import { CONNECTIONS_MAX } from '../store/limits.ts'
import type { ObjectEntry, ObjectStore } from '../store/object-store.ts'
import { median } from './bench-scaling.ts'
import { repeatFor } from './bench-window.ts'
import { CHUNK_BYTES_DEFAULT, CHUNK_BYTES_MIN } from './limits.ts'

export interface StoreRow {
  readonly connections: number
  /** 10^6 bytes per second, of all of them together. */
  readonly MBps: number
  /** From a request to the first byte of its body, median; null when none came. */
  readonly firstByteMs: number | null
  readonly seconds: number
}

export interface BenchStoreInit {
  readonly store: ObjectStore
  /** How long each number of connections is measured, more than 0. */
  readonly stepMs: number
  /** Called with each row as it is measured. */
  readonly found: (row: StoreRow) => void
  readonly signal: AbortSignal
}

const STEPS = [1, 2, 4, 8, 16, 32, CONNECTIONS_MAX]
/** Smaller objects say more about the first byte than about the rate. */
const OBJECT_BYTES_MIN = CHUNK_BYTES_MIN
const OBJECTS_WANTED = 256
const PAGES_MAX = 8
/** More connections are no longer worth it when they bring less than this in two steps. */
const GAIN_MIN = 1.05

/** Throws `objectNotFound` when the store holds no chunks of a size to measure with. */
export async function benchStore({ store, stepMs, found, signal }: BenchStoreInit): Promise<readonly StoreRow[]> {
  const objects = await findObjects(store, signal)
  const rows: StoreRow[] = []
  for (const connections of STEPS) {
    const row = await measure(store, objects, connections, stepMs, signal)
    rows.push(row)
    found(row)
    const [before] = rows.slice(-3)
    if (rows.length >= 3 && before !== undefined && row.MBps < before.MBps * GAIN_MIN) break
  }
  return rows
}

/** The fewest connections that come within 5 % of the fastest. */
export function bestRow(rows: readonly StoreRow[]): StoreRow | undefined {
  const fastest = Math.max(...rows.map((row) => row.MBps))
  return rows.find((row) => row.MBps * GAIN_MIN >= fastest)
}

async function findObjects(store: ObjectStore, signal: AbortSignal): Promise<readonly ObjectEntry[]> {
  const objects: ObjectEntry[] = []
  let after: string | undefined
  for (let page = 0; page < PAGES_MAX && objects.length < OBJECTS_WANTED; page++) {
    const { entries, next } = await store.list(CHUNKS_PREFIX, after, { signal })
    objects.push(...entries.filter(({ bytes }) => bytes >= OBJECT_BYTES_MIN))
    if (next === undefined) break
    after = next
  }
  if (objects.length > 0) return objects
  throw new SwarmError('objectNotFound', `${store.url} holds no chunks that are large enough to measure with`, {
    blame: 'caller',
    cure: 'push a snapshot of 10 MB or more first: swarm push <dir> <snapshot>',
  })
}

async function measure(
  store: ObjectStore,
  objects: readonly ObjectEntry[],
  connections: number,
  stepMs: number,
  signal: AbortSignal,
): Promise<StoreRow> {
  const buffers = Array.from({ length: connections }, () => new Uint8Array(CHUNK_BYTES_DEFAULT))
  const firstBytesMs: number[] = []
  let bytes = 0
  let next = 0
  const seconds = await repeatFor(stepMs, connections, signal, async (lane, until) => {
    const [object, buffer] = [objects[next++ % objects.length], buffers[lane]]
    if (object === undefined || buffer === undefined) return
    const asked = performance.now()
    let isFirst = true
    await store.getInto(object.key, buffer.subarray(0, object.bytes), {
      signal: until,
      onBytes(count) {
        if (isFirst) firstBytesMs.push(performance.now() - asked)
        isFirst = false
        bytes += count
      },
    })
  })
  const firstByteMs = firstBytesMs.length === 0 ? null : median(firstBytesMs)
  return { connections, MBps: bytes / 1e6 / seconds, firstByteMs, seconds }
}
