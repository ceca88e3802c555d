// The native codec: properties over sizes, types and phases; the choice of codec; files and errors. FAULTS rows G1, G10, M13.

import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { isSwarmError } from '../../src/base/errors.ts'
import { Prng } from '../../src/base/prng.ts'
import { CODEC_PATHS, type Codec, type CodecChoice, type CodecPath, type ElementType } from '../../src/codec/codec.ts'
import { availableCodecPaths, openNativeCodec } from '../../src/codec/native-codec.ts'
import { bf16Weights, concat, fp16Weights, fp32Weights, noise, skewed, words } from '../support/codec-samples.ts'
import { decodePlainly } from '../support/second-decoder.ts'
import { encodePlainly } from '../support/second-encoder.ts'

const MEBIBYTE = 2 ** 20
const ELEMENTS = ['unknown', 'bytes', 'bf16', 'fp16', 'fp32'] as const

/** Content whose bytes differ in kind; made once and sliced, because making it costs more than encoding it. */
const CONTENT = {
  bf16: bf16Weights(MEBIBYTE / 2 + 100, 0.02, 1),
  fp16: fp16Weights(40_000, 0.02, 2),
  fp32: fp32Weights(40_000, 0.02, 3),
  skewed: skewed(40_000, 4),
  noise: noise(40_000, 5),
  zeros: new Uint8Array(40_000),
}

/** Sizes at and around every border of the format below 40,000 bytes. */
const BORDER_SIZES = [0, 1, 2, 3, 4, 5, 8, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025]
const STREAM_BORDER_SIZES = [16_383, 16_384, 16_385, 32_767, 32_768, 32_769, 32_770]

for (const path of availableCodecPaths()) describe(`native codec, ${path}`, () => nativeCodecTests(path))

