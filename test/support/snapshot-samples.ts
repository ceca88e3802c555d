// Small honest snapshots for tests, from a random tree. Dishonest ones: forged-manifest.ts.

import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { hashToId } from '../../src/base/hash.ts'
import type { ObjectId, Root } from '../../src/base/ids.ts'
import { type PlannedFile, planChunks } from '../../src/snapshot/chunk-plan.ts'
import { ChunkTable, type Entry, EntryTable, type Extent } from '../../src/snapshot/manifest.ts'
import { encodeHead, encodeParts, ManifestReader, type StoredPart } from '../../src/snapshot/manifest-codec.ts'

export interface EncodedManifest {
  readonly root: Root
  readonly head: Uint8Array
  readonly parts: readonly StoredPart[]
}

export interface SampleTree {
  readonly chunks: ChunkTable
  readonly entries: EntryTable
  readonly chunkBytes: number
}

/** The id of "object number `number`". */
export function sampleId(number: number): ObjectId {
  return hashToId(Buffer.from(`object ${number}`))
}

export function encodeManifest(tree: SampleTree): EncodedManifest {
  const parts: StoredPart[] = []
  for (const part of encodeParts(tree.chunks, tree.entries)) {
    parts.push({ ...part, stored: zstdCompressSync(part.message) })
  }
  return { ...encodeHead(tree.chunks, tree.entries, tree.chunkBytes, parts), parts }
}

export function readManifest(
  head: Uint8Array,
  root: Root,
  messages: Iterable<Uint8Array>,
): ReturnType<ManifestReader['finish']> {
  const reader = new ManifestReader(head, root)
  for (const message of messages) reader.addPart(message)
  return reader.finish()
}

/** Extents of every planned file; `indexOf` gives the chunk table's index of each planned chunk. */
export function extentsOf(
  files: readonly PlannedFile[],
  chunkBytes: number,
  indexOf: (chunk: number, rawBytes: number) => number,
): Map<number, Extent[]> {
  const extents = new Map<number, Extent[]>(files.map((file) => [file.file, []]))
  let planned = 0
  for (const chunk of planChunks(files, chunkBytes)) {
    const firstChunk = indexOf(planned++, chunk.rawBytes)
    let offset = 0
    for (const piece of chunk.pieces) {
      extents.get(piece.file)?.push({ firstChunk, offset, length: piece.length })
      offset += piece.length
    }
  }
  return extents
}

const NAMES = ['a', 'b', 'c', 'a b', '-rf', 'line\nfeed', 'w.bin', 'caf\u00e9', 'x\\y']
const name = fc.oneof(
  fc.constantFrom(...NAMES).map((text) => Buffer.from(text)),
  fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => Buffer.from(bytes.map((byte) => (byte % 0x7f) + 0x80))),
)
const node = fc.record({
  path: fc.array(name, { minLength: 1, maxLength: 4 }),
  type: fc.constantFrom('file' as const, 'file' as const, 'directory' as const, 'symlink' as const),
  size: fc.oneof(fc.constantFrom(0, 1, 4095, 4096, 4097), fc.nat(20_000)),
  mode: fc.nat(0o7777),
  mtimeSeconds: fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }),
  mtimeNanos: fc.nat(999_999_999),
})

/** Trees of up to 30 entries with every kind of name, and chunks of 4 KiB some of which hold the same bytes. */
export const sampleTree: fc.Arbitrary<SampleTree> = fc
  .tuple(fc.array(node, { maxLength: 30 }), fc.infiniteStream(fc.boolean()))
  .map(([nodes, repeats]) => {
    const entries = new Map<string, Entry>()
    for (const { path, ...facts } of nodes) {
      const parents = path.slice(0, -1).map((_, depth) => joinPath(path.slice(0, depth + 1)))
      if (parents.some((parent) => (entries.get(key(parent))?.type ?? 'directory') !== 'directory')) continue
      for (const parent of parents) {
        if (!entries.has(key(parent))) entries.set(key(parent), bare(parent, { ...facts, type: 'directory' }))
      }
      const full = joinPath(path)
      if (!entries.has(key(full))) entries.set(key(full), bare(full, facts))
    }
    return assemble(
      [...entries.values()].sort((a, b) => Buffer.compare(a.path, b.path)),
      repeats,
    )
  })

function assemble(sorted: readonly Entry[], repeats: Iterator<boolean>): SampleTree {
  const chunkBytes = 4096
  const chunks = new ChunkTable()
  const bySize = new Map<number, number>()
  const files = sorted.map((entry, file) => ({ file, path: entry.path, size: entry.size }))
  const extents = extentsOf(files, chunkBytes, (_, rawBytes) => {
    const same = bySize.get(rawBytes)
    if (same !== undefined && repeats.next().value === true) return same
    const number = chunks.count
    bySize.set(rawBytes, number)
    const codec = (['raw', 'ans', 'zstd', 'ans-fast'] as const)[number % 4] ?? 'raw'
    return chunks.push({
      id: sampleId(2 * number),
      rawHash: sampleId(2 * number + 1),
      rawBytes,
      encodedBytes: rawBytes + 40,
      codec,
      element: codec === 'ans' ? 'bf16' : 'unknown',
    })
  })
  const entries = new EntryTable()
  sorted.forEach((entry, file) => {
    entries.push({ ...entry, extents: extents.get(file) ?? [] })
  })
  return { chunks, entries, chunkBytes }
}

function bare(path: Buffer, facts: Omit<Entry, 'path' | 'target' | 'extents'>): Entry {
  const target = facts.type === 'symlink' ? Buffer.from('../anywhere') : Buffer.alloc(0)
  return { ...facts, path, target, size: facts.type === 'file' ? facts.size : 0, extents: [] }
}

function joinPath(names: readonly Buffer[]): Buffer {
  return Buffer.from(names.map((part) => part.toString('latin1')).join('/'), 'latin1')
}

function key(path: Buffer): string {
  return path.toString('latin1')
}
