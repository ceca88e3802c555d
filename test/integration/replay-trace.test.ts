// A real join records itself, and a replay of the file makes the same decisions.

import assert from 'node:assert/strict'
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { fail, LISTEN, number, start, succeed, swarm, text, useFolder } from '../support/cli.ts'
import { makeBlobs } from '../support/trees.ts'

describe('join --trace and replay', function () {
  this.timeout(120_000)
  const folder = useFolder()
  const store = ['--store', `file://${folder}/store`]
  const trace = `${folder}/trace.jsonl`
  let encoded = 0

  before(async () => {
    await makeBlobs(`${folder}/source`, { a: 6.2, b: 3 })
    encoded = number(
      await succeed(['push', `${folder}/source`, 'x', '--chunk-size', '1MiB', ...store]),
      'bytes.encoded',
    )
    const helper = start(['join', 'x', `${folder}/helper`, ...LISTEN, ...store, '--linger', 'forever'])
    await helper.line('ready')
    await succeed(['join', 'x', `${folder}/copy`, ...LISTEN, ...store, '--trace', trace])
    helper.kill('SIGINT')
    await helper.ended
  })

  it('finds every action the same and says what happened', async () => {
    const summary = await succeed(['replay', trace])
    assert.equal(text(summary, 'command'), 'replay')
    assert.equal(summary['same'], true)
    assert.equal(summary['isCut'], false)
    assert.equal(number(summary, 'bytes'), encoded)
    assert.equal(number(summary, 'fromStore') + number(summary, 'fromPeers'), encoded)
    assert.equal(number(summary, 'peers'), 1)
    const { stdout, code } = await swarm(['replay', trace], { json: false })
    assert.equal(code, 0)
    assert.match(stdout, /recorded by swarm\/\d.*\n10 chunks, .* encoded\n.* complete after/)
    assert.match(stdout, /every action is the same\n$/)
  })

  it('reads a trace from stdin whose last line a crash has cut', async () => {
    const cut = `${folder}/cut.jsonl`
    await writeFile(cut, await readFile(trace))
    await truncate(cut, (await readFile(trace)).length - 7)
    const { code, last, stderr } = await swarm(['replay', '-'], { input: await readFile(cut, 'utf8') })
    assert.equal(code, 0, stderr)
    assert.equal(last['isCut'], true)
    assert.match(stderr, /warning: the last line is cut/)
  })

  it('exits 6 and names the step that differs', async () => {
    const changed = `${folder}/changed.jsonl`
    const lines = (await readFile(trace, 'utf8')).split('\n')
    const place = lines.findIndex((line) => line.includes('"type":"requestChunk"'))
    const asks = /(?<="type":"requestChunk","request":\d+,"chunk":)\d+/
    lines[place] = (lines[place] ?? '').replace(asks, (chunk) => String((Number(chunk) + 1) % 10))
    await writeFile(changed, lines.join('\n'))
    const { code, lines: said } = await swarm(['replay', changed])
    assert.equal(code, 6)
    const difference = said.find(({ type }) => type === 'difference')
    assert.equal(difference?.['line'], place + 1)
    const error = await fail(6, ['replay', changed])
    assert.match(text(error, 'message'), new RegExp(`line ${place + 1}: the actions differ`))
  })

  it('refuses other files with exit 2', async () => {
    await fail(2, ['replay', `${folder}/source/a`])
    await fail(2, ['replay', `${folder}/none`])
    await fail(2, ['replay', folder])
    await fail(2, ['join', 'x', `${folder}/other`, ...LISTEN, ...store, '--trace', `${folder}/no/such/file`])
  })
})
