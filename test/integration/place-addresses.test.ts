// A node in a rented container, as the variables of the place describe it: where it listens, what it tells.

import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { fail, start, succeed, text, useFolder } from '../support/cli.ts'

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  const bound = server.address()
  await new Promise((resolve) => server.close(resolve))
  assert.ok(typeof bound === 'object' && bound !== null)
  return bound.port
}

describe('addresses of a rented container', function () {
  this.timeout(120_000)
  const folder = useFolder()
  const vast = (port: number) => ({
    VAST_CONTAINERLABEL: 'C.24180553',
    PUBLIC_IPADDR: '203.0.113.52',
    VAST_TCP_PORT_70000: String(port),
  })

  before(async () => {
    await mkdir(`${folder}/tree`)
    await writeFile(`${folder}/tree/file`, 'content')
  })

  it('vast.ai: listens on the identity port, tells it beside its own addresses, and on no other when it is taken', async () => {
    const port = await freePort()
    const seeding = start(['seed', `${folder}/tree`, 'work', '--verbose'], { env: vast(port) })
    const listening = await seeding.line('listening')
    const addresses = Object.values(Object(listening['addrs'])).map((each) => String(each).replace(/\/p2p\/.*/, ''))
    assert.ok(addresses.includes(`/ip4/203.0.113.52/tcp/${port}`), addresses.join())
    const isLan = (each: string): boolean => !each.startsWith('/ip4/203.0.113.52/')
    const hosts = Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address) ?? [])
    // Where the machine has no network of its own, there is no second address to tell.
    const others = hosts.filter((host) => !/^127\.|:/.test(host))
    assert.equal(addresses.some(isLan), others.length > 0)
    for (const address of addresses.filter(isLan)) {
      const [, , host = '', , told] = address.split('/')
      assert.ok(others.includes(host) && told === String(port), address)
    }
    await seeding.words(/vast\.ai: listens on \/ip4\/0\.0\.0\.0\/tcp\/\d+, announces \/ip4\/203\.0\.113\.52\/tcp\//)

    const second = ['seed', `${folder}/tree`, 'work', '--state', `${folder}/state`]
    const refused = await fail(5, second, { env: vast(port) })
    assert.match(text(refused, 'message'), new RegExp(`cannot listen on /ip4/0.0.0.0/tcp/${port}: the port is taken`))

    const here = `/ip4/127.0.0.1/tcp/${port}/p2p/${text(listening, 'peerId')}`
    const args = ['join', text(listening, 'ticket'), `${folder}/copy`, '--peer', here]
    await succeed([...args, '--listen', '/ip4/127.0.0.1/tcp/0'])
    seeding.kill('SIGINT')
    assert.equal((await seeding.ended).code, 0)
  })

  it('vast.ai without a mapped port: seed warns and doctor says which to add', async () => {
    const env = { VAST_CONTAINERLABEL: 'C.24180553', PUBLIC_IPADDR: '203.0.113.52', VAST_TCP_PORT_22: '41822' }
    const seeding = start(['seed', `${folder}/tree`, 'work', '--state', `${folder}/state`], { env })
    await seeding.words(/dialling out only; to change that, .*-p 4001:4001/)
    seeding.kill('SIGINT')
    await seeding.ended
    const examining = start(['doctor'], { env })
    const finding = await examining.line((line) => line['check'] === 'place')
    assert.equal(finding['status'], 'warning')
    assert.match(text(finding, 'detail'), /^vast\.ai: listens on \/ip4\/0\.0\.0\.0\/tcp\/4001/)
    assert.match(text(finding, 'cure'), /-p 70000:70000/)
    examining.kill('SIGKILL')
    await examining.ended
  })
})
