// Manifests that a hostile writer can make: any protobuf messages, under a head that matches them unless told otherwise.

import { zstdCompressSync } from 'node:zlib'
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { hashToId } from '../../src/base/hash.ts'
import { objectIdBytes, type Root } from '../../src/base/ids.ts'
import * as wire from '../../src/generated/manifest_pb.ts'
import { sampleId } from './snapshot-samples.ts'

export type EntryInit = MessageInitShape<typeof wire.EntrySchema>
export type ChunkInit = MessageInitShape<typeof wire.ChunkPartSchema>

/** What to change in a head. */
export interface HeadInit {
  readonly version?: number
  readonly chunkBytesMax?: number
  readonly entryCount?: bigint
  readonly fileCount?: bigint
  readonly chunkCount?: bigint
  readonly rawBytes?: bigint
  readonly encodedBytes?: bigint
  readonly parts?: MessageInitShape<typeof wire.PartSchema>[]
}

export const FILE = wire.EntryType.FILE
export const DIRECTORY = wire.EntryType.DIRECTORY
export const SYMLINK = wire.EntryType.SYMLINK

export interface ForgedPart {
  readonly kind: wire.PartKind
  readonly message: Uint8Array
  readonly count: number
  /** What the head says; default the truth. */
  readonly messageBytes?: number
}

export interface ForgedManifest {
  readonly head: Uint8Array
  readonly root: Root
  /** Part messages, and the same as stored. */
  readonly messages: readonly Uint8Array[]
  readonly stored: readonly Uint8Array[]
}

/** What to change in the valid sample. */
export interface Forgery {
  readonly chunks?: ChunkInit
  readonly entries?: readonly EntryInit[]
  readonly head?: HeadInit
  /** All parts, instead of the sample's chunk part and `entries`. */
  readonly parts?: readonly ForgedPart[]
}

/** Two chunks of 100 and 50 raw bytes. */
const CHUNKS: ChunkInit = {
  ids: Buffer.concat([objectIdBytes(sampleId(1)), objectIdBytes(sampleId(2))]),
  rawHashes: Buffer.concat([objectIdBytes(sampleId(3)), objectIdBytes(sampleId(4))]),
  rawBytes: [100, 50],
  encodedBytes: [90, 60],
  codecs: [wire.ChunkCodec.ANS, wire.ChunkCodec.RAW],
  elements: [wire.ElementType.BF16, wire.ElementType.UNKNOWN],
}

/** A directory `d` and a file `w` that has all bytes of both chunks. */
export const ENTRIES: readonly EntryInit[] = [
  { path: bytes('d'), type: DIRECTORY },
  { path: bytes('w'), type: FILE, size: 150n, extents: [{ firstChunk: 0, offset: 0, length: 150n }] },
]
const TOTALS: HeadInit = { rawBytes: 150n, encodedBytes: 150n, fileCount: 1n }

/** One byte a character. */
export function bytes(text: string): Uint8Array {
  return Buffer.from(text, 'latin1')
}

export function chunkPart(change: ChunkInit = {}, count = 2): ForgedPart {
  const message = toBinary(wire.ChunkPartSchema, create(wire.ChunkPartSchema, { ...CHUNKS, ...change }))
  return { kind: wire.PartKind.CHUNKS, count, message }
}

export function entryPart(entries: readonly EntryInit[]): ForgedPart {
  const message = toBinary(wire.EntryPartSchema, create(wire.EntryPartSchema, { entries: [...entries] }))
  return { kind: wire.PartKind.ENTRIES, count: entries.length, message }
}

/** The sample with the changes that are asked for, and nothing else made to fit them but the head's list of parts. */
export function forge({ chunks, entries, head, parts }: Forgery): ForgedManifest {
  return forgeManifest(parts ?? [chunkPart(chunks), entryPart(entries ?? ENTRIES)], { ...TOTALS, ...head })
}

export function forgeManifest(parts: readonly ForgedPart[], change: HeadInit = {}): ForgedManifest {
  const stored = parts.map((part) => zstdCompressSync(part.message))
  const head = toBinary(
    wire.HeadSchema,
    create(wire.HeadSchema, {
      chunkBytesMax: 8 * 1024 * 1024,
      chunkCount: BigInt(sum(parts, wire.PartKind.CHUNKS)),
      entryCount: BigInt(sum(parts, wire.PartKind.ENTRIES)),
      parts: parts.map((part, index) => ({
        id: objectIdBytes(hashToId(stored[index] ?? part.message)),
        kind: part.kind,
        count: part.count,
        storedBytes: stored[index]?.length ?? 0,
        messageBytes: part.messageBytes ?? part.message.length,
      })),
      ...change,
    }),
  )
  return { head, root: hashToId(head), messages: parts.map((part) => part.message), stored }
}

/** A message followed by a varint field. */
export function withTag(message: Uint8Array, field: number): Uint8Array {
  return Buffer.concat([message, Buffer.from([field << 3, 1])])
}

/** An entry part of one entry, from the entry's bytes. */
export function frame(entry: Uint8Array): Uint8Array {
  const length: number[] = []
  let rest = entry.length
  for (; rest > 0x7f; rest >>>= 7) length.push((rest & 0x7f) | 0x80)
  return Buffer.concat([Buffer.from([0x0a, ...length, rest]), entry])
}

function sum(parts: readonly ForgedPart[], kind: wire.PartKind): number {
  return parts.reduce((total, part) => total + (part.kind === kind ? part.count : 0), 0)
}
