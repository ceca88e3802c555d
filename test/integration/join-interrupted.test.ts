// Joins that are killed or interrupted, and run again without a flag.

import assert from 'node:assert/strict'
import { readdir, writeFile } from 'node:fs/promises'
import { type Command, LISTEN, type Line, number, start, succeed, text, useFolder } from '../support/cli.ts'
import { assertSameTree, describeTree, makeBlobs, makeWorkspace } from '../support/trees.ts'

const MIB = 1024 * 1024
/** So slow that a fifth of a snapshot takes longer than a kill, on whatever machine. */
const RATE_BYTES_PER_SEC = 5_000_000
/** A commit is due after one second; reading, syncing and journaling of what a slow disk delays may take two more. */
const COMMIT_WINDOW_BYTES = 3 * RATE_BYTES_PER_SEC
const KILLS = 3

describe('an interrupted join', function () {
  this.timeout(120_000)
  const folder = useFolder()
  const source = `${folder}/source`
  const store = ['--store', `file://${folder}/store`]
  /** One file, so that nothing is kept by files that are complete. */
  const single = `${folder}/single`
  const join = (directory: string, snapshot = 'x', ...more: string[]): string[] => [
    'join',
    snapshot,
    `${folder}/${directory}`,
    '--limit-store',
    `${RATE_BYTES_PER_SEC}`,
    ...LISTEN,
    ...store,
    ...more,
  ]
  let rawBytes = 0

  before(async () => {
    await makeWorkspace(source)
    await makeBlobs(source, { 'blobs/a': 4, 'blobs/b': 3.5, 'blobs/c': 1 })
    await makeBlobs(single, { 'one.bin': 32.3 })
    await succeed(['push', source, 'x', '--chunk-size', '1MiB', ...store])
    const pushed = await succeed(['push', single, 'single', '--chunk-size', '1MiB', ...store])
    rawBytes = number(pushed, 'bytes.raw')
  })

  it('D4: killed at random byte counts, it fetches less than a commit window again and never starts from zero', async () => {
    let kept = 0
    let atKill = 0
    for (let kill = 1; kill <= KILLS; kill++) {
      // Each in a later part of the snapshot; the last one lies beyond a commit window.
      const target = Math.floor(((kill - 1 + Math.random()) / KILLS) * 0.8 * rawBytes)
      const run = start(join('killed', 'single'))
      const resumed = await resumedBytes(run)
      assert.ok(resumed >= kept, `${kept} bytes were kept once and ${resumed} now`)
      assert.ok(atKill - resumed < COMMIT_WINDOW_BYTES, `${atKill - resumed} bytes are fetched again`)
      kept = resumed
      await run.line((line) => line.type === 'ready' || done(line) >= target)
      run.kill('SIGKILL')
      await run.ended.catch(() => undefined)
      assert.deepEqual(await describeTree(`${folder}/killed`), {}, 'half a file has no final name')
      atKill = Math.max(...run.lines.map(done))
      console.log(`      kill ${kill} at ${atKill} of ${rawBytes} bytes; ${resumed} were there before`)
    }
    const last = await succeed(join('killed', 'single'))
    const again = Math.max(0, atKill - number(last, 'bytes.fromSelf'))
    console.log(`      fetched again after the last kill: ${again} bytes`)
    assert.ok(again < COMMIT_WINDOW_BYTES)
    assert.ok(number(last, 'bytes.fromSelf') >= kept)
    await assertSameTree(single, `${folder}/killed`)
    await assert.rejects(readdir(`${folder}/killed/.swarm/partial`))
  })

  it('C1: SIGINT exits 130, says how to go on, and nothing that was stored is fetched again', async () => {
    const run = start(join('interrupted'))
    await run.line((line) => done(line) > 4 * MIB)
    const asked = performance.now()
    run.kill('SIGINT')
    const { code, last } = await run.ended
    console.log(`      ended ${Math.round(performance.now() - asked)} ms after the interrupt`)
    assert.equal(code, 130)
    assert.equal(text(last, 'code'), 'interrupted')
    assert.match(text(last, 'cure'), /again/)
    const atEnd = Math.max(...run.lines.map(done))
    const again = await succeed(join('interrupted'))
    assert.ok(number(again, 'bytes.fromSelf') >= atEnd, `${number(again, 'bytes.fromSelf')} of ${atEnd}`)
    await assertSameTree(source, `${folder}/interrupted`)
  })

  it('C2: SIGTERM exits 143', async () => {
    const run = start(join('terminated'))
    await run.line((line) => done(line) > 0)
    run.kill('SIGTERM')
    assert.equal((await run.ended).code, 143)
  })

  it('SIGINT after ready ends well', async () => {
    const run = start(join('interrupted', 'x', '--linger', 'forever'))
    await run.line('ready')
    run.kill('SIGINT')
    const { code, last } = await run.ended
    assert.equal(code, 0)
    assert.equal(last.type, 'summary')
  })

  it('SIGTERM after ready ends well, with a summary, while --on-ready still runs', async () => {
    const command = `for i in $(seq 300); do [ ! -e '${folder}/stop' ] || exit 0; sleep 0.1; done`
    // The end of a process is the end of its output, which the command shares.
    const onReady = `echo begun; exec >/dev/null 2>&1; ${command}`
    const run = start(join('interrupted', 'x', '--linger', '0', '--on-ready', onReady))
    try {
      await run.words(/^begun$/m)
      run.kill('SIGTERM')
      const { code, last } = await run.ended
      assert.equal(code, 0)
      assert.equal(last.type, 'summary')
    } finally {
      await writeFile(`${folder}/stop`, '')
    }
  })

  it('SIGINT ends a join that waits for another one in the same directory', async () => {
    // So slow that it is not done before the second one has started, on whatever machine.
    const first = start(join('shared', 'x', '--limit-store', `${RATE_BYTES_PER_SEC / 16}`))
    await first.line('listening')
    const second = start(join('shared', 'x', '--verbose'))
    await second.words(/waiting for process/)
    second.kill('SIGINT')
    assert.equal((await second.ended).code, 130)
    first.kill('SIGINT')
    assert.equal((await first.ended).code, 130)
  })
})

/** What a run found of an earlier one. */
async function resumedBytes(run: Command): Promise<number> {
  const line = await run.line((found) => found.type === 'ready' || found['stage'] === 'fetching')
  return line.type === 'ready' ? number(line, 'bytes.fromSelf') : number(line, 'fromSelf')
}

function done(line: Line): number {
  return line.type === 'progress' && line['stage'] === 'fetching' ? number(line, 'rawBytesDone') : 0
}
