import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type PlannedChunk, type PlannedFile, planChunks } from '../../src/snapshot/chunk-plan.ts'
import { CHUNK_BYTES_DEFAULT, MIB } from '../../src/snapshot/limits.ts'
import type { TensorRange } from '../../src/snapshot/safetensors.ts'

const KIB = 1024

function planOf(files: readonly Omit<PlannedFile, 'file'>[], chunkBytes = CHUNK_BYTES_DEFAULT): PlannedChunk[] {
  return [
    ...planChunks(
      files.map((file, number) => ({ ...file, file: number })),
      chunkBytes,
    ),
  ]
}

function file(name: string, size: number, tensors?: readonly TensorRange[]): Omit<PlannedFile, 'file'> {
  return { path: Buffer.from(name), size, ...(tensors === undefined ? {} : { tensors }) }
}

/** Tensors back to back after a header. */
function tensors(headerBytes: number, ...sizes: (readonly [number, TensorRange['element']])[]): TensorRange[] {
  let start = headerBytes
  return sizes.map(([size, element]) => {
    const tensor = { start, end: start + size, element }
    start = tensor.end
    return tensor
  })
}

function startsOf(chunks: readonly PlannedChunk[]): (number | undefined)[] {
  return chunks.map((chunk) => chunk.pieces[0]?.offset)
}

const anyFile = fc
  .tuple(
    fc.stringMatching(/^[a-z]{1,8}$/),
    fc.oneof(fc.constantFrom(0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB), fc.nat(64 * KIB), fc.nat(9 * MIB)),
    fc.array(fc.tuple(fc.nat(3 * MIB), fc.constantFrom('bf16' as const, 'fp32' as const)), { maxLength: 6 }),
    fc.boolean(),
  )
  .map(([name, size, sizes, isSafetensors]) => {
    if (!isSafetensors) return file(name, size)
    const ranges = tensors(500, ...sizes)
    return file(name, ranges.at(-1)?.end ?? 500, ranges)
  })
const anyTree = fc.array(anyFile, { maxLength: 40 })
const anyChunkBytes = fc.oneof(fc.constantFrom(MIB, 8 * MIB, 16 * MIB), fc.integer({ min: MIB, max: 16 * MIB }))

