// Sizes, durations and counts as people write them, right and wrong.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  collect,
  countParser,
  formatBytes,
  formatSeconds,
  parseBytes,
  parseCopies,
  parseDurationMs,
  parseLinger,
  parseMeasureMs,
  sizeParser,
} from '../../src/cli/values.ts'

function refuses(parse: (text: string) => unknown, texts: readonly string[]): void {
  for (const text of texts) assert.throws(() => parse(text), /give /, JSON.stringify(text))
}

describe('option values', () => {
  it('C5: sizes have decimal and binary units', () => {
    const cases: [string, number][] = [
      ['1', 1],
      ['23M', 23_000_000],
      ['23m', 23_000_000],
      ['1.5G', 1_500_000_000],
      ['512MiB', 512 * 2 ** 20],
      ['512Mi', 512 * 2 ** 20],
      ['8 kB', 8000],
      ['2T', 2e12],
      ['1Ti', 2 ** 40],
      ['10MB/s', 10_000_000],
    ]
    for (const [text, bytes] of cases) assert.equal(parseBytes(text), bytes, text)
    refuses(parseBytes, ['', 'x', '5x', '-1', '0', '0.4', '1e3', '1,5M', 'MiB', '99999999T', '5 5', 'Infinity', 'NaN'])
  })

  it('C5: durations are seconds unless they say otherwise', () => {
    const cases: [string, number][] = [
      ['90', 90_000],
      ['90s', 90_000],
      ['500ms', 500],
      ['1.5m', 90_000],
      ['2h', 7_200_000],
      ['1d', 86_400_000],
    ]
    for (const [text, ms] of cases) assert.equal(parseDurationMs(text), ms, text)
    refuses(parseDurationMs, ['', '0', '-5s', 'soon', '5 weeks', '0.0001ms', '1e9', '99999999999999d'])
    assert.equal(parseMeasureMs('1d'), 86_400_000)
    refuses(parseMeasureMs, ['86401s', '30d', 'soon'])
  })

  it('C5: counts, copies, lingering and bounded sizes', () => {
    assert.equal(countParser(1, 64)('64'), 64)
    refuses(countParser(1, 64), ['0', '65', '1.5', '', ' ', 'x', '-1', '1e1', '0x10'])
    assert.equal(parseCopies('unlimited'), 'unlimited')
    assert.equal(parseCopies('3'), 3)
    refuses(parseCopies, ['0', 'many'])
    assert.deepEqual(['auto', 'forever', '5m'].map(parseLinger), ['auto', 'forever', 300_000])
    refuses(parseLinger, ['never', ''])
    assert.equal(sizeParser(1000, 2000)('2k'), 2000)
    refuses(sizeParser(1000, 2000), ['999', '2001'])
  })

  it('repeated options and comma lists add up', () => {
    assert.deepEqual(collect('a,b', undefined), ['a', 'b'])
    assert.deepEqual(collect('c', ['a', 'b']), ['a', 'b', 'c'])
    assert.deepEqual(collect(',', undefined), [])
  })

  it('C5: whatever is given, a parser returns a number in range or says what would be right', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[-+]?\d{0,20}(\.\d{0,5})?\s?[kKmMgGtTsdhbBi]{0,3}$/))
    fc.assert(
      fc.property(text, (given) => {
        for (const parse of [parseBytes, parseDurationMs, countParser(1, 64)]) {
          try {
            const value = parse(given)
            assert.ok(Number.isSafeInteger(value) && value >= 1)
          } catch (error) {
            assert.match(String(error), /give /)
          }
        }
      }),
    )
  })

  it('sizes and times are shown with three digits', () => {
    const sizes: [number, string][] = [
      [0, '0 B'],
      [999, '999 B'],
      [999.6, '1.00 kB'],
      [1234, '1.23 kB'],
      [12_345, '12.3 kB'],
      [999_499, '999 kB'],
      [999_999, '1.00 MB'],
      [5e15, '5000 TB'],
    ]
    for (const [bytes, text] of sizes) assert.equal(formatBytes(bytes), text)
    const times: [number, string][] = [
      [0.04, '0.0 s'],
      [9.94, '9.9 s'],
      [12.4, '12 s'],
      [99.6, '1 min 40 s'],
      [119.9, '2 min 0 s'],
      [3599.9, '1 h 0 min'],
      [7322, '2 h 2 min'],
    ]
    for (const [seconds, text] of times) assert.equal(formatSeconds(seconds), text)
  })
})
