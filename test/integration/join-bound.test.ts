// What a join says about the best possible time, as real processes with declared rates.

import assert from 'node:assert/strict'
import { LISTEN, type Line, number, start, succeed, swarm, text, useFolder } from '../support/cli.ts'
import { makeBlobs } from '../support/trees.ts'

describe('the bound of a join', function () {
  this.timeout(120_000)
  const folder = useFolder()
  const store = ['--store', `file://${folder}/store`]
  let encoded = 0

  const join = (directory: string, ...more: string[]): string[] => [
    ...['join', 'x', `${folder}/${directory}`, ...LISTEN, ...store],
    ...more,
  ]
  /** The store's rate with which one machine alone needs so many seconds. */
  const storeRate = (seconds: number): number => Math.ceil(encoded / seconds)

  before(async () => {
    await makeBlobs(`${folder}/source`, { a: 9, b: 7.3 })
    encoded = number(
      await succeed(['push', `${folder}/source`, 'x', '--chunk-size', '1MiB', ...store]),
      'bytes.encoded',
    )
  })

  it('is printed with what was achieved and the link that was the limit', async () => {
    const rate = storeRate(3)
    const { code, stdout, stderr } = await swarm(join('words', '--limit-store', String(rate)), { json: false })
    assert.equal(code, 0, stderr)
    assert.match(stdout, /\n3\.0 s possible, [\d.]+ s taken \(\d+ %\); limited by the store's [\d.]+ MB\/s\n$/)
  })

  it('is in ready and summary, from the rates that were declared', async () => {
    const rate = storeRate(2)
    const { code, lines, last, stderr } = await swarm(join('alone', '--limit-store', String(rate)))
    assert.equal(code, 0, stderr)
    for (const line of [last, ...lines.filter(({ type }) => type === 'ready')]) {
      close(number(line, 'bound.seconds'), encoded / rate)
      close(number(line, 'bound.efficiency'), encoded / rate / number(line, 'seconds'))
      assert.equal(number(line, 'bound.rates.storeBytesPerSec'), rate)
      assert.equal(Object(line['bound']).limitedBy, 'origin')
      assert.equal(line['boundMissing'], null)
    }
    const again = await succeed(join('alone', '--limit-store', String(rate)))
    assert.deepEqual([again['bound'], again['boundMissing']], [null, 'nothing had to be fetched'])
  })

  it('of two that begin together is half of that of one', async () => {
    const rate = storeRate(16)
    const limits = ['--limit-store', rate, '--limit-down', 20e6, '--limit-up', 20e6].map(String)
    const both = await Promise.all(['first', 'second'].map((name) => succeed(join(name, ...limits))))
    for (const line of both) {
      assert.equal(number(line, 'bound.rates.nodes'), 2)
      close(number(line, 'bound.seconds'), encoded / rate / 2)
      assert.equal(Object(line['bound']).limitedBy, 'origin')
      assert.ok(number(line, 'bytes.fromPeers') > 0.3 * encoded, JSON.stringify(line))
    }
  })

  it('is null without declared rates, which are named, and beside a machine that has everything', async () => {
    const plain = await swarm(join('plain'), { json: false })
    assert.match(
      plain.stdout,
      /\nfrom the store at [\d.]+ [kMG]B\/s, from peers at 0 B\/s; the best .* not known: declare --limit-store\n$/,
    )
    const helper = start(join('plain', '--linger', 'forever'))
    await helper.line('ready')
    const joined = await succeed(join('late', '--limit-store', '1G', '--limit-down', '1G', '--limit-up', '1G'))
    helper.kill('SIGINT')
    await helper.ended
    assertNone(joined, /another machine had all of it at the start/)
  })

  function close(actual: number, expected: number): void {
    assert.ok(Math.abs(actual - expected) < 1e-6 * expected, `${actual} is not ${expected}`)
  }

  function assertNone(line: Line, reason: RegExp): void {
    assert.equal(line['bound'], null)
    assert.match(text(line, 'boundMissing'), reason)
  }
})
