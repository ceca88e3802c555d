import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isSwarmError } from '../../src/base/errors.ts'
import { objectId } from '../../src/base/ids.ts'
import { ChunkTable, EntryTable, slicesOf } from '../../src/snapshot/manifest.ts'
import { encodeParts, ManifestReader } from '../../src/snapshot/manifest-codec.ts'
import { encodeManifest, readManifest, type SampleTree, sampleId, sampleTree } from '../support/snapshot-samples.ts'

const messagesOf = (encoded: ReturnType<typeof encodeManifest>): Uint8Array[] =>
  encoded.parts.map((part) => part.message)

function contentOf({ chunks, entries }: Pick<SampleTree, 'chunks' | 'entries'>): unknown {
  return {
    chunks: Array.from({ length: chunks.count }, (_, index) => chunks.get(index)),
    entries: Array.from({ length: entries.count }, (_, index) => entries.get(index)),
  }
}

/** Runs what reads a stranger's bytes; returns whether they were refused, in one of the two ways that are allowed. */
function isRefused(run: () => unknown): boolean {
  try {
    run()
    return false
  } catch (error) {
    assert.ok(isSwarmError(error), `${error instanceof Error ? error.stack : error}`)
    assert.ok(error.code === 'integrity' || error.code === 'unsupportedVersion', error.code)
    return true
  }
}

function assertRefused(run: () => unknown): void {
  assert.ok(isRefused(run), 'accepted')
}

const EMPTY: SampleTree = { chunks: new ChunkTable(), entries: new EntryTable(), chunkBytes: 4096 }

