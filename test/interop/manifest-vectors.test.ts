import assert from 'node:assert/strict'
import { zstdDecompressSync } from 'node:zlib'
import { isSwarmError } from '../../src/base/errors.ts'
import { hashToId } from '../../src/base/hash.ts'
import { objectId } from '../../src/base/ids.ts'
import { PART_MESSAGE_BYTES_MAX } from '../../src/snapshot/limits.ts'
import { ManifestReader } from '../../src/snapshot/manifest-codec.ts'
import { readPlainManifest } from './plain-manifest.ts'
import { listVectorFiles, readVectorFile, readVectorIndex } from './vector-files.ts'

interface ManifestVector {
  readonly root: string
  readonly head: string
  readonly parts: readonly string[]
  readonly content?: { readonly chunkBytesMax: number; readonly chunks: unknown[]; readonly entries: unknown[] }
}

const index = readVectorIndex('manifest')

/** As a joiner reads a manifest: hash of the head, hash of each stored part, decompression under a limit, rules. */
function read(vector: ManifestVector): ManifestVector['content'] {
  const reader = new ManifestReader(Buffer.from(vector.head, 'hex'), objectId(vector.root))
  assert.equal(vector.parts.length, reader.parts.length)
  reader.parts.forEach((part, number) => {
    const stored = Buffer.from(vector.parts[number] ?? '', 'hex')
    assert.equal(hashToId(stored), part.id)
    reader.addPart(zstdDecompressSync(stored, { maxOutputLength: PART_MESSAGE_BYTES_MAX }))
  })
  const { chunkBytesMax, chunks, entries } = reader.finish()
  return {
    chunkBytesMax,
    chunks: Array.from({ length: chunks.count }, (_, row) => chunks.get(row)),
    entries: Array.from({ length: entries.count }, (_, row) => {
      const entry = entries.get(row)
      return { ...entry, path: entry.path.toString('hex'), target: entry.target.toString('hex') }
    }),
  }
}

describe('manifest vectors', () => {
  it('are exactly those of the index, good ones and bad ones', () => {
    assert.deepEqual(listVectorFiles('manifest'), index.map(({ name }) => name).sort())
    assert.ok(index.filter(({ expect }) => expect === 'good').length >= 2)
    assert.ok(index.filter(({ expect }) => expect !== 'good').length >= 20)
  })

  for (const { name, about, expect } of index) {
    const vector = readVectorFile<ManifestVector>('manifest', name)
    if (expect === 'good') {
      it(`read ${name}: ${about}`, () => {
        assert.deepEqual(read(vector), vector.content)
      })

      it(`read ${name} with the plain reader, too`, () => {
        const head = Buffer.from(vector.head, 'hex')
        const plain = readPlainManifest(
          head,
          vector.parts.map((part) => Buffer.from(part, 'hex')),
        )
        const { totals, ...content } = plain
        assert.deepEqual(content, vector.content)
        assert.deepEqual([totals.entries, totals.chunks], [content.entries.length, content.chunks.length])
        assert.equal(hashToId(head), vector.root)
      })
    } else {
      it(`refuse ${name} with ${expect}: ${about}`, () => {
        assert.throws(
          () => read(vector),
          (error) => isSwarmError(error) && error.code === expect,
        )
      })
    }
  }
})
