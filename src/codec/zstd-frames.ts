// zstd chunks: one frame each, by Node's own zlib in Node's thread pool, and whether `auto` should prefer one.

import { constants, type ZstdOptions, zstdCompress, zstdDecompress } from 'node:zlib'
import { systemErrorCode } from '../base/errors.ts'
import { brokenRule } from './codec-errors.ts'

/** Frames may not ask the decoder for a larger window than the largest chunk: log2 of 16 MiB. */
const WINDOW_LOG_MAX = 24

/** Levels above this one choose the same winner on a sample and only take longer. */
const SAMPLE_LEVEL_MAX = 3
const SAMPLE_WINDOW_BYTES = 64 * 1024
const SAMPLE_WINDOWS = 4
/** zstd is slower to decode and kept encoded while serving, so it has to be at least this much smaller, in percent. */
const ZSTD_GAIN_PERCENT = 3
/** A chunk that shrinks below 1/64 of its raw size needs no second opinion. */
const TINY_FRACTION = 64

/** Slack, so that the output buffer of a one-shot call never has to grow by a few bytes. */
const OUTPUT_SLACK_BYTES = 64

/** One frame of `raw`, newly allocated, or undefined when it would not be smaller than `raw`. */
export async function compressFrame(raw: Uint8Array, level: number): Promise<Uint8Array | undefined> {
  if (raw.length < 2) return undefined
  const options: ZstdOptions = {
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_contentSizeFlag]: 1,
    },
    pledgedSrcSize: raw.length,
    maxOutputLength: raw.length - 1,
    chunkSize: raw.length + OUTPUT_SLACK_BYTES,
  }
  return new Promise((resolve, reject) => {
    zstdCompress(raw, options, (error, frame) => {
      if (error === null) resolve(frame)
      else if (systemErrorCode(error) === 'ERR_BUFFER_TOO_LARGE') resolve(undefined)
      else reject(error)
    })
  })
}

/** The content of one frame, newly allocated, at most `rawBytes` long; `integrity` when the frame is no such thing. */
export async function decompressFrame(frame: Uint8Array, rawBytes: number, doing: string): Promise<Uint8Array> {
  // Node stops after the first frame and ignores what follows; other decoders go on.
  if (frameBytes(frame) !== frame.length) throw brokenRule(doing, 'zstdPayload')
  const options: ZstdOptions = {
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
    maxOutputLength: rawBytes,
    chunkSize: rawBytes + OUTPUT_SLACK_BYTES,
  }
  return new Promise((resolve, reject) => {
    zstdDecompress(frame, options, (error, content) => {
      if (error === null) resolve(content)
      else reject(brokenRule(doing, 'zstdPayload'))
    })
  })
}

/** What the ANS encoder made of a sample. */
export interface AnsOutcome {
  readonly encodedBytes: number
  /** Segments, here 0 or 1, that the encoder took for floating point numbers, where zstd finds nothing. */
  readonly floatSegments: number
}

/** Size of `sample` as a zstd frame, as a share of what ANS made of it; Infinity where zstd need not be tried. */
export async function sampleZstd(sample: Uint8Array, ans: AnsOutcome, level: number): Promise<number> {
  if (ans.floatSegments > 0) return Number.POSITIVE_INFINITY
  if (ans.encodedBytes * TINY_FRACTION <= sample.length) return Number.POSITIVE_INFINITY
  const frame = await compressFrame(sample, Math.min(level, SAMPLE_LEVEL_MAX))
  return frame === undefined ? Number.POSITIVE_INFINITY : frame.length / ans.encodedBytes
}

/** Whether a frame is so much smaller than an ANS chunk of the same bytes that its slower decoding is worth it. */
export function isWorthZstd(frameBytes: number, ansBytes: number): boolean {
  return frameBytes * 100 < ansBytes * (100 - ZSTD_GAIN_PERCENT)
}

/** `raw` itself if it is small; else windows at even distances, copied together, below the size of a segment. */
export function takeSample(raw: Uint8Array): Uint8Array {
  const sampleBytes = SAMPLE_WINDOW_BYTES * SAMPLE_WINDOWS
  if (raw.length <= sampleBytes) return raw
  const sample = new Uint8Array(sampleBytes)
  for (let index = 0; index < SAMPLE_WINDOWS; index++) {
    const start = Math.floor(((raw.length - SAMPLE_WINDOW_BYTES) * index) / (SAMPLE_WINDOWS - 1))
    sample.set(raw.subarray(start, start + SAMPLE_WINDOW_BYTES), index * SAMPLE_WINDOW_BYTES)
  }
  return sample
}

const FRAME_MAGIC = 0xfd2fb528
const BLOCK_HEADER_BYTES = 3
const BLOCK_RLE = 1

/** Length of the frame at the start of `bytes` by its own headers (RFC 8878, 3.1.1); undefined when there is no whole one. */
function frameBytes(bytes: Uint8Array): number | undefined {
  if (bytes.length < 5) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== FRAME_MAGIC) return undefined
  const descriptor = view.getUint8(4)
  const singleSegment = (descriptor >>> 5) & 1
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  const contentSizeBytes = [singleSegment, 2, 4, 8][descriptor >>> 6] ?? 0
  let at = 5 + (1 - singleSegment) + dictionaryBytes + contentSizeBytes
  for (let last = false; !last; ) {
    if (at + BLOCK_HEADER_BYTES > bytes.length) return undefined
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
    last = (header & 1) === 1
    at += BLOCK_HEADER_BYTES + (((header >>> 1) & 3) === BLOCK_RLE ? 1 : header >>> 3)
  }
  return at + ((descriptor >>> 2) & 1) * 4
}
