// A second reader of manifests and tickets, written from protocols/manifest.md and protocols/ticket.md alone: no
// generated code, no protobuf library, no speed. It exists to disagree with the first one.

import { zstdDecompressSync } from 'node:zlib'

type PlainFields = Map<number, (bigint | Buffer)[]>

export interface PlainManifest {
  readonly chunkBytesMax: number
  readonly chunks: readonly unknown[]
  readonly entries: readonly unknown[]
  readonly totals: {
    readonly entries: number
    readonly files: number
    readonly chunks: number
    readonly rawBytes: number
  }
}

/** The stored parts must be in the head's order; hashes are the caller's business. */
export function readPlainManifest(head: Buffer, storedParts: readonly Buffer[]): PlainManifest {
  const fields = readFields(head)
  if (numberOf(fields, 1) !== 0) throw new Error('not version 0')
  const chunks: unknown[] = []
  const entries: unknown[] = []
  const parts = fields.get(8) ?? []
  if (parts.length !== storedParts.length) throw new Error('number of parts')
  parts.forEach((part, index) => {
    const facts = readFields(asBytes(part))
    const stored = storedParts[index] ?? Buffer.alloc(0)
    const message = zstdDecompressSync(stored)
    if (numberOf(facts, 4) !== stored.length || numberOf(facts, 5) !== message.length) throw new Error('part sizes')
    const rows = numberOf(facts, 2) === 1 ? readChunks(message) : readEntries(message)
    if (rows.length !== numberOf(facts, 3)) throw new Error('part count')
    const table = numberOf(facts, 2) === 1 ? chunks : entries
    table.push(...rows)
  })
  const totals = {
    entries: numberOf(fields, 3),
    files: numberOf(fields, 4),
    chunks: numberOf(fields, 5),
    rawBytes: numberOf(fields, 6),
  }
  return { chunkBytesMax: numberOf(fields, 2), chunks, entries, totals }
}

export function readPlainTicket(text: string): { body: Buffer; checksum: Buffer; content: unknown } {
  const bytes = readBase32(text.slice('swarm1'.length))
  const body = bytes.subarray(0, -4)
  const fields = readFields(body)
  const store = fields.get(5)?.[0]
  const content = {
    root: bytesOf(fields, 1).toString('hex'),
    swarmKey: bytesOf(fields, 2).toString('hex'),
    name: bytesOf(fields, 3).toString('utf8'),
    addresses: (fields.get(4) ?? []).map((address) => asBytes(address).toString('utf8')),
    store: store === undefined ? null : readStore(asBytes(store)),
  }
  return { body, checksum: bytes.subarray(-4), content }
}

function readStore(bytes: Buffer): unknown {
  const fields = readFields(bytes)
  const [url, endpoint, region] = [1, 2, 3].map((number) => bytesOf(fields, number).toString('utf8'))
  return { url, endpoint, region }
}

function readChunks(message: Buffer): unknown[] {
  const fields = readFields(message)
  const ids = bytesOf(fields, 1)
  const [rawBytes, encodedBytes, codecs, elements] = [3, 4, 5, 6].map((number) => readVarints(bytesOf(fields, number)))
  return Array.from({ length: ids.length / 32 }, (_, row) => ({
    id: ids.subarray(32 * row, 32 * row + 32).toString('hex'),
    rawHash: bytesOf(fields, 2)
      .subarray(32 * row, 32 * row + 32)
      .toString('hex'),
    rawBytes: Number(rawBytes?.[row]),
    encodedBytes: Number(encodedBytes?.[row]),
    codec: ['raw', 'ans', 'zstd', 'ans-fast'][Number(codecs?.[row])],
    element: ['unknown', 'bytes', 'bf16', 'fp16', 'fp32'][Number(elements?.[row])],
  }))
}

function readEntries(message: Buffer): unknown[] {
  return (readFields(message).get(1) ?? []).map((entry) => {
    const fields = readFields(asBytes(entry))
    return {
      path: bytesOf(fields, 1).toString('hex'),
      type: ['', 'file', 'directory', 'symlink'][numberOf(fields, 2)],
      mode: numberOf(fields, 3),
      mtimeSeconds: zigzag(fields.get(4)?.[0]),
      mtimeNanos: numberOf(fields, 5),
      size: numberOf(fields, 6),
      target: bytesOf(fields, 7).toString('hex'),
      extents: (fields.get(8) ?? []).map((extent) => {
        const [firstChunk, offset, length] = [1, 2, 3].map((number) => numberOf(readFields(asBytes(extent)), number))
        return { firstChunk, offset, length }
      }),
    }
  })
}

function readFields(bytes: Buffer): PlainFields {
  const fields: PlainFields = new Map()
  let position = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[position++]
      if (byte === undefined) throw new Error('cut off')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (position < bytes.length) {
    const tag = Number(varint())
    let value: bigint | Buffer = varint()
    if (tag % 8 === 2) {
      const end = position + Number(value)
      if (end > bytes.length) throw new Error('cut off')
      value = bytes.subarray(position, end)
      position = end
    } else if (tag % 8 !== 0) {
      throw new Error(`wire type ${tag % 8}`)
    }
    const number = Math.floor(tag / 8)
    fields.set(number, [...(fields.get(number) ?? []), value])
  }
  return fields
}

/** A packed field: varints back to back. */
function readVarints(bytes: Buffer): bigint[] {
  const values: bigint[] = []
  let value = 0n
  let shift = 0n
  for (const byte of bytes) {
    value |= BigInt(byte & 0x7f) << shift
    shift += 7n
    if (byte >= 0x80) continue
    values.push(value)
    value = 0n
    shift = 0n
  }
  return values
}

function readBase32(text: string): Buffer {
  const bits = [...text].map((character) => {
    const value = 'abcdefghijklmnopqrstuvwxyz234567'.indexOf(character)
    if (value === -1) throw new Error('not base32')
    return value.toString(2).padStart(5, '0')
  })
  return Buffer.from((bits.join('').match(/[01]{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}

function zigzag(value: bigint | Buffer | undefined): number {
  if (typeof value !== 'bigint') return 0
  return Number(value % 2n === 0n ? value / 2n : -(value + 1n) / 2n)
}

function numberOf(fields: PlainFields, number: number): number {
  const value = fields.get(number)?.[0] ?? 0n
  if (typeof value !== 'bigint') throw new Error(`field ${number} is not a varint`)
  return Number(value)
}

function bytesOf(fields: PlainFields, number: number): Buffer {
  return asBytes(fields.get(number)?.[0] ?? Buffer.alloc(0))
}

function asBytes(value: bigint | Buffer): Buffer {
  if (typeof value === 'bigint') throw new Error('not length-delimited')
  return value
}
