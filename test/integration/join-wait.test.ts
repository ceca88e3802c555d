// A machine that starts first: join --wait, before there is a snapshot, before there is a source.

import assert from 'node:assert/strict'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { fail, LISTEN, type Line, number, start, succeed, swarm, text, useFolder } from '../support/cli.ts'
import { assertSameTree, makeWorkspace } from '../support/trees.ts'

describe('join --wait', function () {
  this.timeout(120_000)
  const folder = useFolder()
  const source = `${folder}/source`
  const store = ['--store', `file://${folder}/store`]
  const isWaiting = (what: string) => (line: Line) => line.type === 'waiting' && line['for'] === what

  before(() => makeWorkspace(source))

  it('waits for a snapshot that is pushed later, and says so once', async () => {
    const joining = start(['join', 'later', `${folder}/later`, ...LISTEN, ...store], { env: { SWARM_WAIT: '10m' } })
    const waiting = await joining.line(isWaiting('snapshot'))
    assert.equal(number(waiting, 'seconds'), 600)
    await succeed(['push', source, 'later', ...store])
    const { code, lines, stderr } = await joining.ended
    assert.equal(code, 0, stderr)
    assert.equal(lines.filter(({ type }) => type === 'waiting').length, 1)
    await assertSameTree(source, `${folder}/later`)
  })

  it('waits for a version with a certain root', async () => {
    await mkdir(`${folder}/next`)
    await writeFile(`${folder}/next/file`, 'next')
    const root = text(await succeed(['push', `${folder}/next`, 'elsewhere', ...store]), 'root')
    const args = ['join', `later@${root}`, `${folder}/versions`, '--wait', '10m', ...LISTEN, ...store]
    const joining = start(args)
    await joining.line(isWaiting('snapshot'))
    await succeed(['push', `${folder}/next`, 'later', ...store])
    assert.equal((await joining.ended).code, 0)
    await assertSameTree(`${folder}/next`, `${folder}/versions`)
  })

  it('waits for a source that seeds later', async () => {
    const seed = (listen: string) => start(['seed', source, 'work', '--listen', listen])
    const first = seed('/ip4/127.0.0.1/tcp/0')
    const listening = await first.line('listening')
    first.kill('SIGINT')
    await first.ended
    const joining = start(['join', text(listening, 'ticket'), `${folder}/early`, '--wait', '10m', ...LISTEN])
    await joining.line(isWaiting('source'))
    const [, port = ''] = /\/tcp\/(\d+)/.exec(String(Object(listening['addrs'])[0])) ?? []
    const again = seed(`/ip4/127.0.0.1/tcp/${port}`)
    const { code, stderr } = await joining.ended
    assert.equal(code, 0, stderr)
    await assertSameTree(source, `${folder}/early`)
    again.kill('SIGINT')
    await again.ended
  })

  it('waits for the store of a ticket to hold the manifest', async () => {
    const other = ['--store', `file://${folder}/other`]
    await succeed(['push', source, 'work', ...other])
    const ticket = text(await succeed(['ticket', 'work', ...other]), 'ticket')
    await rename(`${folder}/other/manifests`, `${folder}/other/manifests.away`)
    await fail(6, ['join', ticket, `${folder}/none`, ...LISTEN])
    const joining = start(['join', ticket, `${folder}/uploaded`, '--wait', '10m', ...LISTEN])
    await joining.line(isWaiting('source'))
    await rename(`${folder}/other/manifests.away`, `${folder}/other/manifests`)
    assert.equal((await joining.ended).code, 0)
    await assertSameTree(source, `${folder}/uploaded`)
  })

  it('ends as it does without when the time is over: 8 without a snapshot, 5 without a source', async () => {
    const seeding = start(['seed', source, 'work', ...LISTEN])
    const ticket = text(await seeding.line('listening'), 'ticket')
    seeding.kill('SIGINT')
    await seeding.ended
    const joining = (what: string, ...more: string[]) => ['join', what, `${folder}/none`, '--wait', '2500ms', ...more]
    const missing = await fail(8, joining('missing', ...LISTEN, ...store))
    assert.match(text(missing, 'message'), /there is no snapshot missing/)
    const unreachable = await fail(5, joining(ticket, ...LISTEN))
    assert.match(text(unreachable, 'message'), /no peer could be reached within \d s$/)
  })

  it('an interrupt ends it with 130, a shorter deadline with 11', async () => {
    const args = ['join', 'missing', `${folder}/none`, '--wait', '10m', ...LISTEN, ...store]
    const joining = start(args)
    await joining.line(isWaiting('snapshot'))
    joining.kill('SIGINT')
    assert.equal((await joining.ended).code, 130)
    await fail(11, [...args, '--deadline', '1s'])
  })

  it('does not wait for what is wrong: refused credentials, no store at all, the key of another swarm', async () => {
    await succeed(['push', source, 'whole', ...store])
    const away = ['join', 'whole', `${folder}/none`, '--wait', '10m']
    await fail(4, [...away, '--store', 's3://bucket/x'], { env: { AWS_PROFILE: 'no-such-profile' } })
    await fail(2, [...away, '--store', 'gopher://x'])
    const seeding = start(['seed', `${folder}/next`, 'other', ...LISTEN])
    const other = await seeding.line('listening')
    const address = String(Object(other['addrs'])[0]).replace(/\/p2p\/.*/, '')
    const ticket = text(await succeed(['ticket', 'whole', ...store]), 'ticket')
    await rename(`${folder}/store/manifests`, `${folder}/store/manifests.away`)
    const refused = ['join', ticket, `${folder}/none`, '--wait', '10m', '--peer', address, ...LISTEN]
    assert.match(text(await fail(4, refused), 'message'), /another swarm/)
    await rename(`${folder}/store/manifests.away`, `${folder}/store/manifests`)
    seeding.kill('SIGINT')
    await seeding.ended
  })

  it('--no-wait is about the lock, in any order with --wait and SWARM_WAIT', async () => {
    const target = `${folder}/locked`
    const first = start(['join', 'whole', target, '--linger', 'forever', ...LISTEN, ...store])
    await first.line('ready')
    const orders = [['--no-wait', '--wait', '10m'], ['--wait', '10m', '--no-wait'], ['--no-wait']]
    for (const order of orders) {
      await fail(10, ['join', 'whole', target, ...order, ...LISTEN, ...store], { env: { SWARM_WAIT: '9m' } })
    }
    // Without it the second one shares the result of the first, also where SWARM_WAIT is set.
    const shared = await swarm(['join', 'whole', target, ...LISTEN, ...store], { env: { SWARM_WAIT: '9m' } })
    assert.equal(shared.code, 0)
    assert.equal(shared.last['shared'], true)
    const waiting = start(['join', 'missing', `${folder}/none`, '--no-wait', '--wait', '10m', ...LISTEN, ...store])
    await waiting.line(isWaiting('snapshot'))
    waiting.kill('SIGINT')
    await waiting.ended
    first.kill('SIGINT')
    await first.ended
  })
})
