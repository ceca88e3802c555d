import assert from 'node:assert/strict'
import fc from 'fast-check'
import { ChunkPlaces } from '../../src/snapshot/chunk-places.ts'
import { ChunkTable, EntryTable, type Extent, type Manifest, slicesOf } from '../../src/snapshot/manifest.ts'
import { sampleId, sampleTree } from '../support/snapshot-samples.ts'

/** A manifest with chunks of the given sizes and one file for each list of extents. */
function manifestOf(chunkSizes: readonly number[], files: readonly (readonly Extent[])[]): Manifest {
  const chunks = new ChunkTable()
  chunkSizes.forEach((rawBytes, index) => {
    const facts = { rawBytes, encodedBytes: rawBytes, codec: 'raw', element: 'bytes' } as const
    chunks.push({ id: sampleId(2 * index), rawHash: sampleId(2 * index + 1), ...facts })
  })
  const entries = new EntryTable()
  const facts = { type: 'file', mode: 0, mtimeSeconds: 0, mtimeNanos: 0, target: Buffer.alloc(0) } as const
  files.forEach((extents, index) => {
    const size = extents.reduce((sum, extent) => sum + extent.length, 0)
    entries.push({ ...facts, path: Buffer.from(`f${index}`), size, extents })
  })
  return { root: sampleId(0), chunkBytesMax: 8192, chunks, entries, rawBytes: 0, encodedBytes: 0 }
}

const anyPlaces = fc.array(fc.tuple(fc.nat(99), fc.integer({ min: 1, max: 100 })), { maxLength: 30 })

describe('chunk places', () => {
  it('holds every slice of every file, in path order, whether or not chunks are shared', () => {
    fc.assert(
      fc.property(sampleTree, ({ chunks, entries, chunkBytes }) => {
        const manifest = { root: sampleId(0), chunkBytesMax: chunkBytes, chunks, entries, rawBytes: 0, encodedBytes: 0 }
        const places = new ChunkPlaces(manifest)
        const expected = Array.from({ length: chunks.count }, () => [] as unknown[])
        let total = 0
        for (let entry = 0; entry < entries.count; entry++) {
          for (const { chunk, ...slice } of slicesOf(entries.extents(entry), (index) => chunks.rawBytes(index))) {
            expected[chunk]?.push({ entry, ...slice })
            total++
          }
        }
        for (let chunk = 0; chunk < chunks.count; chunk++) {
          const found = places.of(chunk)
          assert.deepEqual(
            found.map(({ row, ...place }) => place),
            expected[chunk],
          )
          assert.equal(places.count(chunk), found.length)
          assert.ok(places.isCovered(chunk, chunks.rawBytes(chunk)))
        }
        assert.equal(places.total, total)
      }),
    )
  })

  it('numbers the places of all chunks without gaps', () => {
    fc.assert(
      fc.property(sampleTree, (tree) => {
        const manifest = { ...tree, root: sampleId(0), chunkBytesMax: tree.chunkBytes, rawBytes: 0, encodedBytes: 0 }
        const places = new ChunkPlaces(manifest)
        const rows = Array.from({ length: tree.chunks.count }, (_, chunk) => places.of(chunk).map(({ row }) => row))
        assert.deepEqual(
          rows.flat(),
          Array.from({ length: places.total }, (_, row) => row),
        )
      }),
      { numRuns: 30 },
    )
  })

  it('covers a chunk once, in raw order, exactly when its bytes all lie in files', () => {
    fc.assert(
      fc.property(anyPlaces, (ranges) => {
        const cut = ranges.map(([offset, length]) => ({ offset, length: Math.min(length, 100 - offset) }))
        const manifest = manifestOf(
          [100],
          cut.map((range) => [{ firstChunk: 0, ...range }]),
        )
        const places = new ChunkPlaces(manifest)
        const held = new Set(cut.flatMap(({ offset, length }) => Array.from({ length }, (_, step) => offset + step)))
        const cover = places.covering(0, 100)
        assert.equal(cover !== undefined, held.size === 100)
        assert.equal(places.isCovered(0, 100), held.size === 100)
        let reached = 0
        for (const place of cover ?? []) {
          assert.equal(place.rawOffset, reached)
          reached += place.length
          const whole = places.of(0).find(({ row }) => row === place.row)
          assert.ok(whole !== undefined && place.length > 0)
          assert.equal(place.entry, whole.entry)
          assert.equal(place.fileOffset - whole.fileOffset, place.rawOffset - whole.rawOffset)
          assert.ok(place.rawOffset + place.length <= whole.rawOffset + whole.length)
        }
        if (cover !== undefined) assert.equal(reached, 100)
      }),
      { numRuns: 500 },
    )
  })

  it('prefers the first file that holds the whole chunk', () => {
    const whole = { firstChunk: 0, offset: 0, length: 100 }
    const half = { firstChunk: 0, offset: 0, length: 50 }
    const places = new ChunkPlaces(manifestOf([100], [[half], [whole], [whole]]))
    assert.deepEqual(places.covering(0, 100), [{ row: 1, entry: 1, fileOffset: 0, rawOffset: 0, length: 100 }])
  })

  it('follows an extent over several chunks into one file', () => {
    const places = new ChunkPlaces(manifestOf([10, 20, 5], [[{ firstChunk: 0, offset: 0, length: 35 }]]))
    assert.deepEqual(places.of(1), [{ row: 1, entry: 0, fileOffset: 10, rawOffset: 0, length: 20 }])
    assert.deepEqual(places.of(2), [{ row: 2, entry: 0, fileOffset: 30, rawOffset: 0, length: 5 }])
  })

  it('counts repeats of one chunk in one file, as a sparse file has them', () => {
    const zeros = { firstChunk: 0, offset: 0, length: 10 }
    const places = new ChunkPlaces(manifestOf([10], [Array<Extent>(1000).fill(zeros)]))
    assert.equal(places.count(0), 1000)
    assert.equal(places.of(0).at(-1)?.fileOffset, 9990)
    assert.equal(places.covering(0, 10)?.length, 1)
  })
})
