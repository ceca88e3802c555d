// Writes protocols/vectors/manifest/. Run: node test/interop/manifest-make-vectors.ts [--overwrite]
// Without --overwrite only vectors that do not exist yet are written.

import { zstdCompressSync } from 'node:zlib'
import type * as wire from '../../src/generated/manifest_pb.ts'
import { ChunkTable, type Entry, EntryTable } from '../../src/snapshot/manifest.ts'
import { encodeHead, encodeParts, type StoredPart } from '../../src/snapshot/manifest-codec.ts'
import {
  bytes,
  chunkPart,
  DIRECTORY,
  ENTRIES,
  type EntryInit,
  entryPart,
  FILE,
  type Forgery,
  forge,
  SYMLINK,
  withTag,
} from '../support/forged-manifest.ts'
import { sampleId } from '../support/snapshot-samples.ts'
import { type VectorEntry, writeVectors } from './vector-files.ts'

type Vector = VectorEntry & { readonly content: unknown }

const MIB = 1024 * 1024

function good(name: string, about: string, chunks: ChunkTable, entries: EntryTable, chunkBytesMax = 8 * MIB): Vector {
  const parts: StoredPart[] = []
  for (const part of encodeParts(chunks, entries)) parts.push({ ...part, stored: zstdCompressSync(part.message) })
  const { head, root } = encodeHead(chunks, entries, chunkBytesMax, parts)
  const content = {
    root,
    head: hex(head),
    parts: parts.map((part) => hex(part.stored)),
    content: {
      chunkBytesMax,
      chunks: Array.from({ length: chunks.count }, (_, index) => chunks.get(index)),
      entries: Array.from({ length: entries.count }, (_, index) => {
        const entry = entries.get(index)
        return { ...entry, path: hex(entry.path), target: hex(entry.target) }
      }),
    },
  }
  return { name, about, expect: 'good', content }
}

function bad(name: string, about: string, forgery: Forgery, expect: VectorEntry['expect'] = 'integrity'): Vector {
  const { head, root, stored } = forge(forgery)
  return { name, about, expect, content: { root, head: hex(head), parts: stored.map(hex) } }
}

function withEntry(entry: EntryInit): Forgery {
  return { entries: [...ENTRIES, { path: bytes('x'), type: FILE, ...entry }] }
}

function goodVectors(): Vector[] {
  const entry = {
    mode: 0o644,
    mtimeSeconds: 1_700_000_000,
    mtimeNanos: 0,
    size: 0,
    target: Buffer.alloc(0),
    extents: [],
  }
  const directory = (path: string): Entry => ({ ...entry, type: 'directory', mode: 0o755, path: Buffer.from(path) })

  const chunks = new ChunkTable()
  const chunk = { rawBytes: 8 * MIB, encodedBytes: 5_566_000, codec: 'ans', element: 'bf16' } as const
  chunks.push({ ...chunk, id: sampleId(1), rawHash: sampleId(2) })
  chunks.push({ ...chunk, id: sampleId(3), rawHash: sampleId(4), rawBytes: MIB, encodedBytes: MIB + 80, codec: 'raw' })
  chunks.push({
    id: sampleId(5),
    rawHash: sampleId(6),
    rawBytes: 300,
    encodedBytes: 120,
    codec: 'zstd',
    element: 'bytes',
  })
  const entries = new EntryTable()
  entries.push({
    ...entry,
    type: 'file',
    path: Buffer.from('-rf'),
    mode: 0o4755,
    mtimeSeconds: -1,
    mtimeNanos: 999_999_999,
  })
  entries.push(directory('code'))
  const packed = (offset: number, length: number): Partial<Entry> => ({
    size: length,
    extents: [{ firstChunk: 2, offset, length }],
  })
  entries.push({ ...entry, ...packed(0, 100), type: 'file', path: Buffer.from('code/caf\u00e9.py') })
  entries.push({ ...entry, ...packed(100, 200), type: 'file', path: Buffer.from('code/line\nfeed') })
  entries.push(directory('empty'))
  entries.push({
    ...entry,
    type: 'symlink',
    path: Buffer.from('link'),
    mode: 0o777,
    target: Buffer.from('../elsewhere'),
  })
  const both = [{ firstChunk: 0, offset: 0, length: 9 * MIB }]
  entries.push({ ...entry, type: 'file', path: Buffer.from('weights'), size: 9 * MIB, extents: both })
  const twice = [{ firstChunk: 0, offset: 4096, length: 1 }, ...both]
  entries.push({ ...entry, type: 'file', path: Buffer.from([0xff, 0xfe]), size: 9 * MIB + 1, extents: twice })

  const fastChunks = new ChunkTable()
  fastChunks.push({ ...chunk, id: sampleId(1), rawHash: sampleId(2), codec: 'ans-fast' })
  const fastEntries = new EntryTable()
  const whole = [{ firstChunk: 0, offset: 0, length: 8 * MIB }]
  fastEntries.push({ ...entry, type: 'file', path: Buffer.from('weights'), size: 8 * MIB, extents: whole })

  return [
    good('empty', 'no files at all', new ChunkTable(), new EntryTable()),
    good('codec-ans-fast', 'one file of one chunk that ans encoded at level 1', fastChunks, fastEntries),
    good('tree', 'every type of entry, odd names, packed files, shared chunks, a time before 1970', chunks, entries),
  ]
}

