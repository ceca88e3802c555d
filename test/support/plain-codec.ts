// A Codec without native code: decodes with the second decoder, encodes only raw and zstd chunks. Slow; for tests that need
// some codec, and so that the conformance suite has something to compare the native one with.

import { readSync, writeSync } from 'node:fs'
import { constants, zstdCompressSync } from 'node:zlib'
import { invariant, SwarmError } from '../../src/base/errors.ts'
import type { Codec, EncodeOptions, FileRange, RestoreRange } from '../../src/codec/codec.ts'
import { blankHeader, withHeaderChecksum } from './chunk-builder.ts'
import { ChunkRefused, decodePlainly, plainCrc32c, readPlainHeader } from './second-decoder.ts'

const CODECS = ['raw', 'ans', 'zstd'] as const
const ELEMENTS = ['unknown', 'bytes', 'bf16', 'fp16', 'fp32'] as const

export function openPlainCodec(): Codec {
  let closed = false
  const open = () => invariant(!closed, 'the codec is closed')
  return {
    status: { device: 'cpu', path: 'scalar', threads: 1 },
    maxEncodedBytes: (rawBytes) => rawBytes + 32,
    async read(ranges, raw) {
      open()
      readRanges(ranges, raw)
    },
    async encode(raw, out, options) {
      open()
      return encode(raw, out, options)
    },
    async readAndEncode(ranges, raw, out, options) {
      open()
      readRanges(ranges, raw)
      return encode(raw, out, options)
    },
    inspect(encoded) {
      const header = refusing(() => readPlainHeader(encoded))
      const { rawBytes, encodedBytes } = header
      return {
        codec: header.codec === 1 && header.level === 1 ? 'ans-fast' : (CODECS[header.codec] ?? 'raw'),
        element: ELEMENTS[header.hint] ?? 'unknown',
        rawBytes,
        encodedBytes,
      }
    },
    async decode(encoded, raw) {
      open()
      decode(encoded, raw)
    },
    async restore(encoded, raw, ranges) {
      open()
      decode(encoded, raw)
      for (const range of ranges) writeRange(range, raw)
    },
    async selfTest() {},
    async close() {
      closed = true
    },
  }
}

function encode(raw: Uint8Array, out: Uint8Array, options: EncodeOptions): number {
  const params = { [constants.ZSTD_c_compressionLevel]: options.zstdLevel }
  const frame = options.codec === 'zstd' && raw.length > 0 ? zstdCompressSync(raw, { params }) : raw
  const payload = frame.length < raw.length ? frame : raw
  const header = blankHeader()
  if (payload !== raw) {
    header.writeUInt8(2, 5)
    header.writeUInt8(options.zstdLevel, 7)
  }
  header.writeUInt32LE(raw.length, 8)
  header.writeUInt32LE(payload.length + 32, 12)
  header.writeUInt32LE(plainCrc32c(raw), 24)
  out.set(withHeaderChecksum(header))
  out.set(payload, 32)
  return payload.length + 32
}

function decode(encoded: Uint8Array, raw: Uint8Array): void {
  const decoded = refusing(() => decodePlainly(encoded))
  if (decoded.length !== raw.length) throw refusal('outputSize')
  raw.set(decoded)
}

function refusing<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    throw error instanceof ChunkRefused ? refusal(error.rule) : error
  }
}

function refusal(rule: string): SwarmError {
  return new SwarmError('integrity', `plain codec: rule ${rule}`, { blame: 'peer', details: { rule } })
}

function readRanges(ranges: readonly FileRange[], raw: Uint8Array): void {
  let at = 0
  for (const { fd, offset, length } of ranges) {
    const read = length === 0 ? 0 : readSync(fd, raw, at, length, offset)
    if (read < length) throw new SwarmError('sourceChanged', 'plain codec: short read')
    at += length
  }
}

function writeRange({ fd, offset, length, rawOffset }: RestoreRange, raw: Uint8Array): void {
  if (length > 0) writeSync(fd, raw, rawOffset, length, offset)
}
