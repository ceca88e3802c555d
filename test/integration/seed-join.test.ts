// No bucket: one machine seeds its directory, others join with its ticket.

import assert from 'node:assert/strict'
import { stat, writeFile } from 'node:fs/promises'
import { type Command, fail, LISTEN, number, start, succeed, text, useFolder } from '../support/cli.ts'
import { assertSameTree, makeWorkspace } from '../support/trees.ts'

describe('seed and join without a store', function () {
  this.timeout(120_000)
  const folder = useFolder()
  const source = `${folder}/source`
  let seeding: Command
  let ticket = ''
  let address = ''

  const seed = (...more: string[]): string[] => ['seed', source, 'work', '--chunk-size', '1MiB', ...more]

  before(async () => {
    await makeWorkspace(source)
    seeding = start(seed(...LISTEN))
    const listening = await seeding.line('listening')
    ticket = text(listening, 'ticket')
    address = String(Object(listening['addrs'])[0])
  })

  it('three joins with the ticket, given in three ways, end with identical trees', async () => {
    await writeFile(`${folder}/ticket`, `${ticket}\n`)
    const joins = await Promise.all([
      succeed(['join', '-', `${folder}/one`, ...LISTEN], { env: { SWARM_TICKET: ticket } }),
      succeed(['join', '-', `${folder}/two`, ...LISTEN], { input: `${ticket}\n` }),
      succeed(['join', `@${folder}/ticket`, `${folder}/three`, ...LISTEN]),
    ])
    for (const summary of joins) {
      assert.equal(summary['store'], null)
      assert.equal(number(summary, 'bytes.fromStore'), 0)
      assert.ok(number(summary, 'bytes.fromPeers') >= number(summary, 'bytes.encoded'))
      assert.equal(summary['snapshot'], 'work')
    }
    for (const copy of ['one', 'two', 'three']) await assertSameTree(source, `${folder}/${copy}`)
    assert.equal((await stat(`${folder}/one/.swarm/ready`)).isFile(), true)
  })

  it('inspect and verify work with a ticket alone', async () => {
    const summary = await succeed(['inspect', ticket])
    assert.equal(summary['snapshot'], 'work')
    await succeed(['verify', ticket, `${folder}/one`])
  })

  it('a second seed of the same directory exits 10', async () => {
    const { code, last } = await start(seed(...LISTEN)).ended
    assert.equal(code, 10)
    assert.match(text(last, 'cure'), /--state/)
  })

  it('SIGINT ends it well, with what it sent', async () => {
    seeding.kill('SIGINT')
    const { code, last } = await seeding.ended
    assert.equal(code, 0)
    assert.ok(number(last, 'bytes.toPeers') >= number(last, 'bytes.encoded'))
  })

  it('after a restart, even from a kill, the old ticket still works', async () => {
    const [, port] = /\/tcp\/(\d+)/.exec(address) ?? []
    const killed = start(seed('--listen', `/ip4/127.0.0.1/tcp/${port}`))
    await killed.line('listening')
    killed.kill('SIGKILL')
    await killed.ended
    const again = start(seed('--listen', `/ip4/127.0.0.1/tcp/${port}`))
    await again.line('listening')
    await succeed(['join', ticket, `${folder}/late`, ...LISTEN])
    await assertSameTree(source, `${folder}/late`)
    again.kill('SIGINT')
    assert.equal((await again.ended).code, 0)
  })

  it('a seed that only dials goes on although nobody is there, and ends well', async () => {
    const lonely = start(seed('--listen', '', '--state', `${folder}/lonely`))
    const listening = await lonely.line('listening')
    assert.deepEqual(listening['addrs'], [])
    const nobody = await fail(2, ['join', text(listening, 'ticket'), `${folder}/none`, ...LISTEN])
    assert.match(text(nobody, 'message'), /no peer to ask/)
    lonely.kill('SIGINT')
    assert.equal((await lonely.ended).code, 0)
  })

  it('a join that was killed goes on with what it has', async () => {
    const again = start(seed(...LISTEN, '--state', `${folder}/state`))
    const fresh = text(await again.line('listening'), 'ticket')
    const limited = ['join', fresh, `${folder}/killed`, '--limit-down', '3M', ...LISTEN]
    const first = start(limited)
    await first.line((line) => line['stage'] === 'fetching' && number(line, 'rawBytesDone') > 0)
    first.kill('SIGINT')
    assert.equal((await first.ended).code, 130)
    const summary = await succeed(limited.filter((arg) => !/limit|3M/.test(arg)))
    assert.ok(number(summary, 'bytes.fromSelf') > 0)
    await assertSameTree(source, `${folder}/killed`)
    again.kill('SIGINT')
    assert.equal((await again.ended).code, 0)
  })

  it('chunks of --codec ans-fast are made again from the files, by the seed and by who joined it', async () => {
    const seeded = start(seed(...LISTEN, '--state', `${folder}/fast-state`, '--codec', 'ans-fast'))
    const fast = text(await seeded.line('listening'), 'ticket')
    const codecs = Object((await succeed(['inspect', fast]))['codecs'])
    assert.ok(codecs['ans-fast'] > 0 && codecs['ans'] === undefined && codecs['zstd'] === undefined)
    const first = start(['join', fast, `${folder}/fast`, '--linger', 'forever', ...LISTEN])
    await first.line('ready')
    await assertSameTree(source, `${folder}/fast`)
    const address = String(Object((await first.line('listening'))['addrs'])[0])
    seeded.kill('SIGINT')
    assert.equal((await seeded.ended).code, 0)
    await succeed(['join', fast, `${folder}/faster`, '--peer', address, ...LISTEN])
    await assertSameTree(source, `${folder}/faster`)
    first.kill('SIGINT')
    assert.equal((await first.ended).code, 0)
  })

  it('push --seed serves what it pushed', async () => {
    const pushing = start(['push', source, 'x', '--seed', ...LISTEN, '--store', `file://${folder}/store`])
    await pushing.line('ready')
    const listening = await pushing.line('listening')
    const args = ['join', text(listening, 'ticket'), `${folder}/pushed`, '--origin', 'never', ...LISTEN]
    const summary = await succeed(args)
    assert.equal(number(summary, 'bytes.fromStore'), 0)
    await assertSameTree(source, `${folder}/pushed`)
    pushing.kill('SIGINT')
    assert.equal((await pushing.ended).code, 0)
  })
})