function badVectors(): Vector[] {
  const parts = [chunkPart(), entryPart(ENTRIES)]
  const [chunkRun, entryRun] = [chunkPart(), entryPart(ENTRIES)]
  const utf8 = (text: string): EntryInit => ({ path: Buffer.from(text), type: FILE })
  const id = Buffer.from(sampleId(1), 'hex')
  const newer = 'unsupportedVersion'
  const cut = forge({})
  return [
    {
      ...bad('wrong-root', 'the head does not hash to the root', {}),
      content: { ...contentOf(cut), root: sampleId(9) },
    },
    bad('version-1', 'a manifest of a later version', { head: { version: 1 } }, newer),
    bad(
      'field-in-chunk-part',
      'a field that version 0 has not',
      { parts: [{ ...chunkRun, message: withTag(chunkRun.message, 7) }, entryRun] },
      newer,
    ),
    bad('codec-4', 'a codec that version 0 has not', { chunks: { codecs: [1, 4 as wire.ChunkCodec] } }, newer),
    bad('path-dotdot', 'a path that leads upwards', withEntry({ path: bytes('x/../../y') })),
    bad('path-absolute', 'an absolute path', withEntry({ path: bytes('/etc/x') })),
    bad('path-backslash', '.. between backslashes', withEntry({ path: bytes('x\\..\\y') })),
    bad('path-drive', 'an absolute path of another system', withEntry({ path: bytes('C:\\x') })),
    bad('path-nul', 'a NUL byte', withEntry({ path: bytes('x\0y') })),
    bad('path-state', 'a path in the state directory', {
      entries: [{ path: bytes('.swarm'), type: DIRECTORY }, ...ENTRIES],
    }),
    bad('path-twice', 'the same path twice', withEntry({ path: bytes('w') })),
    bad('path-order', 'paths out of order', withEntry({ path: bytes('c') })),
    bad('path-orphan', 'a file in a directory that is not listed', withEntry({ path: bytes('x/y') })),
    bad('path-in-link', 'a file below a symbolic link', {
      entries: [
        { path: bytes('d'), type: SYMLINK, target: bytes('/etc') },
        { path: bytes('d/x'), type: FILE },
      ],
    }),
    bad('path-twins', 'two spellings of one name', {
      entries: [...ENTRIES, utf8('xe\u0301'), utf8('x\u00e9')],
      head: { fileCount: 3n },
    }),
    bad('size', 'a file larger than its extents', withEntry({ size: 1n })),
    bad('extent-empty', 'an extent without bytes', withEntry({ extents: [{ firstChunk: 1 }] })),
    bad(
      'extent-end',
      'an extent past the last chunk',
      withEntry({ size: 51n, extents: [{ firstChunk: 1, length: 51n }] }),
    ),
    bad(
      'extent-chunk',
      'an extent in a chunk that is not there',
      withEntry({ size: 1n, extents: [{ firstChunk: 2, length: 1n }] }),
    ),
    bad('chunk-orphan', 'a chunk with bytes that no file has', {
      entries: [{ path: bytes('w'), type: FILE, size: 149n, extents: [{ length: 149n }] }],
      head: { rawBytes: 149n },
    }),
    bad('chunk-twice', 'the same chunk id twice', { chunks: { ids: Buffer.concat([id, id]) } }),
    bad('chunk-empty', 'a chunk without bytes', { chunks: { rawBytes: [0, 50] } }),
    bad('chunk-encoded', 'an encoded size that no encoder gives', { chunks: { encodedBytes: [100 + 65_537, 60] } }),
    bad('totals', 'a head whose totals are wrong', { head: { rawBytes: 151n } }),
    bad('count', 'a million entries in a few bytes', { parts: [chunkRun, { ...entryRun, count: 1_000_000 }] }),
    bad('part-size', 'a part of another size than the head says', {
      parts: [chunkRun, { ...entryRun, messageBytes: 500 }],
    }),
    bad('part-order', 'an entry part before a chunk part', { parts: parts.toReversed() }),
    bad('canonical-zero', 'a default value that is written out', {
      parts: [
        chunkRun,
        {
          ...entryRun,
          count: 3,
          message: Buffer.concat([bytes('\x0a\x07\x0a\x01a\x10\x02\x18\x00'), entryRun.message]),
        },
      ],
    }),
    bad('canonical-length', 'a length in more bytes than it needs', {
      parts: [
        chunkRun,
        { ...entryRun, count: 3, message: Buffer.concat([bytes('\x0a\x85\x00\x0a\x01a\x10\x02'), entryRun.message]) },
      ],
    }),
  ]
}

function contentOf({ head, root, stored }: ReturnType<typeof forge>): { root: string; head: string; parts: string[] } {
  return { root, head: hex(head), parts: stored.map(hex) }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

const written = writeVectors('manifest', [...goodVectors(), ...badVectors()], process.argv.includes('--overwrite'))
console.log(`wrote ${written.length} vectors: ${written.join(' ')}`)
