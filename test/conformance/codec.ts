// What every Codec promises, whatever runs underneath. codec.test.ts runs it on all implementations.

import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isSwarmError } from '../../src/base/errors.ts'
import type { Codec, EncodeOptions } from '../../src/codec/codec.ts'
import { bf16Weights, concat, noise, words } from '../support/codec-samples.ts'

const AUTO: EncodeOptions = { codec: 'auto', element: 'unknown', zstdLevel: 3 }

const SAMPLES: ReadonlyArray<readonly [string, Uint8Array]> = [
  ['nothing', new Uint8Array(0)],
  ['one byte', Uint8Array.of(1)],
  ['weights', bf16Weights(20_000, 0.02, 1)],
  ['weights at an odd place', concat([7], bf16Weights(20_000, 0.02, 2))],
  ['text', words(30_000, 3)],
  ['noise', noise(10_000, 4)],
  ['zeros', new Uint8Array(50_000)],
]

async function encodeAll(codec: Codec, raw: Uint8Array, options: EncodeOptions = AUTO): Promise<Uint8Array> {
  const out = new Uint8Array(codec.maxEncodedBytes(raw.length))
  return out.subarray(0, await codec.encode(raw, out, options))
}

function isIntegrity(error: unknown): boolean {
  return isSwarmError(error) && error.code === 'integrity' && error.blame === 'peer'
}

/** Declares the suite for one implementation. */
export function codecConformance(name: string, open: () => Codec): void {
  describe(`codec conformance: ${name}`, () => {
    let codec: Codec
    let folder: string
    beforeEach(() => {
      codec = open()
      folder = mkdtempSync(join(tmpdir(), 'swarm-codec-'))
    })
    afterEach(async () => {
      await codec.close()
      rmSync(folder, { recursive: true })
    })

    for (const choice of ['auto', 'ans', 'ans-fast', 'zstd', 'raw'] as const)
      for (const [what, raw] of SAMPLES)
        it(`gives ${what} back after ${choice}, within the promised size`, async () => {
          const encoded = await encodeAll(codec, raw, { ...AUTO, codec: choice })
          assert.ok(encoded.length <= raw.length + 32)
          const info = codec.inspect(encoded)
          assert.deepEqual([info.rawBytes, info.encodedBytes], [raw.length, encoded.length])
          const decoded = new Uint8Array(raw.length)
          await codec.decode(encoded, decoded)
          assert.equal(Buffer.compare(decoded, raw), 0)
        })

    it('reads the pieces of a chunk from their files and encodes them as if they were one', async () => {
      const [first, second] = [join(folder, 'first'), join(folder, 'second')]
      const raw = words(5000, 5)
      writeFileSync(first, concat(noise(100, 6), raw.subarray(0, 2000)))
      writeFileSync(second, concat(raw.subarray(2000), noise(10, 7)))
      const fds = [openSync(first, 'r'), openSync(second, 'r')] as const
      const ranges = [
        { fd: fds[0], offset: 100, length: 2000 },
        { fd: fds[1], offset: 500, length: 0 },
        { fd: fds[1], offset: 0, length: 3000 },
      ]
      const filled = new Uint8Array(5000)
      await codec.read(ranges, filled)
      assert.equal(Buffer.compare(filled, raw), 0)
      const buffer = new Uint8Array(5000)
      const out = new Uint8Array(codec.maxEncodedBytes(5000))
      for (const choice of ['auto', 'ans', 'ans-fast', 'zstd', 'raw'] as const) {
        const size = await codec.readAndEncode(ranges, buffer.fill(0), out, { ...AUTO, codec: choice })
        const expected = await encodeAll(codec, raw, { ...AUTO, codec: choice })
        assert.equal(Buffer.compare(out.subarray(0, size), expected), 0)
      }
      for (const fd of fds) closeSync(fd)
    })

    it('says that the source changed when a file is shorter than its range', async () => {
      const path = join(folder, 'short')
      writeFileSync(path, noise(99, 8))
      const fd = openSync(path, 'r')
      await assert.rejects(codec.read([{ fd, offset: 0, length: 100 }], new Uint8Array(100)), { code: 'sourceChanged' })
      closeSync(fd)
    })

    it('restores ranges to their places, equal content more than once, and touches nothing else', async () => {
      const raw = noise(3000, 9)
      for (const choice of ['raw', 'zstd'] as const) {
        const [first, second] = [join(folder, `${choice}-1`), join(folder, `${choice}-2`)]
        writeFileSync(first, new Uint8Array(4000).fill(0xee))
        const fds = [openSync(first, 'r+'), openSync(second, 'w')] as const
        const content = choice === 'zstd' ? words(3000, 10) : raw
        const encoded = await encodeAll(codec, content, { ...AUTO, codec: choice })
        await codec.restore(encoded, new Uint8Array(3000), [
          { fd: fds[0], offset: 500, length: 1000, rawOffset: 2000 },
          { fd: fds[0], offset: 1500, length: 1000, rawOffset: 2000 },
          { fd: fds[1], offset: 0, length: 3000, rawOffset: 0 },
          { fd: fds[1], offset: 9, length: 0, rawOffset: 3000 },
        ])
        for (const fd of fds) closeSync(fd)
        const tail = content.subarray(2000)
        const border = new Uint8Array(1500).fill(0xee)
        const expected = concat(border.subarray(0, 500), tail, tail, border)
        assert.equal(Buffer.compare(readFileSync(first), expected), 0)
        assert.equal(Buffer.compare(readFileSync(second), content), 0)
      }
    })

    it('writes nothing when a chunk is damaged', async () => {
      const path = join(folder, 'untouched')
      const encoded = await encodeAll(codec, noise(1000, 11), { ...AUTO, codec: 'raw' })
      encoded[500] = (encoded[500] ?? 0) ^ 1
      const fd = openSync(path, 'w')
      const restored = codec.restore(encoded, new Uint8Array(1000), [{ fd, offset: 0, length: 1000, rawOffset: 0 }])
      await assert.rejects(restored, isIntegrity)
      closeSync(fd)
      assert.equal(readFileSync(path).length, 0)
    })

    it('refuses a chunk that holds another number of raw bytes than expected', async () => {
      const encoded = await encodeAll(codec, noise(1000, 12), { ...AUTO, codec: 'raw' })
      await assert.rejects(codec.decode(encoded, new Uint8Array(999)), isIntegrity)
    })

    it('refuses truncated chunks when inspecting them', async () => {
      const encoded = await encodeAll(codec, noise(100, 13), { ...AUTO, codec: 'raw' })
      for (let size = 0; size < encoded.length; size++)
        assert.throws(() => codec.inspect(encoded.subarray(0, size)), isIntegrity)
    })

    it('passes its self-test', () => codec.selfTest())

    it('finishes what is under way before it closes, and refuses more', async () => {
      const raw = bf16Weights(100_000, 0.02, 14)
      const out = new Uint8Array(codec.maxEncodedBytes(raw.length))
      const encoding = codec.encode(raw, out, { ...AUTO, codec: 'raw' })
      await codec.close()
      assert.equal(await encoding, raw.length + 32)
      await assert.rejects(codec.encode(raw, out, AUTO))
    })
  })
}
