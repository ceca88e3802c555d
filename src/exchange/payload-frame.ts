// The frames of the payload stream: a 12-byte header (request id, offset, length; 32-bit big-endian) and the bytes.
// A frame of length 0 ends an answer that is shorter than asked. Pure: bytes in, calls out.

import { FRAME_BODY_BYTES_MAX } from './limits.ts'

export const FRAME_HEADER_BYTES = 12

export interface FrameHeader {
  readonly id: number
  readonly offset: number
  /** 0..FRAME_BODY_BYTES_MAX */
  readonly length: number
}

/** A newly allocated frame, into which the body, of `header.length` bytes, is copied. */
export function encodeFrame(header: FrameHeader, body: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES + body.length)
  bytes.writeUInt32BE(header.id, 0)
  bytes.writeUInt32BE(header.offset, 4)
  bytes.writeUInt32BE(header.length, 8)
  bytes.set(body, FRAME_HEADER_BYTES)
  return bytes
}

export interface FrameSink {
  /** A frame begins; its body follows in any number of parts, none when the length is 0. */
  begin(header: FrameHeader): void
  /** Part of the frame's body. Valid only during the call. */
  body(part: Uint8Array): void
  /** All of the body has come. */
  end(): void
}

/** Cuts a byte stream into frames. Keeps at most one header between calls, never a body. */
export class FrameReader {
  readonly #sink: FrameSink
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES)
  #headerBytes = 0
  #bodyLeft = 0

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** Reads the next piece of the stream. False: a frame is longer than allowed, and the stream is of no more use. */
  read(bytes: Uint8Array): boolean {
    let position = 0
    while (position < bytes.length) {
      if (this.#bodyLeft > 0) {
        const part = bytes.subarray(position, position + this.#bodyLeft)
        position += part.length
        this.#bodyLeft -= part.length
        this.#sink.body(part)
        if (this.#bodyLeft === 0) this.#sink.end()
        continue
      }
      const part = bytes.subarray(position, position + FRAME_HEADER_BYTES - this.#headerBytes)
      this.#header.set(part, this.#headerBytes)
      this.#headerBytes += part.length
      position += part.length
      if (this.#headerBytes === FRAME_HEADER_BYTES && !this.#begin()) return false
    }
    return true
  }

  #begin(): boolean {
    this.#headerBytes = 0
    const length = this.#header.readUInt32BE(8)
    if (length > FRAME_BODY_BYTES_MAX) return false
    this.#bodyLeft = length
    this.#sink.begin({ id: this.#header.readUInt32BE(0), offset: this.#header.readUInt32BE(4), length })
    if (length === 0) this.#sink.end()
    return true
  }
}