describe('manifest', () => {
  it('reads back every tree that it wrote', () => {
    fc.assert(
      fc.property(sampleTree, (tree) => {
        const encoded = encodeManifest(tree)
        const read = readManifest(encoded.head, encoded.root, messagesOf(encoded))
        assert.deepEqual(contentOf(read), contentOf(tree))
        assert.equal(read.root, encoded.root)
        assert.equal(read.chunkBytesMax, tree.chunkBytes)
        assert.equal(read.entries.fileCount, tree.entries.fileCount)
      }),
    )
  })

  it('gives one tree one root', () => {
    fc.assert(
      fc.property(sampleTree, (tree) => {
        const first = encodeManifest(tree)
        const read = readManifest(first.head, first.root, messagesOf(first))
        const second = encodeManifest({ ...read, chunkBytes: read.chunkBytesMax })
        assert.equal(second.root, first.root)
        assert.deepEqual(messagesOf(second), messagesOf(first))
      }),
    )
  })

  it('round-trips a snapshot without files (M12)', () => {
    const encoded = encodeManifest(EMPTY)
    const read = readManifest(encoded.head, encoded.root, [])
    assert.deepEqual([read.entries.count, read.chunks.count, read.rawBytes, read.encodedBytes], [0, 0, 0, 0])
  })

  it('finds entries by path', () => {
    fc.assert(
      fc.property(sampleTree, ({ entries }) => {
        for (let index = 0; index < entries.count; index++) assert.equal(entries.find(entries.path(index)), index)
        assert.equal(entries.find(Buffer.from('not there')), undefined)
      }),
    )
  })

  it('refuses a head that does not hash to the root (M8)', () => {
    const encoded = encodeManifest(EMPTY)
    assertRefused(() => new ManifestReader(encoded.head, objectId('00'.repeat(32))))
  })

  // A part's own hash catches its changes before this code sees them. Behind the hash a change must still do no harm:
  // it may read as another valid manifest, for example with another mode.
  it('meets any change of a byte of a head or a part with a SwarmError or not at all (M15)', () => {
    const sample = fc.tuple(sampleTree, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean())
    fc.assert(
      fc.property(sample, ([tree, at, flip, inHead]) => {
        const encoded = encodeManifest(tree)
        const messages = messagesOf(encoded)
        const victim = inHead ? encoded.head : messages[at % Math.max(messages.length, 1)]
        if (victim === undefined) return
        const position = at % victim.length
        victim[position] = (victim[position] ?? 0) ^ flip
        if (inHead) assertRefused(() => readManifest(victim, encoded.root, messages))
        else isRefused(() => readManifest(encoded.head, encoded.root, messages))
      }),
      { numRuns: 1000 },
    )
  })

  it('refuses heads and parts that are cut off or followed by garbage (M15)', () => {
    fc.assert(
      fc.property(sampleTree, fc.nat(), fc.uint8Array({ maxLength: 8 }), (tree, cut, tail) => {
        const encoded = encodeManifest(tree)
        const messages = messagesOf(encoded)
        const shorter = (bytes: Uint8Array): Uint8Array =>
          tail.length > 0 ? Buffer.concat([bytes, tail]) : bytes.subarray(0, cut % bytes.length)
        assertRefused(() => readManifest(shorter(encoded.head), encoded.root, messages))
        messages.forEach((message, part) => {
          assertRefused(() => readManifest(encoded.head, encoded.root, messages.with(part, shorter(message))))
        })
        if (messages.length === 0) return
        assertRefused(() => readManifest(encoded.head, encoded.root, messages.slice(1)))
        assertRefused(() => readManifest(encoded.head, encoded.root, [...messages, new Uint8Array(1)]))
      }),
    )
  })

  it('starts a new part before the entry that would make one too long', () => {
    const entries = new EntryTable()
    const facts = { mode: 0o755, mtimeSeconds: 0, mtimeNanos: 0, size: 0, extents: [] }
    for (let number = 100_000; number < 100_600; number++) {
      const target = Buffer.alloc(4095, 'x')
      entries.push({ ...facts, type: 'symlink', path: Buffer.from(`link-${number}`), target })
    }
    const tree = { ...EMPTY, entries }
    const encoded = encodeManifest(tree)
    assert.equal(encoded.parts.length, 2)
    for (const part of encoded.parts) assert.ok(part.message.length <= 2 * 1024 * 1024)
    const read = readManifest(encoded.head, encoded.root, messagesOf(encoded))
    assert.deepEqual(contentOf(read), contentOf(tree))
  })

  it('writes no file that lies in more runs of chunks than a reader takes', () => {
    const entries = new EntryTable()
    const extents = Array.from({ length: 262_145 }, () => ({ firstChunk: 0, offset: 0, length: 1 }))
    const facts = { type: 'file' as const, mode: 0, mtimeSeconds: 0, mtimeNanos: 0, target: Buffer.alloc(0) }
    entries.push({ ...facts, path: Buffer.from('sparse'), size: extents.length, extents })
    assert.throws(
      () => [...encodeParts(EMPTY.chunks, entries)],
      (error) => isSwarmError(error) && error.code === 'usage',
    )
  })

  it('cuts extents at the borders of chunks, in file order', () => {
    const slices = [
      ...slicesOf(
        [
          { firstChunk: 1, offset: 3, length: 12 },
          { firstChunk: 0, offset: 0, length: 2 },
        ],
        (chunk) => [5, 10, 10][chunk] ?? 0,
      ),
    ]
    assert.deepEqual(slices, [
      { chunk: 1, rawOffset: 3, fileOffset: 0, length: 7 },
      { chunk: 2, rawOffset: 0, fileOffset: 7, length: 5 },
      { chunk: 0, rawOffset: 0, fileOffset: 12, length: 2 },
    ])
  })

  it('keeps the columns of a chunk apart', () => {
    const chunks = new ChunkTable()
    const chunk = { id: sampleId(1), rawHash: sampleId(2), rawBytes: 3, encodedBytes: 4 }
    chunks.push({ ...chunk, codec: 'zstd', element: 'fp32' })
    assert.deepEqual(chunks.get(0), { ...chunk, codec: 'zstd', element: 'fp32' })
    assert.deepEqual([chunks.id(0), chunks.rawHash(0), chunks.encodedBytes(0)], [chunk.id, chunk.rawHash, 4])
  })
})
