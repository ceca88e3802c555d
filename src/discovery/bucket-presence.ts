// Finds peers through objects in the store: each node keeps one object with its signed addresses fresh, and lists those
// of the others. A node that may only read lists and dials without being listed. Format: protocols/presence.md.

import { describeError, isSwarmError } from '../base/errors.ts'
import type { PeerId, Root } from '../base/ids.ts'
import { type DiscoveredPeer, type Discovery, type DiscoveryClock, type OwnPresence, systemClock } from './discovery.ts'
import { encodePresence, PRESENCE_BYTES_MAX, parsePresence } from './presence-object.ts'

/** The few calls on a store that presence needs; keys are relative to the store's prefix. */
export interface PresenceObjects {
  list(prefix: string, after: string | undefined, options: CallOptions): Promise<PresencePage>
  get(key: string, maxBytes: number, options: CallOptions): Promise<Uint8Array>
  put(key: string, body: Uint8Array, options: CallOptions): Promise<void>
  delete(key: string, options: CallOptions): Promise<void>
  /** The server's clock minus ours, ms; undefined before its first answer. */
  clockSkewMs(): number | undefined
}

interface CallOptions {
  readonly signal: AbortSignal
}

export interface PresencePage {
  /** `modifiedMs`: by the server's clock. */
  readonly entries: readonly { readonly key: string; readonly modifiedMs: number }[]
  readonly next: string | undefined
}

export interface BucketPresenceInit {
  readonly objects: PresenceObjects
  readonly root: Root
  readonly self: PeerId
  /** Opens a sealed peer record; undefined when its signature or content is wrong. */
  readonly openRecord: (bytes: Uint8Array) => Promise<DiscoveredPeer | undefined>
  readonly log: (text: string) => void
  /** For the person: told once, when this node can neither be found nor find anyone. */
  readonly warn: (text: string) => void
  readonly clock?: DiscoveryClock
  /** Uniform in [0, 1); default Math.random. */
  readonly random?: () => number
}

/** A living node writes its object this often. */
export const HEARTBEAT_MS = 60_000
/** An object that was not written for so long belongs to a node that is gone. */
export const EXPIRY_MS = 180_000
/** Objects read in one look; the other nodes are found through these. */
export const READS_PER_LOOK_MAX = 24
/** From the first look to the second, because nodes are often started together; then twice as long each time. */
export const LOOK_INTERVAL_MS_FIRST = 500
/** Where the doubling starts over when peers are wanted: that may be all the time, and each look is a paid request. */
export const LOOK_INTERVAL_MS_AGAIN = 5_000
export const LOOK_INTERVAL_MS_MAX = 60_000
/** Pages of a listing that are read: 10,000 nodes. */
const PAGES_MAX = 10
/** Looks without any other node, about 15 s, after which a node that cannot write says so. */
const LONELY_LOOKS = 6
const READS_PARALLEL = 8
const CALL_TIMEOUT_MS = 30_000
const FAREWELL_TIMEOUT_MS = 5_000

export class BucketPresence implements Discovery {
  readonly #init: BucketPresenceInit
  readonly #clock: DiscoveryClock
  readonly #random: () => number
  readonly #prefix: string
  readonly #stopped = new AbortController()
  /** When the object of each node was last read, by its LastModified, so that it is not read again unchanged. */
  #readMs = new Map<string, number>()
  #onCandidates: ((candidates: readonly DiscoveredPeer[]) => void) | undefined
  #presence: OwnPresence | undefined
  #mayWrite = true
  #written = false
  #writing: Promise<void> = Promise.resolve()
  #looking = false
  #lonelyLooks = 0
  #intervalMs = LOOK_INTERVAL_MS_FIRST
  #cancelLook: () => void = () => {}
  #cancelBeat: () => void = () => {}

  constructor(init: BucketPresenceInit) {
    this.#init = init
    this.#clock = init.clock ?? systemClock
    this.#random = init.random ?? Math.random
    this.#prefix = `swarms/${init.root}/`
  }

  async start(onCandidates: (candidates: readonly DiscoveredPeer[]) => void): Promise<void> {
    this.#onCandidates = onCandidates
    // What was announced is written before the first look: of two nodes that start together one then sees the other.
    await this.#writing
    await this.#lookNow()
  }

