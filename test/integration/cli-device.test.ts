// push, join and seed with a GPU, for which the processor stands in: same chunks, same trees, and faults that cost a warning.

import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { LISTEN, type Line, start, succeed, swarm, text, useFolder } from '../support/cli.ts'
import { bf16Weights, concat } from '../support/codec-samples.ts'
import { assertSameTree } from '../support/trees.ts'

const STAND_IN = { env: { SWARM_CODEC_DEVICE: 'host-warp' } }

describe('transfers on a device', function () {
  this.timeout(120_000)
  const folder = useFolder()
  const source = `${folder}/source`
  const store = ['--store', `file://${folder}/store`]
  let pushed: Line

  function join(name: string, ...flags: string[]): string[] {
    return ['join', 'weights', `${folder}/${name}`, ...LISTEN, ...store, ...flags]
  }

  before(async () => {
    await mkdir(source)
    const weights = bf16Weights(250_000, 0.02, 1)
    // Four chunks with places of their own, one of them at an odd byte, and small files that share one.
    await writeFile(`${source}/model.bin`, concat([1], weights, weights.toReversed(), weights.subarray(2)))
    for (const name of ['a', 'b', 'c']) await writeFile(`${source}/${name}.bin`, bf16Weights(9000, 0.1, name.length))
    pushed = await succeed(['push', source, 'weights', '--chunk-size', '1MiB', ...store])
  })

  it('push makes the same chunks as the processor', async () => {
    const other = ['--store', `file://${folder}/other`]
    const push = ['push', source, 'weights', '--chunk-size', '1MiB', '--device', 'cuda', ...other]
    const { code, last } = await swarm(push, STAND_IN)
    assert.deepEqual([code, last['root'], last['device']], [0, pushed['root'], 'host-warp'])
  })

  it('join restores the same tree and says what did it', async () => {
    const { code, last, stderr } = await swarm(join('copy', '--device', 'cuda'), STAND_IN)
    assert.deepEqual([code, text(last, 'device')], [0, 'host-warp'], stderr)
    await assertSameTree(source, `${folder}/copy`)
  })

  it('seed and join without a bucket, both on a device', async () => {
    const seed = start(['seed', source, ...LISTEN, '--chunk-size', '1MiB', '--device', 'cuda'], STAND_IN)
    const ticket = text(await seed.line('listening'), 'ticket')
    const { code, stderr } = await swarm(
      ['join', ticket, `${folder}/from-seed`, ...LISTEN, '--device', 'cuda'],
      STAND_IN,
    )
    assert.equal(code, 0, stderr)
    seed.kill('SIGINT')
    await seed.ended
    await assertSameTree(source, `${folder}/from-seed`)
  })

  it('G6: a device that fails in the middle costs a warning; the processor finishes', async () => {
    const { code, lines, last } = await swarm(join('after-fault', '--device', 'cuda'), {
      env: { SWARM_CODEC_DEVICE: 'host-warp:0' },
    })
    assert.deepEqual([code, text(last, 'device')], [0, 'cpu'])
    const warnings = lines.filter(({ type }) => type === 'warning').map((line) => text(line, 'message'))
    assert.equal(warnings.filter((warning) => /the GPU is not used any more/.test(warning)).length, 1)
    await assertSameTree(source, `${folder}/after-fault`)
  })

  it('a stand-in that is not known is refused', async () => {
    const { code, stderr } = await swarm(join('none', '--device', 'cuda'), { env: { SWARM_CODEC_DEVICE: 'abacus' } })
    assert.equal(code, 2)
    assert.match(stderr, /abacus/)
  })
})
