import assert from 'node:assert/strict'
import fc from 'fast-check'
import { SAFETENSORS_HEADER_BYTES_MAX } from '../../src/snapshot/limits.ts'
import { parseSafetensorsHeader, safetensorsHeaderBytes } from '../../src/snapshot/safetensors.ts'

function prefix(length: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(length)
  return bytes
}

/** Parses a header given as a value, for a file whose tensors take `dataBytes`. */
function parse(json: unknown, dataBytes: number): ReturnType<typeof parseSafetensorsHeader> {
  const header = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json))
  return parseSafetensorsHeader(header, 8 + header.length + dataBytes)
}

function tensor(start: unknown, end: unknown, dtype: unknown = 'BF16'): unknown {
  return { dtype, shape: [1], data_offsets: [start, end] }
}

describe('safetensors header', () => {
  it('reads the length of a header that fits the file', () => {
    assert.equal(safetensorsHeaderBytes(prefix(2n), 10), 2)
    assert.equal(safetensorsHeaderBytes(Buffer.concat([prefix(100n), Buffer.from('{')]), 108), 100)
    assert.equal(safetensorsHeaderBytes(Buffer.concat([Buffer.from('x'), prefix(7n)]).subarray(1), 100), 7)
  })

  it('refuses lengths that are too small, larger than the file, or more than we would read', () => {
    for (const [length, fileBytes] of [
      [0n, 100],
      [1n, 100],
      [101n, 108],
      [2n ** 63n, 2 ** 40],
      [BigInt(SAFETENSORS_HEADER_BYTES_MAX) + 1n, 2 ** 40],
      [2n, 0],
    ] as const) {
      assert.equal(safetensorsHeaderBytes(prefix(length), fileBytes), undefined, `${length} of ${fileBytes}`)
    }
    assert.equal(safetensorsHeaderBytes(Buffer.alloc(7, 1), 100), undefined)
    assert.equal(safetensorsHeaderBytes(prefix(BigInt(SAFETENSORS_HEADER_BYTES_MAX)), 2 ** 40), 100_000_000)
  })

  it('gives the tensors in file order, counted from the start of the file', () => {
    const json = { b: tensor(4, 10, 'F32'), __metadata__: { format: 'pt' }, a: tensor(0, 4), c: tensor(10, 12, 'F16') }
    const start = 8 + JSON.stringify(json).length
    assert.deepEqual(parse(json, 12), [
      { start, end: start + 4, element: 'bf16' },
      { start: start + 4, end: start + 10, element: 'fp32' },
      { start: start + 10, end: start + 12, element: 'fp16' },
    ])
  })

  it('takes a header padded with spaces, tensors without bytes, and files without tensors', () => {
    assert.equal(parse(`${JSON.stringify({ a: tensor(0, 4), e: tensor(4, 4) })}     `, 4)?.length, 2)
    assert.deepEqual(parse({}, 0), [])
  })

  it('leaves the type of what it does not know to sampling, even when the type has an odd name', () => {
    for (const dtype of ['F8_E4M3', 'I64', 'bf16', 'constructor', '__proto__', 'toString']) {
      assert.equal(parse({ a: tensor(0, 4, dtype) }, 4)?.[0]?.element, 'unknown', dtype)
    }
  })

  it('believes nothing of a header that breaks a rule', () => {
    const good = tensor(0, 4)
    for (const [json, dataBytes] of [
      ['', 4],
      ['{', 4],
      ['[]', 0],
      ['null', 0],
      [{ a: good }, 5],
      [{ a: good }, 3],
      [{ a: good, b: tensor(5, 8) }, 8],
      [{ a: good, b: tensor(3, 8) }, 8],
      [{ a: good, b: good }, 4],
      [{ a: tensor(4, 0) }, 4],
      [{ a: tensor(-1, 4) }, 4],
      [{ a: tensor(0, 4.5) }, 4],
      [{ a: tensor(0, 2 ** 53) }, 4],
      [{ a: tensor('0', 4) }, 4],
      [{ a: tensor(0, 4, 7) }, 4],
      [{ a: { dtype: 'BF16', data_offsets: [0, 4, 4] } }, 4],
      [{ a: { dtype: 'BF16' } }, 4],
      [{ a: null }, 0],
      [{ a: [0, 4] }, 4],
      ['['.repeat(200_000), 4],
    ] as const) {
      assert.equal(parse(json, dataBytes), undefined, JSON.stringify(json).slice(0, 80))
    }
  })

  it('never throws and never leaves gaps, whatever the header says', () => {
    const bound = fc.oneof(fc.nat(20), fc.constantFrom(-1, 0.5, 1e300, null, '4'))
    const entry = fc.oneof(
      fc.tuple(bound, bound).map(([start, end]) => tensor(start, end)),
      fc.jsonValue(),
    )
    fc.assert(
      fc.property(fc.dictionary(fc.string(), entry, { maxKeys: 4 }), fc.nat(20), (json, dataBytes) => {
        const tensors = parse(json, dataBytes)
        if (tensors === undefined) return
        let reached = 8 + Buffer.byteLength(JSON.stringify(json))
        for (const range of tensors) {
          assert.equal(range.start, reached)
          reached = range.end
        }
      }),
      { numRuns: 500 },
    )
  })
})
