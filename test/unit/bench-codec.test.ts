// `swarm bench codec` on samples so small that its figures mean nothing: which rows there are, and what they hold.

import assert from 'node:assert/strict'
import { codecThreadCount } from '../../src/codec/cpu-quota.ts'
import { availableCodecPaths, findGpus } from '../../src/codec/native-codec.ts'
import { type BenchRow, benchCodec } from '../../src/node/bench-codec.ts'
import { openLz4 } from '../../src/node/bench-rivals.ts'
import { makeBenchSamples } from '../../src/node/bench-samples.ts'
import type { ScalingRow } from '../../src/node/bench-scaling.ts'
import { requires } from '../support/prerequisites.ts'

const ELEMENTS = ['bf16', 'fp16', 'fp16-from-bf16', 'fp32', 'fp32-from-bf16', 'fp8', 'int8', 'text']
const SAMPLE_BYTES = 256 * 1024

describe('bench codec', () => {
  it('measures every available path and rival on every kind of data', async () => {
    const rows: BenchRow[] = []
    const scaled: ScalingRow[] = []
    const missing: string[] = []
    const { signal } = new AbortController()
    await benchCodec({
      sampleBytes: SAMPLE_BYTES,
      repetitions: 1,
      found: (row) => rows.push(row),
      scaled: (row) => scaled.push(row),
      skipped: (path) => missing.push(path),
      signal,
    })
    const lz4 = openLz4() === undefined ? [] : ['lz4']
    const hasGpu = findGpus().names.length > 0
    assert.deepEqual(missing, [...(lz4.length === 0 ? ['lz4'] : []), ...(hasGpu ? [] : ['cuda'])])
    assert.ok(lz4.length > 0 || !requires('lz4'), 'SWARM_TEST_REQUIRE names lz4, but there is no lz4 library here')
    const own = availableCodecPaths().filter((path) => path !== 'host-warp')
    const rivals = ['zstd-1 zstd', 'zstd-3 zstd', 'zstd-19 zstd', ...lz4.map(() => 'lz4 lz4'), 'memcpy none']
    const expected = ELEMENTS.flatMap((element) => [
      ...own.map((path) => `${element} ${path} ${['fp8', 'int8', 'text'].includes(element) ? 'zstd' : 'ans'}`),
      ...(element === 'bf16' ? own.map((path) => `bf16 ${path} ans-fast`) : []),
      ...rivals.map((rival) => `${element} ${rival}`),
    ])
    const names = rows
      .filter(({ path, threads }) => threads === 1 && path !== 'cuda')
      .map((row) => `${row.element} ${row.path} ${row.codec}`)
    assert.deepEqual(names.sort(), expected.sort())
    const threads = codecThreadCount()
    const machine = ['memcpy null', 'arithmetic null']
    const gains = threads === 1 ? [] : [`${own[0]} ans`, `${own[0]} ans-fast`, ...machine]
    assert.deepEqual(
      scaled.map(({ path, codec }) => `${path} ${codec}`),
      gains,
    )
    for (const row of scaled) assert.ok(row.threads === threads && row.encode > 0 && row.decode > 0)
    for (const row of rows) {
      assert.ok(row.encodeGBps > 0 && row.decodeGBps > 0 && row.bytes > 0)
      for (const perCpu of [row.encodeCpuGBps, row.decodeCpuGBps]) assert.ok(perCpu === null || perCpu > 0)
      const [least, most] = row.codec === 'ans-fast' ? [0.8, 1] : [0.9, 1.1]
      assert.ok(
        row.entropyShare === null || (row.entropyShare > least && row.entropyShare < most),
        `${row.entropyShare}`,
      )
    }
    for (const codec of ['ans', 'ans-fast']) {
      const ratios = new Set(
        rows.filter((row) => row.codec === codec && row.element === 'bf16').map(({ ratio }) => ratio),
      )
      assert.equal(ratios.size, 1, 'all paths make the same bytes')
    }
  })

  it('measures lz4 as the library itself: one block, which it can read back', function () {
    const library = openLz4()
    if (library === undefined) return this.skip()
    assert.match(library.version, /^1\.[0-9]+\.[0-9]+$/)
    const raw = Buffer.from('a block of a block of a block of a block of text'.repeat(20))
    const out = new Uint8Array(raw.length)
    const size = library.compress(raw, out)
    assert.ok(size > 0 && size < 100)
    const back = new Uint8Array(raw.length)
    assert.equal(library.decompress(out.subarray(0, size), back), raw.length)
    assert.deepEqual(Buffer.from(back), raw)
    assert.ok(library.decompress(out.subarray(0, size - 1), back) < 0, 'a cut block is refused')
    assert.throws(() => library.compress(raw, new Float64Array(9) as unknown as Uint8Array), TypeError)
  })

  it('makes the same weights each time', async () => {
    const [first, second] = [await makeBenchSamples(64), await makeBenchSamples(64)]
    assert.deepEqual(first, second)
  })

  it('stops when it is told to', async () => {
    const reason = new Error('enough')
    const init = {
      sampleBytes: 64,
      repetitions: 1,
      found: () => assert.fail('no row'),
      scaled: () => assert.fail('no row'),
      skipped: () => undefined,
      signal: AbortSignal.abort(reason),
    }
    await assert.rejects(benchCodec(init), reason)
  })
})
