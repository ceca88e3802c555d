// The payload stream of one connection: answers go out one after another in frames, and frames that come in are handed
// on as they arrive. The sender never lets more than a fixed amount wait in the stream, however slow the reader is.

import type { Stream } from '@libp2p/interface'
import { FRAME_BODY_BYTES, PAYLOAD_BUFFER_BYTES_MAX } from './limits.ts'
import { encodeFrame, FrameReader, type FrameSink } from './payload-frame.ts'

export interface PayloadSink extends FrameSink {
  /** Bytes came, of whatever kind: the peer lives. */
  alive(bytes: number): void
  /** The stream is of no more use. Called once. */
  ended(reason: 'closed' | 'malformed'): void
}

/** One answer: `bytes` are what lies at `offset` of the target, at most `asked` of them. */
export interface Answer {
  readonly id: number
  readonly offset: number
  readonly asked: number
  readonly bytes: Uint8Array
}

interface Job extends Answer {
  readonly done: (outcome: 'sent' | 'failed') => void
  cancelled: boolean
}

export class PayloadStream {
  readonly #stream: Stream
  readonly #sink: PayloadSink
  readonly #jobs: Job[] = []
  #sending = false
  #ended = false
  #sentBytes = 0
  #change = Promise.withResolvers<void>()

  /** Takes over the stream: nobody else may read, write or close it. */
  constructor(stream: Stream, sink: PayloadSink) {
    this.#stream = stream
    this.#sink = sink
    const reader = new FrameReader(sink)
    stream.addEventListener('message', (event) => {
      this.#sink.alive(event.data.byteLength)
      for (const part of event.data instanceof Uint8Array ? [event.data] : event.data) {
        if (!this.#ended && !reader.read(part)) this.#end('malformed')
      }
    })
    // A drain event may come while bytes still wait, so that the sender looks at the buffer itself after each of these.
    stream.addEventListener('drain', () => this.#changed())
    stream.addEventListener('idle', () => this.#changed())
    stream.addEventListener('close', () => this.#end('closed'))
    stream.addEventListener('remoteCloseWrite', () => this.#end('closed'))
    // What happened before this object listened.
    if (stream.status !== 'open' || stream.remoteWriteStatus !== 'writable') queueMicrotask(() => this.#end('closed'))
  }

  /** Bytes handed to the stream that it has not passed on yet. */
  get queuedBytes(): number {
    return this.#stream.writeBufferLength
  }

  /** Bytes that the stream has passed on so far; stands still when the peer does not read. */
  get passedBytes(): number {
    return this.#sentBytes - this.#stream.writeBufferLength
  }

  get answersWaiting(): number {
    return this.#jobs.length
  }

  /**
   * Sends one answer after those that wait already. `sent`: all of it was handed to the stream. The bytes are read until the
   * promise settles. They are copied frame by frame, so that megabytes need not wait for the garbage collector.
   */
  send(answer: Answer): Promise<'sent' | 'failed'> {
    if (this.#ended) return Promise.resolve('failed')
    const done = Promise.withResolvers<'sent' | 'failed'>()
    this.#jobs.push({ ...answer, done: done.resolve, cancelled: false })
    if (!this.#sending) void this.#sendAll()
    return done.promise
  }

  /** Stops the answer with this id, at the latest after the frame that is on its way. */
  cancel(id: number): void {
    for (const job of this.#jobs) if (job.id === id) job.cancelled = true
    this.#changed()
  }

  abort(reason: Error): void {
    this.#stream.abort(reason)
    this.#end('closed')
  }

  async #sendAll(): Promise<void> {
    this.#sending = true
    for (let job = this.#jobs[0]; job !== undefined; job = this.#jobs[0]) {
      const outcome = await this.#sendOne(job)
      this.#jobs.shift()
      job.done(outcome)
    }
    this.#sending = false
  }

  async #sendOne(job: Job): Promise<'sent' | 'failed'> {
    const { id, offset, bytes } = job
    let position = 0
    while (position < bytes.length) {
      if (!(await this.#ready(job))) return 'failed'
      const body = bytes.subarray(position, position + FRAME_BODY_BYTES)
      if (!this.#sendFrame(id, offset + position, body)) return 'failed'
      position += body.length
    }
    if (position === job.asked) return 'sent'
    const ready = await this.#ready(job)
    return ready && this.#sendFrame(id, offset + position, bytes.subarray(position)) ? 'sent' : 'failed'
  }

  /** Waits until the stream takes another frame; false when the answer need not or cannot go on. */
  async #ready(job: Job): Promise<boolean> {
    while (!this.#ended && !job.cancelled && this.#stream.writeBufferLength > PAYLOAD_BUFFER_BYTES_MAX) {
      await this.#change.promise
    }
    return !this.#ended && !job.cancelled
  }

  #sendFrame(id: number, offset: number, body: Uint8Array): boolean {
    const frame = encodeFrame({ id, offset, length: body.length }, body)
    this.#sentBytes += frame.byteLength
    try {
      this.#stream.send(frame)
      return true
    } catch {
      // The stream closed between the check and the call; its close event tells the owner.
      return false
    }
  }

  #changed(): void {
    this.#change.resolve()
    this.#change = Promise.withResolvers()
  }

  #end(reason: 'closed' | 'malformed'): void {
    if (this.#ended) return
    this.#ended = true
    this.#changed()
    this.#sink.ended(reason)
  }
}
