// swarm as the only process of a container: signals and exit codes where no init passes them on.

import assert from 'node:assert/strict'
import { type Command, LISTEN, type Line, number, start, succeed, text, useFolder } from '../support/cli.ts'
import { needPart } from '../support/prerequisites.ts'
import { processOneUnavailable } from '../support/process-one.ts'
import { assertSameTree, makeBlobs } from '../support/trees.ts'

const MIB = 1024 * 1024
/** So slow that a signal comes in the middle, on whatever machine. */
const SLOWLY = ['--limit-store', '2M']

describe('process 1 of a container', function () {
  this.timeout(120_000)
  const folder = useFolder()
  const source = `${folder}/source`
  const store = ['--store', `file://${folder}/store`]
  const join = (directory: string, ...more: string[]): Command =>
    start(['join', 'x', `${folder}/${directory}`, ...LISTEN, ...store, ...more], { isProcessOne: true })

  before(async function () {
    needPart(this, 'pidns', processOneUnavailable())
    await makeBlobs(source, { 'a.bin': 8, 'b.bin': 8 })
    await succeed(['push', source, 'x', '--chunk-size', '1MiB', ...store])
  })

  it('SIGTERM in the middle of a join exits 143; started again, after a kill as well, it goes on where it stopped', async () => {
    const first = join('tree', ...SLOWLY)
    await first.line((line) => done(line) > 2 * MIB)
    first.kill('SIGTERM')
    const terminated = await first.ended
    assert.equal(terminated.code, 143)
    assert.equal(text(terminated.last, 'code'), 'terminated')
    const kept = Math.max(...first.lines.map(done))

    const second = join('tree', ...SLOWLY)
    const fetching = await second.line((line) => line['stage'] === 'fetching')
    assert.ok(number(fetching, 'fromSelf') >= kept, `${number(fetching, 'fromSelf')} of ${kept}`)
    // The lock that this leaves names a process 1 on this host, which the next one is, too.
    second.kill('SIGKILL')
    // What unshare makes of it differs between versions.
    await second.ended.catch(() => undefined)

    const { code, last, stderr } = await join('tree', '--linger', '0').ended
    assert.equal(code, 0, stderr)
    assert.ok(number(last, 'bytes.fromSelf') >= kept)
    assert.equal(last['shared'], false)
    await assertSameTree(source, `${folder}/tree`)
  })

  it('SIGTERM while it waits for a snapshot exits 143', async () => {
    const args = ['join', 'missing', `${folder}/none`, '--wait', '10m', ...LISTEN, ...store]
    const waiting = start(args, { isProcessOne: true })
    await waiting.line('waiting')
    waiting.kill('SIGTERM')
    assert.equal((await waiting.ended).code, 143)
  })

  it('SIGTERM and SIGINT after ready exit 0, with a summary', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const serving = join('served', '--linger', 'forever')
      await serving.line('ready')
      serving.kill(signal)
      const { code, last } = await serving.ended
      assert.equal(code, 0, signal)
      assert.equal(last.type, 'summary')
    }
  })

  it('it ends by itself when its tree is ready and nobody needs it', async () => {
    assert.equal((await join('alone').ended).code, 0)
  })
})

function done(line: Line): number {
  return line.type === 'progress' && line['stage'] === 'fetching' ? number(line, 'rawBytesDone') : 0
}
