// join --first, as real processes: what matches is usable while the rest is still to come.

import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { LISTEN, number, start, succeed, swarm, useFolder } from '../support/cli.ts'
import { assertSameTree, makeBlobs } from '../support/trees.ts'

describe('join --first', function () {
  this.timeout(120_000)
  const folder = useFolder()
  const source = `${folder}/source`
  const store = ['--store', `file://${folder}/store`]
  let encoded = 0

  const join = (directory: string, ...more: string[]): string[] => [
    ...['join', 'x', `${folder}/${directory}`, ...LISTEN, ...store],
    ...more,
  ]
  /** The whole takes so many seconds from the store. */
  const slowly = (seconds: number): string[] => ['--limit-store', String(Math.ceil(encoded / seconds))]

  before(async () => {
    await makeBlobs(source, { 'a/weights': 6.5, 'm/weights': 5, 'z/tokenizer/model': 2.2, 'z/config.json': 0.01 })
    await writeFile(`${source}/z/tokenizer/empty`, '')
    encoded = number(await succeed(['push', source, 'x', '--chunk-size', '1MiB', ...store]), 'bytes.encoded')
  })

  it('has the files in place, right and under their names, when it says so, and nothing else that is large', async () => {
    const directory = `${folder}/killed`
    const running = start(join('killed', '--first', 'tokenizer/', '--first', '*.json', ...slowly(20)))
    const line = await running.line('first')
    running.kill('SIGKILL')
    await running.ended
    assert.equal(number(line, 'files'), 3)
    assert.ok(number(line, 'seconds') > 0)
    for (const name of ['z/tokenizer/model', 'z/tokenizer/empty', 'z/config.json']) {
      assert.deepEqual(await readFile(`${directory}/${name}`), await readFile(`${source}/${name}`))
      assert.equal((await stat(`${directory}/${name}`)).mtimeMs, (await stat(`${source}/${name}`)).mtimeMs)
    }
    assert.deepEqual(await readdir(`${directory}/a`).catch(() => []), [])
    assert.deepEqual(await readdir(`${directory}/m`).catch(() => []), [])
    await succeed(join('killed', '--first', '*.json'))
    await assertSameTree(source, directory)
  })

  it('asks for no other chunk before those, says it once and before ready', async () => {
    const trace = `${folder}/trace.jsonl`
    const { lines, code, stderr } = await swarm(join('whole', '--first', 'tokenizer', '--trace', trace, ...slowly(4)))
    assert.equal(code, 0, stderr)
    const types = lines.map(({ type }) => type).filter((type) => type === 'first' || type === 'ready')
    assert.deepEqual(types, ['first', 'ready'])
    assert.match(stderr, /^2 files of --first are in place after [\d.]+ s$/m)
    const [header = '', ...steps] = (await readFile(trace, 'utf8')).trimEnd().split('\n')
    const { size, bits } = JSON.parse(header).scheduler.first
    const set = Buffer.from(bits, 'hex')
    const isFirst = (chunk: number): boolean => ((set[chunk >> 3] ?? 0) & (1 << (chunk & 7))) !== 0
    const count = Array.from({ length: size }, (_, chunk) => chunk).filter(isFirst).length
    const asked = steps
      .flatMap((step) => JSON.parse(step).actions)
      .filter(({ type }) => type === 'requestChunk')
      .map(({ chunk }) => isFirst(chunk))
    assert.ok(count >= 3 && size > 10, `${count} of ${size}`)
    assert.deepEqual(asked.slice(0, count), new Array(count).fill(true))
    assert.ok(asked.slice(count).includes(false))
    await assertSameTree(source, `${folder}/whole`)
  })

  it('says so at once when the files are there already', async () => {
    const { lines } = await swarm(join('whole', '--first', '*.json'))
    assert.deepEqual(
      lines.map(({ type }) => type).filter((type) => type === 'first' || type === 'ready'),
      ['first', 'ready'],
    )
  })

  it('warns of a pattern that matches nothing, and joins', async () => {
    const env = { SWARM_FIRST: '*.JSON,tokenizer' }
    const { lines, code, stderr } = await swarm(join('warned'), { env })
    assert.equal(code, 0, stderr)
    const warnings = lines.filter(({ type }) => type === 'warning').map((line) => String(line['message']))
    assert.deepEqual(warnings, ['--first *.JSON matches no file of the snapshot'])
    assert.equal(lines.filter(({ type }) => type === 'first').length, 1)
    const none = await swarm(join('none', '--first', 'nothing'))
    assert.equal(none.code, 0)
    assert.equal(none.lines.filter(({ type }) => type === 'first').length, 0)
  })
})
