// The control stream of one connection: length-prefixed messages both ways, with a limit on what waits in either
// direction. Knows bytes and lengths, not what the messages mean.

import type { Stream } from '@libp2p/interface'
import { messageStreamToDuplex } from '@libp2p/utils'
import { decode, encode } from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import { type Pushable, pushable } from 'it-pushable'
import type { Uint8ArrayList } from 'uint8arraylist'
import { CONTROL_MESSAGE_BYTES_MAX, CONTROL_QUEUE_BYTES_MAX } from './limits.ts'

export class ControlStream {
  readonly #stream: Stream
  readonly #outgoing: Pushable<Uint8Array> = pushable()
  readonly #incoming: AsyncIterator<Uint8ArrayList>
  #outgoingFailure: unknown
  /** Settles when everything sent has been handed to the connection, or the stream is gone. Never rejects. */
  readonly finished: Promise<void>

  /** Takes over the stream: nobody else may read, write or close it. */
  constructor(stream: Stream) {
    this.#stream = stream
    const duplex = messageStreamToDuplex(stream)
    const limit = { maxDataLength: CONTROL_MESSAGE_BYTES_MAX }
    this.#incoming = decode(duplex.source, limit)[Symbol.asyncIterator]()
    this.finished = pipe(this.#outgoing, (source) => encode(source, limit), duplex.sink).catch((error: unknown) => {
      this.#outgoingFailure = error
    })
  }

  /** Bytes that wait for the peer. */
  get queuedBytes(): number {
    return this.#outgoing.readableLength + this.#stream.writeBufferLength
  }

  /** Queues one message; false when the peer lets too much pile up, or the stream has broken. The bytes are lent. */
  send(bytes: Uint8Array): boolean {
    if (this.#outgoingFailure !== undefined || this.queuedBytes > CONTROL_QUEUE_BYTES_MAX) return false
    this.#outgoing.push(bytes)
    return true
  }

  /**
   * The next message, or undefined when the peer has finished. Rejects when the stream breaks, a message is longer than
   * the limit (found from its prefix, before anything is kept), or the signal aborts. One call at a time.
   */
  async next(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    signal?.throwIfAborted()
    const step = this.#incoming.next()
    const result = signal === undefined ? await step : await untilAborted(step, signal)
    return result.done === true ? undefined : result.value.subarray()
  }

  /** Ends our direction after what is queued; the peer's direction stays open. */
  finish(): void {
    this.#outgoing.end()
  }

  abort(reason: Error): void {
    this.#outgoing.end()
    this.#stream.abort(reason)
  }
}

/** The promise's result, or a rejection with the signal's reason, whichever comes first. */
export async function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
    promise.catch(() => {})
  }
}