function nativeCodecTests(path: CodecPath): void {
  let codec: Codec
  before(() => {
    codec = openNativeCodec({ threads: 2, path })
  })
  after(() => codec.close())

  async function encode(
    raw: Uint8Array,
    element: ElementType = 'unknown',
    choice: CodecChoice = 'ans',
  ): Promise<Uint8Array> {
    const out = new Uint8Array(codec.maxEncodedBytes(raw.length)).fill(0xa5)
    return out.slice(0, await codec.encode(raw, out, { codec: choice, element, zstdLevel: 3 }))
  }

  async function decode(encoded: Uint8Array, rawBytes: number): Promise<Uint8Array> {
    const raw = new Uint8Array(rawBytes).fill(0xa5)
    await codec.decode(encoded, raw)
    return raw
  }

  const size = fc.oneof(
    fc.constantFrom(...BORDER_SIZES, ...STREAM_BORDER_SIZES),
    fc.integer({ min: 0, max: 3000 }),
    fc.integer({ min: 0, max: 40_000 }),
  )
  const content = fc.constantFrom('bf16', 'fp16', 'fp32', 'skewed', 'noise', 'zeros').map((name) => CONTENT[name])

  it('gives back what it was given, whatever size, type, phase and hint, alike every time and never 33 bytes larger', async () => {
    const property = fc.asyncProperty(
      content,
      size,
      fc.integer({ min: 0, max: 5 }),
      fc.constantFrom(...ELEMENTS),
      async (bytes, length, shift, element) => {
        const raw = bytes.slice(shift, shift + length)
        const encoded = await encode(raw, element)
        assert.ok(encoded.length <= raw.length + 32)
        assert.equal(Buffer.compare(await decode(encoded, raw.length), raw), 0)
        assert.equal(Buffer.compare(await encode(raw, element), encoded), 0)
      },
    )
    await fc.assert(property, { numRuns: 300 })
  })

  it('encodes what the second decoder reads, at every border of segments', async () => {
    for (const length of [MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, MEBIBYTE + 33]) {
      const raw = CONTENT.bf16.subarray(1, 1 + length)
      const encoded = await encode(raw)
      assert.equal(codec.inspect(encoded).codec, 'ans')
      assert.equal(Buffer.compare(await decode(encoded, length), raw), 0)
      assert.equal(Buffer.compare(decodePlainly(encoded), raw), 0)
    }
  })

  it('makes the chunk that the protocol text describes, byte for byte', async () => {
    const property = fc.asyncProperty(
      content,
      fc.oneof(
        fc.constantFrom(2047, 2048, 16_384, 16_385, 16_388, 32_767, 32_768, 32_769),
        fc.integer({ min: 1, max: 20_000 }),
      ),
      fc.integer({ min: 0, max: 3 }),
      fc.constantFrom(...ELEMENTS),
      fc.constantFrom('ans', 'ans-fast'),
      async (bytes, length, shift, element, choice) => {
        const raw = bytes.slice(shift, shift + length)
        const expected = encodePlainly(raw, ELEMENTS.indexOf(element), choice === 'ans' ? 0 : 1)
        const encoded = await encode(raw, element, choice)
        assert.equal(codec.inspect(encoded).codec, expected === undefined ? 'raw' : choice)
        if (expected !== undefined) assert.equal(Buffer.compare(encoded, expected), 0)
      },
    )
    await fc.assert(property, { numRuns: 60 })
  })

  it('brings bf16 weights to two thirds, with and without a hint, at even and odd places', async () => {
    const raw = CONTENT.bf16.subarray(0, MEBIBYTE)
    for (const [bytes, element] of [
      [raw, 'bf16'],
      [raw, 'unknown'],
      [concat([1], raw.subarray(0, MEBIBYTE - 1)), 'unknown'],
    ] as const) {
      const ratio = bytes.length / (await encode(bytes, element)).length
      assert.ok(ratio > 1.495 && ratio < 1.52, `ratio ${ratio}`)
    }
  })

  it('stores incompressible bytes with the header as the only overhead', async () => {
    const encoded = await encode(CONTENT.noise, 'bf16')
    assert.equal(encoded.length, CONTENT.noise.length + 32)
    assert.equal(codec.inspect(encoded).codec, 'raw')
  })

  it('chooses ans for weights, zstd for text, raw for noise, and the same again', async () => {
    const cases = [
      [CONTENT.bf16.subarray(0, 300_000), 'ans'],
      [CONTENT.fp32, 'ans'],
      [words(300_000, 6), 'zstd'],
      [CONTENT.noise, 'raw'],
      [CONTENT.zeros, 'ans'],
    ] as const
    for (const [raw, expected] of cases) {
      const encoded = await encode(raw, 'unknown', 'auto')
      assert.equal(codec.inspect(encoded).codec, expected)
      assert.equal(Buffer.compare(await encode(raw, 'unknown', 'auto'), encoded), 0)
      assert.equal(Buffer.compare(await decode(encoded, raw.length), raw), 0)
    }
  })

  it('chooses ans for quantised weights whose spread changes from tensor to tensor', async () => {
    const tensors = [6, 50, 12, 100].map((range, seed) => {
      const chance = new Prng(seed)
      const sum = () => chance.below(range) + chance.below(range) - range
      return Uint8Array.from({ length: MEBIBYTE }, () => sum() & 0xff)
    })
    const encoded = await encode(concat(...tensors), 'bytes', 'auto')
    const forced = await encode(concat(...tensors), 'bytes', 'ans')
    assert.equal(codec.inspect(encoded).codec, 'ans')
    assert.equal(encoded.length, forced.length)
  })

  it('keeps the ans chunk when zstd wins on the sample but not on the whole', async () => {
    const raw = concat(words(1000, 7), CONTENT.bf16.subarray(0, 30_000), words(500, 8))
    const [auto, ans, zstd] = [
      await encode(raw, 'unknown', 'auto'),
      await encode(raw),
      await encode(raw, 'unknown', 'zstd'),
    ]
    assert.ok(auto.length <= ans.length && auto.length <= zstd.length + raw.length / 30)
  })

  it('refuses every truncation and every flipped bit of a chunk', async () => {
    const chunks = [
      await encode(CONTENT.bf16.subarray(0, 2401), 'bf16'),
      await encode(CONTENT.skewed.subarray(0, 700), 'bytes'),
      await encode(words(600, 9), 'unknown', 'zstd'),
      await encode(CONTENT.noise.subarray(0, 50)),
    ]
    for (const chunk of chunks) {
      const raw = new Uint8Array(codec.inspect(chunk).rawBytes)
      for (let length = 0; length < chunk.length; length++)
        await assert.rejects(codec.decode(chunk.subarray(0, length), raw), isIntegrity)
      const original = await decode(chunk, raw.length)
      for (let bit = 0; bit < chunk.length * 8; bit++) {
        const flipped = chunk.slice()
        flipped[bit >>> 3] = (flipped[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
        // A zstd frame has bits that do not matter; everywhere else a flip is refused.
        const outcome = await codec.decode(flipped, raw.fill(0)).then(() => 'decoded', errorCode)
        if (outcome === 'decoded') {
          assert.equal(codec.inspect(chunk).codec, 'zstd', `bit ${bit}`)
          assert.equal(Buffer.compare(raw, original), 0)
        } else assert.equal(outcome, 'integrity')
      }
    }
  })

  it('refuses random bytes behind a right header', async () => {
    const chunk = await encode(CONTENT.skewed.subarray(0, 5000), 'bytes')
    const property = fc.asyncProperty(
      fc.integer({ min: 32, max: chunk.length - 1 }),
      fc.uint8Array({ minLength: 1, maxLength: 64 }),
      async (at, bytes) => {
        const damaged = Buffer.from(chunk)
        damaged.set(bytes.subarray(0, chunk.length - at), at)
        if (Buffer.compare(damaged, chunk) === 0) return
        await assert.rejects(codec.decode(damaged, new Uint8Array(5000)), isIntegrity)
      },
    )
    await fc.assert(property, { numRuns: 300 })
  })

  it('names the disk error and the range when a write fails, and blames nobody else', async () => {
    const encoded = await encode(CONTENT.noise.subarray(0, 100))
    const raw = new Uint8Array(100)
    const range = { offset: 0, length: 100, rawOffset: 0 }
    const full = openSync('/dev/full', 'w')
    const readOnly = openSync('/dev/null', 'r')
    const codes = await Promise.all(
      [full, readOnly].map((fd) =>
        codec
          .restore(encoded, raw.slice(), [
            { ...range, fd, length: 0 },
            { ...range, fd },
          ])
          .catch((error: unknown) => {
            assert.ok(isSwarmError(error))
            return [error.code, error.blame, error.details['errno'], error.details['rangeIndex']]
          }),
      ),
    )
    closeSync(full)
    closeSync(readOnly)
    assert.deepEqual(codes, [
      ['diskFull', 'local', 'ENOSPC', 1],
      ['diskFailed', 'local', 'EBADF', 1],
    ])
  })

  it('writes past 4 GiB where it was told to', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'swarm-codec-'))
    const fd = openSync(join(folder, 'sparse'), 'w+')
    const raw = CONTENT.noise.slice(0, 100)
    const offset = 2 ** 33 + 5
    await codec.restore(await encode(raw), new Uint8Array(100), [{ fd, offset, length: 100, rawOffset: 0 }])
    const back = new Uint8Array(100)
    await codec.read([{ fd, offset, length: 100 }], back)
    assert.equal(Buffer.compare(back, raw), 0)
    closeSync(fd)
    rmSync(folder, { recursive: true })
  })

  it('runs many jobs at once and keeps their results apart', async () => {
    const chunks = await Promise.all(
      Array.from({ length: 200 }, async (_, job) => {
        const raw = CONTENT.bf16.slice(job * 100, job * 100 + 3000)
        return { raw, encoded: await encode(raw, 'bf16') }
      }),
    )
    for (const { raw, encoded } of chunks) assert.equal(Buffer.compare(await decode(encoded, raw.length), raw), 0)
  })

  it('stops our own mistakes before they reach native code', async () => {
    const raw = new Uint8Array(10)
    const options = { codec: 'ans', element: 'unknown', zstdLevel: 3 } as const
    const encoded = await encode(raw)
    const invariant = { name: 'InvariantError' }
    await assert.rejects(codec.encode(raw, new Uint8Array(41), options), invariant)
    await assert.rejects(codec.encode(raw, new Uint8Array(99), { ...options, zstdLevel: 0 }), invariant)
    await assert.rejects(codec.encode(new Uint8Array(2 ** 24 + 1), new Uint8Array(2 ** 24 + 99), options), invariant)
    await assert.rejects(codec.read([{ fd: 0, offset: 0, length: 9 }], raw), invariant)
    const range = { fd: 0, offset: 0, length: 5, rawOffset: 6 }
    for (const wrong of [
      range,
      { ...range, rawOffset: -1 },
      { ...range, rawOffset: 0, offset: 2 ** 53 },
      { ...range, fd: 0.5 },
    ])
      await assert.rejects(codec.restore(encoded, raw, [wrong]), invariant)
  })

  it('uses the forced path and refuses one that is not there', async () => {
    const available = availableCodecPaths()
    for (const path of available) {
      const forced = openNativeCodec({ threads: 1, path })
      assert.deepEqual(forced.status, { device: 'cpu', path, threads: 1 })
      await forced.close()
    }
    for (const path of ['abacus', ...CODEC_PATHS.filter((known) => !available.includes(known))])
      assert.throws(() => openNativeCodec({ path }), { code: 'usage' })
  })
}

function isIntegrity(error: unknown): boolean {
  return isSwarmError(error) && error.code === 'integrity'
}

function errorCode(error: unknown): string {
  return isSwarmError(error) ? error.code : String(error)
}
