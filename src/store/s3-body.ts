// Receives the body of a ranged read straight into the caller's buffer: one copy, checked against what was asked.

import type { Readable } from 'node:stream'
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3'
import { SwarmError } from '../base/errors.ts'
import { SKIP_BYTES_MAX } from './limits.ts'
import { pourBody } from './s3-transport.ts'
import type { Throttle, ThrottleTurn } from './throttle.ts'

/** Where bytes go that are not wanted. */
const ASIDE = new Uint8Array(65_536)

export interface WantedRange {
  readonly offset: number
  readonly bytes: number
}

/** What the rate limit lets through: `credit` bytes are paid for already, more are taken from `turn`. */
export interface PaidTurn {
  readonly throttle: Throttle
  readonly turn: ThrottleTurn
  readonly creditBytes: number
}

export interface ReceiveOptions {
  /** Bytes of the body before the wanted ones. */
  readonly skipBytes: number
  /** More bytes follow the wanted ones and are not wanted. */
  readonly cutAtEnd: boolean
  readonly idleTimeoutMs: number
  readonly paid: PaidTurn | undefined
  readonly signal: AbortSignal | undefined
  /** Every payload byte that arrived, also those that are skipped. */
  readonly onReceived: (bytes: number) => void
  /** Bytes that now lie in the buffer. */
  readonly onBytes: ((bytes: number) => void) | undefined
}

type Shape = { readonly skipBytes: number; readonly cutAtEnd: boolean }

/** Compares the headers with the question. Throws unless the wanted bytes can be cut from this body. */
export function checkRange(output: GetObjectCommandOutput, wanted: WantedRange, doing: string): Shape {
  const status = output.$metadata.httpStatusCode
  const encoding = output.ContentEncoding ?? ''
  if (!['', 'identity', 'aws-chunked'].includes(encoding)) {
    throw wrongAnswer(`${doing}: the body was encoded as ${encoding} on its way`)
  }
  return status === 206 ? checkPartial(output, wanted, doing) : checkWhole(output, wanted, doing)
}

/** Fills `into` from the body. The connection is reusable afterwards unless the call failed or cut the body. */
export function receiveInto(body: Readable, into: Uint8Array, options: ReceiveOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const { signal, paid } = options
  let skipBytes = options.skipBytes
  let creditBytes = paid?.creditBytes ?? 0
  let filled = 0
  let settled = false

  const settle = (error?: unknown) => {
    if (settled) return
    settled = true
    signal?.removeEventListener('abort', abort)
    if (error === undefined) return resolve()
    body.destroy()
    reject(error)
  }
  const abort = () => settle(signal?.reason)
  const payAhead = (turn: ThrottleTurn, sliceBytes: number) => {
    const bytes = Math.min(sliceBytes, skipBytes + into.length - filled) - creditBytes
    turn.take(bytes, signal).then(() => {
      creditBytes += bytes
      if (!settled) goOn()
    }, settle)
  }
  const wrote = (bytes: number): boolean => {
    if (settled) return true
    options.onReceived(bytes)
    creditBytes -= bytes
    if (skipBytes > 0) skipBytes -= bytes
    else if (filled < into.length) {
      filled += bytes
      options.onBytes?.(bytes)
    } else settle(lengthError(filled + bytes, into.length))
    if (filled === into.length && options.cutAtEnd) {
      settle()
      body.destroy()
    } else if (paid !== undefined && creditBytes <= 0 && filled < into.length) {
      payAhead(paid.turn, paid.throttle.sliceBytes)
      return false
    }
    return true
  }
  const room = (): Uint8Array => {
    if (settled || filled === into.length) return ASIDE
    const most = paid === undefined ? into.length : creditBytes
    return skipBytes > 0 ? ASIDE.subarray(0, Math.min(skipBytes, most)) : into.subarray(filled, filled + most)
  }
  if (signal?.aborted) settle(signal.reason)
  else signal?.addEventListener('abort', abort, { once: true })
  const ended = (error?: Error): void =>
    settle(error ?? (filled === into.length ? undefined : lengthError(filled, into.length)))
  const goOn = pourBody(body, { room, wrote, ended }, options.idleTimeoutMs)
  return promise
}

function checkPartial(output: GetObjectCommandOutput, wanted: WantedRange, doing: string): Shape {
  const asked = `${wanted.offset}-${wanted.offset + wanted.bytes - 1}`
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(output.ContentRange ?? '')
  const [first, last, total] = [Number(match?.[1]), Number(match?.[2]), Number(match?.[3])]
  if (match !== null && total < wanted.offset + wanted.bytes) throw tooShort(doing, wanted, total)
  if (match === null || first !== wanted.offset || last !== wanted.offset + wanted.bytes - 1) {
    throw wrongAnswer(`${doing}: asked for bytes ${asked}, was sent ${output.ContentRange ?? 'a part without a range'}`)
  }
  if (output.ContentLength !== undefined && output.ContentLength !== wanted.bytes) {
    throw wrongAnswer(`${doing}: asked for ${wanted.bytes} bytes, was announced ${output.ContentLength}`)
  }
  return { skipBytes: 0, cutAtEnd: false }
}

/** A server or proxy that ignores ranges sends everything: the wanted slice lies somewhere inside. */
function checkWhole(output: GetObjectCommandOutput, wanted: WantedRange, doing: string): Shape {
  const total = output.ContentLength
  if (total === undefined) throw wrongAnswer(`${doing}: neither a range nor a length in the answer`)
  if (total < wanted.offset + wanted.bytes) throw tooShort(doing, wanted, total)
  if (wanted.offset > SKIP_BYTES_MAX) {
    throw new SwarmError('storeUnavailable', `${doing}: the server ignores byte ranges`, {
      blame: 'origin',
      cure: 'use an endpoint that serves ranges (HTTP 206); a proxy in between may drop the Range header',
    })
  }
  return { skipBytes: wanted.offset, cutAtEnd: total > wanted.offset + wanted.bytes }
}

function wrongAnswer(message: string): SwarmError {
  return new SwarmError('storeUnavailable', message, { blame: 'origin', retry: true, details: { wrongAnswer: true } })
}

function tooShort(doing: string, wanted: WantedRange, total: number): SwarmError {
  const end = wanted.offset + wanted.bytes
  return new SwarmError('integrity', `${doing}: the object has ${total} bytes, at least ${end} were expected`, {
    blame: 'origin',
    details: { totalBytes: total, expectedBytes: end },
  })
}

function lengthError(received: number, expected: number): Error {
  return Object.assign(new Error(`the body had ${received} bytes instead of ${expected}`), {
    code: 'ERR_STREAM_PREMATURE_CLOSE',
  })
}
