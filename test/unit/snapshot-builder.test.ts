import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Slab, SlabPool } from '../../src/base/slab-pool.ts'
import type { Codec } from '../../src/codec/codec.ts'
import { openFileSystemCalls } from '../../src/codec/file-system-calls.ts'
import { openNativeCodec } from '../../src/codec/native-codec.ts'
import { type BuildInit, buildSnapshot } from '../../src/node/snapshot-builder.ts'
import { SourceTree } from '../../src/node/source-tree.ts'
import type { Chunk } from '../../src/snapshot/manifest.ts'

const MIB = 1024 * 1024
const CHUNKS = 6
const signal = new AbortController().signal

/** Knows how much memory was ever in use, by the size that was asked for. */
class CountedSlabs extends SlabPool {
  readonly memories = new Map<number, Set<ArrayBufferLike>>()

  override take(length: number): Slab {
    const slab = super.take(length)
    const seen = this.memories.get(length) ?? new Set()
    this.memories.set(length, seen.add(slab.bytes.buffer))
    return slab
  }
}

describe('a snapshot that is built', () => {
  let root = ''
  let codec: Codec
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'swarm-snapshot-builder-'))
    for (let file = 0; file < CHUNKS; file++) writeFileSync(join(root, `file-${file}`), randomBytes(MIB))
    codec = openNativeCodec({ threads: 1 })
  })
  after(async () => {
    await codec.close()
    rmSync(root, { recursive: true, force: true })
  })

  async function build(slabs: SlabPool, change: Partial<BuildInit>) {
    return buildSnapshot({
      tree: await SourceTree.list(root, openFileSystemCalls(), signal),
      codec,
      slabs,
      chunkBytes: MIB,
      options: { codec: 'raw', zstdLevel: 1 },
      concurrency: CHUNKS,
      findKnown: () => undefined,
      take: async () => undefined,
      signal,
      ...change,
    })
  }

  /** The codec, with another way to encode. */
  function encodingWith(encode: Codec['encode']): Codec {
    return Object.create(codec, {
      status: { value: codec.status },
      maxEncodedBytes: { value: (rawBytes: number) => codec.maxEncodedBytes(rawBytes) },
      inspect: { value: (encoded: Uint8Array) => codec.inspect(encoded) },
      encode: { value: encode },
    })
  }

  /** Resolves for all when as many have come as there are chunks. */
  function meeting(): () => Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    let come = 0
    return () => {
      if (++come === CHUNKS) resolve()
      return promise
    }
  }

  it('hands on many chunks at a time, and encodes one more than the codec has threads', async () => {
    let encoding = 0
    let most = 0
    const counted = encodingWith(async (...args) => {
      most = Math.max(most, ++encoding)
      return await codec.encode(...args).finally(() => encoding--)
    })
    const slabs = new CountedSlabs(64 * MIB)
    const allTaken = meeting()
    const { manifest } = await build(slabs, { codec: counted, take: allTaken })
    assert.equal(manifest.chunks.count, CHUNKS)
    assert.ok(most <= 2, `${most} at a time`)
    const rawBuffers = slabs.memories.get(MIB)?.size ?? 0
    assert.ok(rawBuffers <= 2, `${rawBuffers} buffers of raw bytes`)
    assert.equal(slabs.memories.get(codec.maxEncodedBytes(MIB))?.size, CHUNKS)
  })

  it('looks for many known chunks at a time, and encodes those that are gone', async () => {
    const first = await build(new SlabPool(0), {})
    const byHash = new Map<string, Chunk>()
    for (let index = 0; index < CHUNKS; index++)
      byHash.set(first.manifest.chunks.rawHash(index), first.manifest.chunks.get(index))
    const gone = first.manifest.chunks.rawHash(2)
    const allLooked = meeting()
    const taken: [boolean, Chunk][] = []
    const second = await build(new SlabPool(0), {
      findKnown: (rawHash) => allLooked().then(() => (rawHash === gone ? undefined : byHash.get(rawHash))),
      take: async (chunk, encoded) => {
        taken.push([encoded !== undefined, chunk])
      },
    })
    assert.equal(second.root, first.root)
    assert.deepEqual(
      taken.filter(([isNew]) => isNew).map(([, { rawHash }]) => rawHash),
      [gone],
    )
    assert.equal(taken.length, CHUNKS)
  })

  it('begins no chunk that waited for its turn when it was ended', async () => {
    const end = new AbortController()
    let encoded = 0
    const ending = encodingWith((...args) => {
      encoded++
      end.abort()
      return codec.encode(...args)
    })
    await assert.rejects(build(new SlabPool(0), { codec: ending, signal: end.signal }), { name: 'AbortError' })
    assert.ok(encoded <= 2, `${encoded} encoded`)
  })

  it('ends with the error of a chunk that could not be encoded or handed on, and no other', async () => {
    const failure = new Error('refused')
    await assert.rejects(build(new SlabPool(0), { take: () => Promise.reject(failure) }), failure)
    const broken = encodingWith(() => Promise.reject(failure))
    await assert.rejects(build(new SlabPool(0), { codec: broken }), failure)
    await assert.rejects(build(new SlabPool(0), { findKnown: () => Promise.reject(failure) }), failure)
  })
})
