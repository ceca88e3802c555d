// Several joins at once: into one directory, and into directories of their own from one store.

import assert from 'node:assert/strict'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { checkReport, LISTEN, type Line, number, start, succeed, text, useFolder } from '../support/cli.ts'
import { assertSameTree, makeBlobs } from '../support/trees.ts'

describe('joins at the same time', function () {
  this.timeout(120_000)
  const folder = useFolder()
  const source = `${folder}/source`
  const store = ['--store', `file://${folder}/store`]
  const join = (directory: string, ...more: string[]): string[] => [
    'join',
    'x',
    `${folder}/${directory}`,
    ...LISTEN,
    ...store,
    ...more,
  ]
  let encoded = 0

  before(async () => {
    await makeBlobs(source, { a: 9, b: 7.3, 'small/1': 0.01, 'small/2': 0.02 })
    const pushed = await succeed(['push', source, 'x', '--chunk-size', '1MiB', ...store])
    encoded = number(pushed, 'bytes.encoded')
  })

  it('D11: eight into one directory share one fetch, and all print ready and end well', async () => {
    const runs = Array.from({ length: 8 }, () => start(join('shared', '--limit-store', '8M')))
    const ended = await Promise.all(runs.map((run) => run.ended))
    let fetched = 0
    for (const { code, lines, last } of ended) {
      assert.equal(code, 0, JSON.stringify(last))
      const ready = lines.filter(({ type }) => type === 'ready')
      assert.equal(ready.length, 1)
      for (const line of [...ready, last]) checkReport(line)
      assert.equal(last.type, 'summary')
      if (last['shared'] !== true) fetched += number(last, 'bytes.fromStore')
    }
    assert.equal(fetched, encoded)
    assert.ok(ended.filter(({ last }) => last['shared'] === true).length > 0)
    await assertSameTree(source, `${folder}/shared`)
  })

  it('two from one store read it about once together', async () => {
    // One alone would read for eight seconds, so that both take part even when one process starts late.
    const rate = ['--limit-store', String(Math.ceil(encoded / 8))]
    const both = await Promise.all([succeed(join('first', ...rate)), succeed(join('second', ...rate))])
    const read = both.reduce((sum, summary) => sum + number(summary, 'store.readBytes'), 0)
    assert.ok(read < 1.2 * encoded, `${read} read, ${encoded} encoded`)
    for (const summary of both) {
      const { fromStore, fromPeers } = bytesOf(summary)
      assert.ok(fromPeers > 0 && fromStore > 0)
      assert.ok(fromStore + fromPeers >= encoded)
    }
    await assertSameTree(source, `${folder}/first`)
    await assertSameTree(source, `${folder}/second`)
  })

  it('a node that may only read the store takes part with --peer', async () => {
    const helper = start(join('helper', '--linger', 'forever'))
    await helper.line('ready')
    const [address] = Object((await helper.line('listening'))['addrs'])
    await mkdir(`${folder}/open`)
    await chmod(`${folder}/open`, 0o777)
    const args = join('open/reader', '--limit-store', '500k', '--peer', String(address))
    const reader = start(args, { unprivileged: true })
    const { code, last, lines } = await reader.ended
    assert.equal(code, 0, JSON.stringify(last))
    assert.ok(number(last, 'bytes.fromPeers') > 0.5 * encoded, JSON.stringify(last))
    assert.ok(!lines.some(({ type }) => type === 'error'))
    await assertSameTree(source, `${folder}/open/reader`)
    helper.kill('SIGINT')
    const summary = (await helper.ended).last
    assert.equal(number(summary, 'bytes.toPeers'), number(last, 'bytes.fromPeers'))
  })

  it('an unprivileged update in place works on files that are read-only', async () => {
    const own = `${folder}/open/source`
    const copy = `${folder}/open/copy`
    const owner = { unprivileged: true } as const
    const push = ['push', own, 'y', '--chunk-size', '1MiB', '--store', `file://${folder}/open/store`]
    const update = ['join', 'y', copy, ...LISTEN, '--store', `file://${folder}/open/store`]
    await makeBlobs(own, { 'read-only': 3 })
    await chmod(`${own}/read-only`, 0o444)
    await succeed(push, owner)
    await succeed(update, owner)
    const changed = await readFile(`${own}/read-only`)
    changed.fill(0, 0, 100)
    await chmod(`${own}/read-only`, 0o644)
    await writeFile(`${own}/read-only`, changed)
    await chmod(`${own}/read-only`, 0o444)
    await succeed(push, owner)
    const updated = await succeed(update, owner)
    assert.ok(number(updated, 'bytes.fromSelf') > 0)
    await assertSameTree(own, copy)
    assert.equal(text(updated, 'snapshot'), 'y')
  })
})

function bytesOf(line: Line): { fromStore: number; fromPeers: number } {
  return { fromStore: number(line, 'bytes.fromStore'), fromPeers: number(line, 'bytes.fromPeers') }
}
