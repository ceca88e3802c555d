// A second decoder, written from the text of protocols/chunk.md and from nothing else: slow and plain on purpose.
// It decides whether a golden vector means what the text says. Refusals are `ChunkRefused` with the rule's name.
// Header, zstd and directory are here; the segments of an ans chunk in second-segments.ts.

import { constants, zstdDecompressSync } from 'node:zlib'
import { align16, ChunkRefused, check, checkZeros, u8, u16, u32 } from './second-fields.ts'
import { decodeSegment } from './second-segments.ts'

export { ChunkRefused } from './second-fields.ts'

export interface PlainHeader {
  readonly codec: number
  readonly hint: number
  readonly level: number
  readonly rawBytes: number
  readonly encodedBytes: number
  readonly rawChecksum: number
}

const HEADER_BYTES = 32
const RAW_BYTES_MAX = 2 ** 24
const SEGMENT_BYTES = 2 ** 20

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc >>> 0
})

export function plainCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0)
  return ~crc >>> 0
}

/** Raw bytes of a chunk, newly allocated. */
export function decodePlainly(chunk: Uint8Array): Uint8Array {
  const header = readPlainHeader(chunk)
  const raw = decodePayload(chunk, header)
  check(plainCrc32c(raw) === header.rawChecksum, 'checksum')
  return raw
}

export function readPlainHeader(chunk: Uint8Array): PlainHeader {
  check(chunk.length >= HEADER_BYTES, 'truncated')
  check(u32(chunk, 0) === 0x4b435753, 'magic')
  check(u8(chunk, 4) === 1, 'version')
  check(plainCrc32c(chunk.subarray(0, 28)) === u32(chunk, 28), 'headerChecksum')
  const codec = u8(chunk, 5)
  check(codec <= 2, 'codec')
  const level = u8(chunk, 7)
  const hint = u8(chunk, 18)
  check(u8(chunk, 6) === 1, 'headerField')
  const [levelMin, levelMax] = (
    [
      [0, 0],
      [0, 1],
      [1, 19],
    ] as const
  )[codec] ?? [0, 0]
  check(level >= levelMin && level <= levelMax, 'headerField')
  check(u8(chunk, 16) === (codec === 1 ? 20 : 0) && u8(chunk, 17) === (codec === 1 ? 14 : 0), 'headerField')
  check(hint <= (codec === 1 ? 4 : 0), 'headerField')
  check(u8(chunk, 19) === 0 && u32(chunk, 20) === 0, 'headerField')
  const rawBytes = u32(chunk, 8)
  const encodedBytes = u32(chunk, 12)
  check(rawBytes <= RAW_BYTES_MAX && (rawBytes > 0 || codec === 0), 'rawBytes')
  check(encodedBytes === chunk.length, 'encodedBytes')
  check(codec === 0 ? encodedBytes === rawBytes + 32 : encodedBytes < rawBytes + 32, 'encodedBytes')
  return { codec, hint, level, rawBytes, encodedBytes, rawChecksum: u32(chunk, 24) }
}

function decodePayload(chunk: Uint8Array, header: PlainHeader): Uint8Array {
  if (header.codec === 0) return chunk.slice(HEADER_BYTES)
  if (header.codec === 2) return unpackZstd(chunk.subarray(HEADER_BYTES), header.rawBytes)
  const raw = new Uint8Array(header.rawBytes)
  const segments = Math.ceil(header.rawBytes / SEGMENT_BYTES)
  let start = align16(HEADER_BYTES + 4 * segments)
  check(start <= chunk.length, 'directory')
  checkZeros(chunk, HEADER_BYTES + 4 * segments, start, 'paddingBytes')
  for (let index = 0; index < segments; index++) {
    const end = u32(chunk, HEADER_BYTES + 4 * index)
    check(end % 16 === 0 && end > start && end <= chunk.length, 'directory')
    const target = raw.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES)
    decodeSegment(chunk.subarray(start, end), target)
    start = end
  }
  check(start === chunk.length, 'directory')
  return raw
}

/** The frame has to end with the payload. Walks its headers as RFC 8878 lays them out. */
function checkSingleFrame(frame: Uint8Array): void {
  try {
    check(u32(frame, 0) === 0xfd2fb528, 'zstdPayload')
    const flags = u8(frame, 4)
    const single = flags & 0x20 ? 1 : 0
    let at = 6 - single
    at += [0, 1, 2, 4][flags % 4] ?? 0
    at += [single, 2, 4, 8][flags >> 6] ?? 0
    let header = 0
    do {
      header = u16(frame, at) + u8(frame, at + 2) * 65536
      const isRunLength = (header & 6) === 2
      at += 3 + (isRunLength ? 1 : header >> 3)
    } while (header % 2 === 0)
    check(at + (flags & 4 ? 4 : 0) === frame.length, 'zstdPayload')
  } catch {
    throw new ChunkRefused('zstdPayload')
  }
}

function unpackZstd(frame: Uint8Array, rawBytes: number): Uint8Array {
  checkSingleFrame(frame)
  let content: Uint8Array
  try {
    const params = { [constants.ZSTD_d_windowLogMax]: 24 }
    content = zstdDecompressSync(frame, { maxOutputLength: rawBytes, params })
  } catch {
    throw new ChunkRefused('zstdPayload')
  }
  check(content.length === rawBytes, 'zstdPayload')
  return content
}