  /** Starts over with frequent looks; one that is under way or due within LOOK_INTERVAL_MS_AGAIN is enough. */
  look(): void {
    if (this.#onCandidates === undefined || this.#looking || this.#intervalMs <= LOOK_INTERVAL_MS_AGAIN) return
    this.#intervalMs = LOOK_INTERVAL_MS_AGAIN
    this.#readMs.clear()
    this.#scheduleLook()
  }

  announce(presence: OwnPresence): void {
    this.#presence = presence
    this.#beat()
  }

  async stop(): Promise<void> {
    this.#onCandidates = undefined
    this.#cancelLook()
    this.#cancelBeat()
    this.#stopped.abort()
    await this.#writing
    if (!this.#written) return
    this.#written = false
    try {
      await this.#init.objects.delete(this.#ownKey, { signal: AbortSignal.timeout(FAREWELL_TIMEOUT_MS) })
    } catch (error) {
      this.#init.log(`presence: removing our own object: ${describeError(error)}`)
    }
  }

  get #ownKey(): string {
    return `${this.#prefix}${this.#init.self}`
  }

  /** Writes our object now and again after each heartbeat. Writes follow one another. */
  #beat(): void {
    this.#cancelBeat()
    if (this.#stopped.signal.aborted || !this.#mayWrite) return
    this.#cancelBeat = this.#clock.schedule(HEARTBEAT_MS, () => this.#beat())
    this.#writing = this.#writing.then(() => this.#write())
  }

  async #write(): Promise<void> {
    if (this.#presence === undefined || this.#stopped.signal.aborted || !this.#mayWrite) return
    try {
      await this.#init.objects.put(this.#ownKey, encodePresence(this.#presence), { signal: this.#callSignal() })
      this.#written = true
    } catch (error) {
      if (isSwarmError(error) && error.code === 'credentialsRefused') {
        this.#mayWrite = false
        this.#cancelBeat()
        this.#init.log('presence: the credentials do not allow writing; others cannot find this node in the store')
      } else {
        this.#init.log(`presence: writing our own object: ${describeError(error)}`)
      }
    }
  }

  #scheduleLook(): void {
    this.#cancelLook()
    if (this.#onCandidates === undefined) return
    this.#cancelLook = this.#clock.schedule(this.#intervalMs, () => {
      this.#intervalMs = Math.min(this.#intervalMs * 2, LOOK_INTERVAL_MS_MAX)
      void this.#lookNow()
    })
  }

  async #lookNow(): Promise<void> {
    this.#looking = true
    try {
      const entries = await this.#listOthers()
      this.#lonelyLooks = entries.length === 0 ? this.#lonelyLooks + 1 : 0
      if (this.#lonelyLooks === LONELY_LOOKS && !this.#mayWrite) {
        this.#init.warn(
          'no other node is listed in the store, and this one cannot be listed: it has read-only credentials',
        )
      }
      const found = await this.#read(this.#pick(entries))
      if (found.length > 0) this.#onCandidates?.(found)
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#init.log(`presence: listing nodes: ${describeError(error)}`)
    }
    this.#looking = false
    this.#scheduleLook()
  }

  /** The living nodes besides this one. */
  async #listOthers(): Promise<Entry[]> {
    const { objects, self } = this.#init
    const living: Entry[] = []
    let after: string | undefined
    for (let page = 0; page < PAGES_MAX; page++) {
      const { entries, next } = await objects.list(this.#prefix, after, { signal: this.#callSignal() })
      const serverNowMs = this.#clock.nowMs() + (objects.clockSkewMs() ?? 0)
      for (const { key, modifiedMs } of entries) {
        const peer = key.slice(this.#prefix.length)
        if (peer === self || !PEER_ID.test(peer) || serverNowMs - modifiedMs > EXPIRY_MS) continue
        living.push({ key, peer, modifiedMs })
      }
      if (next === undefined) break
      after = next
    }
    return living
  }

  /** Up to READS_PER_LOOK_MAX by chance of those that have changed since they were read. */
  #pick(entries: readonly Entry[]): Entry[] {
    const living = new Set(entries.map((entry) => entry.peer))
    this.#readMs = new Map([...this.#readMs].filter(([peer]) => living.has(peer)))
    const pool = entries.filter((entry) => this.#readMs.get(entry.peer) !== entry.modifiedMs)
    const picked: Entry[] = []
    while (pool.length > 0 && picked.length < READS_PER_LOOK_MAX) {
      picked.push(...pool.splice(Math.floor(this.#random() * pool.length), 1))
    }
    return picked
  }

  async #read(entries: readonly Entry[]): Promise<DiscoveredPeer[]> {
    const found: DiscoveredPeer[] = []
    const queue = [...entries]
    const worker = async () => {
      for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
        const candidate = await this.#readOne(entry)
        if (candidate !== undefined) found.push(candidate)
      }
    }
    await Promise.all(Array.from({ length: READS_PARALLEL }, worker))
    return found
  }

  async #readOne(entry: Entry): Promise<DiscoveredPeer | undefined> {
    try {
      const bytes = await this.#init.objects.get(entry.key, PRESENCE_BYTES_MAX, { signal: this.#callSignal() })
      this.#readMs.set(entry.peer, entry.modifiedMs)
      const presence = parsePresence(bytes)
      const candidate = presence === undefined ? undefined : await this.#init.openRecord(presence.record)
      // A record under another node's name is worth nothing.
      if (presence === undefined || candidate?.peer !== entry.peer) return undefined
      return { ...candidate, reachable: presence.reachable }
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#init.log(`presence: reading ${entry.key}: ${describeError(error)}`)
      return undefined
    }
  }

  #callSignal(): AbortSignal {
    return AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(CALL_TIMEOUT_MS)])
  }
}

interface Entry {
  readonly key: string
  readonly peer: string
  readonly modifiedMs: number
}

const PEER_ID = /^[A-Za-z0-9]{1,128}$/
