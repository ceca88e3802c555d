// swarm bench store, disk and peer: what they print and leave behind. How fast a machine is, is not tested.

import assert from 'node:assert/strict'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { LISTEN, type Line, start, succeed, swarm, text, useFolder } from '../support/cli.ts'
import { bf16Weights } from '../support/codec-samples.ts'

describe('swarm bench', function () {
  this.timeout(60_000)
  const folder = useFolder()
  const store = ['--store', `file://${folder}/store`]

  function rows(lines: readonly Line[]): readonly Line[] {
    return lines.filter((line) => line.type === 'row')
  }

  it('store reads what is there over more and more connections, and names the fewest that suffice', async () => {
    await mkdir(`${folder}/source`)
    await writeFile(`${folder}/source/model.bin`, bf16Weights(2_000_000, 0.02, 1))
    await succeed(['push', `${folder}/source`, 'weights', '--codec', 'raw', '--chunk-size', '1MiB', ...store])
    const { code, lines, last, stderr } = await swarm(['bench', 'store', '--each', '50ms', ...store])
    assert.equal(code, 0, stderr)
    const connections = rows(lines).map((row) => row['connections'])
    assert.ok(connections.length >= 3, `only ${connections.length} rows`)
    assert.deepEqual(connections, [1, 2, 4, 8, 16, 32, 48].slice(0, connections.length))
    for (const row of rows(lines)) assert.ok(Number(row['MBps']) > 0)
    const { connections: fewest } = last['best'] as { connections: number }
    assert.ok(connections.includes(fewest))
  })

  it('store without chunks says what to do', async () => {
    await mkdir(`${folder}/empty`)
    const { code, last } = await swarm(['bench', 'store', '--store', `file://${folder}/empty`])
    assert.deepEqual([code, last['code']], [6, 'objectNotFound'])
    assert.match(text(last, 'cure'), /swarm push/)
    const { code: without } = await swarm(['bench', 'store'])
    assert.equal(without, 2)
  })

  it('disk writes both kinds of files both ways, and leaves nothing', async () => {
    await mkdir(`${folder}/disk`)
    const { code, lines, stderr } = await swarm([
      'bench',
      'disk',
      `${folder}/disk`,
      '--bytes',
      '16MiB',
      '--files',
      '50',
    ])
    assert.equal(code, 0, stderr)
    assert.deepEqual(
      rows(lines).map((row) => [row['files'], row['writer']]),
      [
        ['large', 'swarm'],
        ['large', 'node:fs'],
        ['small', 'swarm'],
        ['small', 'node:fs'],
      ],
    )
    assert.deepEqual(await readdir(`${folder}/disk`), [])
  })

  it('disk says so when it cannot write, and when there is no room', async () => {
    const missing = await swarm(['bench', 'disk', `${folder}/nowhere`])
    assert.equal(missing.code, 7)
    const large = await swarm(['bench', 'disk', `${folder}/disk`, '--bytes', '1000GiB'])
    assert.deepEqual([large.code, large.last['code']], [7, 'diskFull'])
  })

  it('peer measures between two processes, and ends well', async () => {
    const server = start(['bench', 'peer', ...LISTEN])
    const ticket = text(await server.line('listening'), 'ticket')
    const { code, last, stderr } = await swarm(['bench', 'peer', '-', '--for', '200ms'], { input: ticket })
    assert.equal(code, 0, stderr)
    assert.ok(Number(last['MBps']) > 0 && Number(last['firstByteMs']) > 0)
    server.kill('SIGINT')
    assert.equal((await server.ended).code, 0)
    const gone = await swarm(['bench', 'peer', ticket, '--for', '200ms'])
    assert.deepEqual([gone.code, gone.last['code']], [5, 'networkUnavailable'])
  })

  it('peer takes no ticket of a snapshot', async () => {
    const ticket = text(await succeed(['ticket', 'weights', ...store]), 'ticket')
    const { code, last } = await swarm(['bench', 'peer', ticket])
    assert.deepEqual([code, last['code']], [2, 'usage'])
    assert.match(text(last, 'cure'), /bench peer/)
  })
})
