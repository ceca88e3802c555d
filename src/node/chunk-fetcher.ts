// Gets one chunk's encoded bytes from where the scheduler said, and proves them. Failures become the scheduler's words;
// those that a person must hear of in the end are remembered here.

import { isSwarmError, SwarmError, unreachable } from '../base/errors.ts'
import { hashToId } from '../base/hash.ts'
import type { ChunkIndex, PeerId } from '../base/ids.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { chunkKey } from '../snapshot/object-keys.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { Throttle } from '../store/throttle.ts'
import type { FailReason, Source } from '../swarm/events.ts'
import type { ChunkBuffer } from './chunk-buffers.ts'
import type { LoadedManifest } from './manifest-objects.ts'

export interface ChunkFetcherInit {
  readonly manifest: LoadedManifest
  readonly exchange: Exchange
  /** Where chunks may come from besides peers. */
  readonly origin: ObjectStore | undefined
  /** Limit on bytes from peers; undefined: none. */
  readonly downThrottle: Throttle | undefined
  readonly log: (text: string) => void
}

export class ChunkFetcher {
  readonly #init: ChunkFetcherInit
  #originFailure: SwarmError | undefined
  #wrongChunk: SwarmError | undefined

  constructor(init: ChunkFetcherInit) {
    this.#init = init
  }

  /** Why the origin could not be used the last time. */
  get originFailure(): SwarmError | undefined {
    return this.#originFailure
  }

  /** The last chunk whose stored bytes were wrong. */
  get wrongChunk(): SwarmError | undefined {
    return this.#wrongChunk
  }

  /**
   * Fetches what the buffer lacks of the chunk. Undefined when all of it is there and proven; never rejects for a
   * source's fault. The buffer is written to until this settles, and never after.
   */
  async fetch(
    chunk: ChunkIndex,
    from: Source,
    buffer: ChunkBuffer,
    signal: AbortSignal,
    onBytes: (bytes: number) => void,
  ): Promise<FailReason | undefined> {
    const offset = buffer.filled
    const into = buffer.slab.bytes.subarray(offset)
    const arrived = (bytes: number): void => {
      buffer.add(bytes, from)
      onBytes(bytes)
    }
    const failure =
      from.kind === 'origin'
        ? await this.#fromOrigin(chunk, offset, into, signal, arrived)
        : await this.#fromPeer(chunk, from.peer, offset, into, signal, arrived)
    if (failure !== undefined) return failure
    const expected = this.#init.manifest.chunks.id(chunk)
    const actual = hashToId(buffer.slab.bytes)
    if (actual === expected) return undefined
    this.#noteWrongBytes(chunk, from, buffer, actual)
    return 'corrupt'
  }

  async #fromOrigin(
    chunk: ChunkIndex,
    offset: number,
    into: Uint8Array,
    signal: AbortSignal,
    onBytes: (bytes: number) => void,
  ): Promise<FailReason | undefined> {
    const { origin, manifest, log } = this.#init
    if (origin === undefined) return 'missing'
    try {
      await origin.getInto(chunkKey(manifest.chunks.id(chunk)), into, { offset, signal, onBytes })
      return undefined
    } catch (error) {
      if (signal.aborted) return 'cancelled'
      if (!isSwarmError(error)) throw error
      log(`chunk ${chunk} from the store: ${error.message}`)
      if (error.code === 'objectNotFound') return 'missing'
      if (error.code === 'integrity') {
        // Another length than the manifest's: the object is not the chunk.
        this.#wrongChunk = error
        return 'corrupt'
      }
      this.#originFailure = error
      return 'unavailable'
    }
  }

  async #fromPeer(
    chunk: ChunkIndex,
    peer: PeerId,
    offset: number,
    into: Uint8Array,
    signal: AbortSignal,
    onBytes: (bytes: number) => void,
  ): Promise<FailReason | undefined> {
    try {
      await this.#init.downThrottle?.pass(into.length, signal)
    } catch {
      return 'cancelled'
    }
    const { status, bytes } = await this.#init.exchange.request(peer, { chunk }, offset, into, { signal, onBytes })
    switch (status) {
      case 'ok':
        return bytes === into.length ? undefined : 'corrupt'
      case 'stopping':
        return 'busy'
      case 'busy':
      case 'missing':
      case 'broken':
      case 'cancelled':
        return status
      default:
        return unreachable(status)
    }
  }

  #noteWrongBytes(chunk: ChunkIndex, from: Source, { senders }: ChunkBuffer, actual: string): void {
    const { manifest, origin, log } = this.#init
    const expected = manifest.chunks.id(chunk)
    if (from.kind === 'peer' || senders.size > 1) {
      log(`chunk ${chunk} from ${[...senders].join(' and ')}: hash mismatch, expected ${expected}, got ${actual}`)
      return
    }
    const key = chunkKey(expected)
    this.#wrongChunk = new SwarmError(
      'integrity',
      `chunk ${chunk}: the bytes of ${key} in ${origin?.url} hash to ${actual}`,
      {
        blame: 'origin',
        cure: 'delete that object and push the snapshot again',
        details: { key, expected, actual },
      },
    )
    log(this.#wrongChunk.message)
  }
}
