// Whole joins on five hosts with shaped links and a real S3 server: what arrives, and how much of it left the server.

import assert from 'node:assert/strict'
import { Command, type Line, number, succeed, text, useFolder } from '../support/cli.ts'
import { Network, networkUnavailable } from '../support/netns.ts'
import { needPart } from '../support/prerequisites.ts'
import { type Rgw, type RgwKeys, rgwUnavailable, startRgw } from '../support/rgw.ts'
import { assertSameTree, makeBlobs, makeWorkspace } from '../support/trees.ts'

const MB = 1_000_000
const SERVER = 1
const JOINERS = [2, 3, 4, 5]
/** What the server may send to each host, and each host to all. Low, so that two cores keep up with five hosts. */
const ORIGIN_BYTES_PER_SEC = 8 * MB
const LINK_BYTES_PER_SEC = 64 * MB
/** Bytes out of the server's interface for each encoded byte: one copy, 5 % of headers, and few chunks twice. */
const COPIES_MAX = 1.15
const SUITE_TIMEOUT_MS = 180_000
/** The smallest, because what is read twice at the beginning and the end is counted in chunks. */
const CHUNK_SIZE = ['--chunk-size', '1MiB']

describe('five hosts in network namespaces', function () {
  this.timeout(SUITE_TIMEOUT_MS)
  const folder = useFolder()
  const source = `${folder}/source`
  let network: Network

  before(async function () {
    needPart(this, 'netns', networkUnavailable())
    await makeWorkspace(source)
    await makeBlobs(source, { 'model/a.bin': 40, 'model/b.bin': 30, 'model/c.bin': 19.5 })
    network = await createNetwork()
  })

  after(() => network?.remove())

  describe('with a bucket on one of them (Ceph RADOS gateway)', () => {
    let rgw: Rgw
    let bucket: string
    let encodedBytes: number

    before(async function () {
      needPart(this, 'rgw', rgwUnavailable())
      rgw = await startRgw({ ip: network.address(SERVER), namespace: network.namespace(SERVER) })
      bucket = await rgw.createBucket()
      const pushed = await succeed(['push', source, 'five', ...CHUNK_SIZE, '--store', `s3://${bucket}`], {
        namespace: network.namespace(SERVER),
        env: rgw.env(),
      })
      encodedBytes = number(pushed, 'bytes.encoded')
    })

    after(() => rgw?.stop())

    function join(where: Network, host: number, target: string, keys?: RgwKeys, ...flags: string[]): Command {
      const args = ['join', 'five', target, '--store', `s3://${bucket}`, ...flags]
      return new Command(args, { namespace: where.namespace(host), env: rgw.env(keys) })
    }

    it('four joins end with the source’s tree, and the server sends the snapshot about once', async () => {
      const before = await network.sentBytes(SERVER)
      const target = (host: number) => `${folder}/together-${host}`
      const reports = await endAll(JOINERS.map((host) => join(network, host, target(host))))
      const copies = ((await network.sentBytes(SERVER)) - before) / encodedBytes
      console.log(`      ${copies.toFixed(3)} x the encoded snapshot left the server`)
      for (const host of JOINERS) await assertSameTree(source, target(host))
      for (const report of reports) assert.ok(number(report, 'bytes.fromPeers') > number(report, 'bytes.fromStore'))
      assert.ok(copies <= COPIES_MAX, `${copies} copies`)
    })

    it('a node that may only read the bucket, given one peer, receives from peers and gives to them', async () => {
      const keys = await rgw.createReader()
      const target = (host: number) => `${folder}/reader-${host}`
      const first = join(network, 2, target(2))
      const [peer = ''] = addresses(await first.line('listening'))
      const reader = join(network, 3, target(3), keys, '--peer', peer)
      const [report] = await endAll([reader, first, join(network, 4, target(4))])
      for (const host of [2, 3, 4]) await assertSameTree(source, target(host))
      assert.ok(report !== undefined)
      for (const field of ['fromStore', 'fromPeers', 'toPeers']) assert.ok(number(report, `bytes.${field}`) > 0, field)
    })

    it('everyone finishes when two hosts refuse all inbound connections', async () => {
      const closed = [4, 5]
      for (const host of closed) await network.refuseInbound(host)
      const target = (host: number) => `${folder}/closed-${host}`
      const reports = await endAll(JOINERS.map((host) => join(network, host, target(host))))
      for (const host of JOINERS) await assertSameTree(source, target(host))
      for (const report of reports) assert.ok(number(report, 'bytes.toPeers') > 0, 'a node gave nothing')
      // They cannot reach each other, and have tried.
      const refused = await Promise.all(closed.map((host) => network.refusedConnections(host)))
      assert.ok(Math.max(...refused) > 0)
    })
  })

  it('without a bucket, three joins with the ticket of a seed get manifest and tree from peers', async () => {
    const network = await createNetwork()
    const seed = new Command(['seed', source, ...CHUNK_SIZE], { namespace: network.namespace(SERVER) })
    const ticket = text(await seed.line('listening'), 'ticket')
    const hosts = [2, 3, 4]
    const target = (host: number) => `${folder}/seeded-${host}`
    const reports = await endAll(
      hosts.map((host) => new Command(['join', ticket, target(host)], { namespace: network.namespace(host) })),
    )
    for (const host of hosts) await assertSameTree(source, target(host))
    for (const report of reports) {
      assert.equal(report['store'], null)
      assert.equal(number(report, 'bytes.fromPeers'), number(report, 'bytes.encoded'))
    }
    seed.kill('SIGTERM')
    const { code, last } = await seed.ended
    assert.equal(code, 0)
    assert.ok(number(last, 'bytes.toPeers') >= number(last, 'bytes.encoded'), 'nobody else had it at first')
    network.remove()
  })

  async function createNetwork(): Promise<Network> {
    const made = await Network.create(JOINERS.length + 1)
    for (const host of JOINERS) {
      await made.limitHost(host, LINK_BYTES_PER_SEC)
      await made.limitPair(SERVER, host, ORIGIN_BYTES_PER_SEC)
    }
    return made
  }
})

/** Waits for all; each must succeed. Returns the summaries in order. */
async function endAll(commands: readonly Command[]): Promise<Line[]> {
  const ends = await Promise.all(commands.map((command) => command.ended))
  for (const { code, last, stderr } of ends) assert.equal(code, 0, `${JSON.stringify(last)} ${stderr}`)
  return ends.map(({ last }) => last)
}

function addresses(listening: Line): string[] {
  const { addrs } = listening
  assert.ok(Array.isArray(addrs))
  return addrs.map(String)
}