describe('chunk plan', () => {
  it('covers every byte of every file exactly once, in order, within the chunk size', () => {
    fc.assert(
      fc.property(anyTree, anyChunkBytes, (files, chunkBytes) => {
        const reached = files.map(() => 0)
        for (const chunk of planOf(files, chunkBytes)) {
          assert.ok(chunk.rawBytes > 0 && chunk.rawBytes <= chunkBytes)
          assert.equal(
            chunk.pieces.reduce((sum, piece) => sum + piece.length, 0),
            chunk.rawBytes,
          )
          for (const piece of chunk.pieces) {
            assert.ok(piece.length > 0)
            assert.equal(piece.offset, reached[piece.file])
            reached[piece.file] = piece.offset + piece.length
          }
        }
        assert.deepEqual(
          reached,
          files.map(({ size }) => size),
        )
      }),
    )
  })

  it('is the same every time, and depends on paths and sizes only', () => {
    fc.assert(
      fc.property(anyTree, (files) => {
        assert.deepEqual(planOf(files), planOf(files.map((file) => ({ ...file, path: Buffer.from(file.path) }))))
      }),
      { numRuns: 30 },
    )
  })

  it('starts files of 1 MiB and more on a border and never packs them with others', () => {
    fc.assert(
      fc.property(anyTree, anyChunkBytes, (files, chunkBytes) => {
        for (const chunk of planOf(files, chunkBytes)) {
          const large = chunk.pieces.filter((piece) => (files[piece.file]?.size ?? 0) >= MIB)
          assert.ok(large.length === 0 || chunk.pieces.length === 1)
        }
      }),
    )
    const chunks = planOf([file('a', MIB - 1), file('b', 20 * MIB), file('c', 10)])
    assert.deepEqual(
      chunks.filter((chunk) => chunk.pieces[0]?.file === 1).map((chunk) => [chunk.pieces[0]?.offset, chunk.rawBytes]),
      [
        [0, 8 * MIB],
        [8 * MIB, 8 * MIB],
        [16 * MIB, 4 * MIB],
      ],
    )
  })

  it('packs small files in path order and leaves empty ones out', () => {
    const files = Array.from({ length: 40 }, (_, number) => file(`f${100 + number}`, number % 5 === 0 ? 0 : 1000))
    const order = planOf(files).flatMap((chunk) => chunk.pieces.map((piece) => piece.file))
    assert.deepEqual(
      order,
      files.flatMap(({ size }, number) => (size > 0 ? [number] : [])),
    )
  })

  it('closes most packs before they are full, so that borders come from content', () => {
    const files = Array.from({ length: 20_000 }, (_, number) => file(`src/${100_000 + number}.py`, 8 * KIB))
    const packs = planOf(files)
    const full = packs.filter((pack) => pack.rawBytes + 8 * KIB > CHUNK_BYTES_DEFAULT).length
    assert.ok(packs.length > 20 && full * 3 < packs.length, `${full} of ${packs.length} packs are full`)
  })

  it('changes a few packs at most when one small file comes, goes or grows', () => {
    const count = 5000
    const files = Array.from({ length: count }, (_, number) => file(`src/${100_000 + number}.py`, 4 * KIB))
    const packsOf = (list: typeof files): Set<string> =>
      new Set(
        planOf(list).map((chunk) => {
          return chunk.pieces.map(({ file }) => `${list[file]?.path}:${list[file]?.size}`).join()
        }),
      )
    const before = packsOf(files)
    let changed = 0
    let most = 0
    for (let at = 50; at < count; at += 100) {
      const added = files.toSpliced(at, 0, file(`src/${100_000 + at - 1}b.py`, 3000))
      const after = packsOf(added)
      const lost = [...before].filter((pack) => !after.has(pack)).length
      changed += lost
      most = Math.max(most, lost)
    }
    assert.ok(before.size >= 5)
    assert.ok(changed / 50 <= 2 && most <= 4, `${changed / 50} packs on average, ${most} at most, of ${before.size}`)
  })

  it('starts a chunk at every tensor of 1 MiB and more, with its element type', () => {
    const sizes = [
      [2 * MIB, 'bf16'],
      [MIB, 'fp32'],
      [9 * MIB, 'bf16'],
    ] as const
    const ranges = tensors(1000, ...sizes)
    const chunks = planOf([file('w.safetensors', 1000 + 12 * MIB, ranges)])
    assert.deepEqual(
      chunks.map((chunk) => [chunk.pieces[0]?.offset, chunk.rawBytes, chunk.element]),
      [
        [0, 1000, 'bytes'],
        [1000, 2 * MIB, 'bf16'],
        [1000 + 2 * MIB, MIB, 'fp32'],
        [1000 + 3 * MIB, 8 * MIB, 'bf16'],
        [1000 + 11 * MIB, MIB, 'bf16'],
      ],
    )
  })

  it('lets runs of smaller tensors share chunks, of a known type where all agree', () => {
    const ranges = tensors(
      100,
      [10, 'bf16'],
      [20, 'bf16'],
      [MIB, 'fp32'],
      [30, 'bf16'],
      [0, 'fp32'],
      [40, 'fp32'],
      [9, 'bf16'],
    )
    const chunks = planOf([file('w', 100 + 109 + MIB, ranges)])
    assert.deepEqual(
      chunks.map((chunk) => [chunk.rawBytes, chunk.element]),
      [
        [100, 'bytes'],
        [30, 'bf16'],
        [MIB, 'fp32'],
        [79, 'unknown'],
      ],
    )
  })

  it('cuts the same tensor bytes when the header grows', () => {
    const sizes = [
      [500, 'bf16'],
      [3 * MIB, 'bf16'],
      [700, 'fp32'],
      [12 * MIB, 'fp32'],
    ] as const
    const [small, large] = [1000, 5555].map((headerBytes) => {
      const ranges = tensors(headerBytes, ...sizes)
      const chunks = planOf([file('w', ranges.at(-1)?.end ?? 0, ranges)]).slice(1)
      return chunks.map((chunk) => [(chunk.pieces[0]?.offset ?? 0) - headerBytes, chunk.rawBytes, chunk.element])
    })
    assert.deepEqual(large, small)
  })

  it('treats a file like any other when its tensors do not reach its end', () => {
    const plain = planOf([file('w', 9 * MIB)])
    assert.deepEqual(planOf([file('w', 9 * MIB, tensors(100, [2 * MIB, 'bf16']))]), plain)
    assert.deepEqual(planOf([file('w', 9 * MIB, [])]), plain)
    assert.deepEqual(startsOf(plain), [0, 8 * MIB])
  })

  it('keeps within chunks smaller than a large file, too', () => {
    for (const chunk of planOf([file('a', 5000), file('b', 300), file('c', 900_000)], 4096)) {
      assert.ok(chunk.rawBytes <= 4096)
    }
  })
})
