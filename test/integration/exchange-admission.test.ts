// Who gets in, over real connections on loopback: wrong keys, wrong versions, racks, floods of connections, double dials.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { isSwarmError } from '../../src/base/errors.ts'
import { ControlStream } from '../../src/exchange/control-stream.ts'
import { CONNECTIONS_PER_PEER_MAX, CONTROL_MESSAGE_BYTES_MAX } from '../../src/exchange/limits.ts'
import { CONTROL_PROTOCOL, deriveSecrets, PAYLOAD_PROTOCOL } from '../../src/exchange/membership.ts'
import { encodeMessage, parseMessage } from '../../src/exchange/messages.ts'
import { chunk, SWARM_KEY, someBytes, startTestNode, stopTestNodes, type TestNode } from '../support/exchange-node.ts'
import { admitRawPeer, startStockNode, stopRawPeers } from '../support/exchange-raw-peer.ts'

describe('exchange admission', () => {
  afterEach(async () => {
    await stopTestNodes()
    await stopRawPeers()
  })

  const firstAddress = (node: TestNode) => node.exchange.addresses()[0] ?? ''
  const ups = (node: TestNode) => node.happenings.filter((each) => each.type === 'up').length
  const downs = (node: TestNode) => node.happenings.filter((each) => each.type === 'down').length

  it('refuses a peer of another swarm with one log line and no peer on either side (P14, P15)', async () => {
    const [ours, theirs] = [await startTestNode(), await startTestNode({ swarmKey: new Uint8Array(32).fill(8) })]
    const outcome = await theirs.exchange.dial(ours.exchange.addresses())
    assert.equal(outcome.status, 'wrongSwarm')
    await ours.until('log')
    assert.deepEqual([ups(ours), ups(theirs)], [0, 0])
    assert.equal(ours.happenings.length, 1)
    assert.deepEqual(ours.exchange.peers(), [])
  })

  it('says nothing but the refusal to an initiator that names another swarm (P15)', async () => {
    const ours = await startTestNode()
    const stock = await startStockNode()
    const connection = await stock.dial(multiaddr(firstAddress(ours)))
    const control = new ControlStream(await connection.newStream(CONTROL_PROTOCOL))
    const foreign = deriveSecrets(new Uint8Array(32).fill(8))
    control.send(
      encodeMessage({
        type: 'hello',
        swarmId: foreign.swarmId,
        nonce: new Uint8Array(32),
        capabilities: [],
        listens: false,
        agentVersion: '',
      }),
    )
    const heard = await control.next()
    assert.deepEqual(heard === undefined ? undefined : parseMessage(heard), { type: 'error', reason: 'wrongSwarm' })
    assert.equal(await control.next(), undefined)
  })

  it('refuses a peer that names this swarm without its key (P14)', async () => {
    const ours = await startTestNode()
    const stock = await startStockNode()
    const connection = await stock.dial(multiaddr(firstAddress(ours)))
    const control = new ControlStream(await connection.newStream(CONTROL_PROTOCOL))
    const { swarmId } = deriveSecrets(SWARM_KEY)
    const nonce = new Uint8Array(32)
    control.send(encodeMessage({ type: 'hello', swarmId, nonce, capabilities: [], listens: false, agentVersion: '' }))
    const hello = await control.next()
    assert.equal(hello === undefined ? undefined : parseMessage(hello).type, 'hello')
    control.send(encodeMessage({ type: 'proof', keyProof: new Uint8Array(32) }))
    const answer = await control.next()
    assert.deepEqual(answer === undefined ? undefined : parseMessage(answer), { type: 'error', reason: 'wrongKey' })
    assert.equal(ups(ours), 0)
  })

  it('takes no payload stream from a connection that proved nothing', async () => {
    const ours = await startTestNode()
    const stock = await startStockNode()
    const connection = await stock.dial(multiaddr(firstAddress(ours)))
    const stream = await connection.newStream(PAYLOAD_PROTOCOL)
    if (stream.status === 'open') await once(stream, 'close')
    assert.equal(stream.status, 'reset')
  })

  it('answers "upgrade" when the other end speaks no common version (P16)', async () => {
    const ours = await startTestNode()
    const other = await startStockNode(['/ip4/127.0.0.1/tcp/0'])
    const outcome = await ours.exchange.dial(other.getMultiaddrs().map(String))
    assert.equal(outcome.status, 'upgrade')
  })

  it('tells that nobody answers at an address', async () => {
    const ours = await startTestNode()
    const outcome = await ours.exchange.dial('/ip4/127.0.0.1/tcp/1')
    assert.equal(outcome.status, 'unreachable')
    assert.equal((await ours.exchange.dial('nonsense')).status, 'unreachable')
  })

  it('admits 40 nodes that come from one address in the same second (P13)', async () => {
    const hub = await startTestNode()
    const nodes = await Promise.all(Array.from({ length: 40 }, () => startTestNode({ listen: [] })))
    const outcomes = await Promise.all(nodes.map((node) => node.exchange.dial(hub.exchange.addresses())))
    assert.deepEqual(new Set(outcomes.map((outcome) => outcome.status)), new Set(['connected']))
    await Promise.all(nodes.map((node) => hub.until('up', ({ peer }) => peer === node.exchange.peerId)))
    assert.equal(hub.exchange.peers().length, 40)
  })

  it('keeps few of the connections that one peer opens (P12)', async () => {
    const ours = await startTestNode()
    const raw = await admitRawPeer(firstAddress(ours))
    for (let count = 0; count < 12; count++) {
      // One by one: the library makes one of dials that run together.
      const connection = await raw.node.dial(multiaddr(firstAddress(ours)), { force: true }).catch(() => undefined)
      // An answer, even a refusal, shows that the other end has decided about the connection.
      await connection?.newStream('/none/1.0.0').catch(() => {})
    }
    const open = raw.node.getConnections().filter((connection) => connection.status === 'open')
    assert.ok(open.length > 1 && open.length <= CONNECTIONS_PER_PEER_MAX, `${open.length} connections are open`)
    assert.deepEqual(ours.exchange.peers(), [raw.peer])
  })

  it('resets the streams that a peer opens beyond its one of each kind (P12)', async () => {
    const ours = await startTestNode()
    const raw = await admitRawPeer(firstAddress(ours))
    const extra = await raw.connection.newStream(CONTROL_PROTOCOL, { maxOutboundStreams: 100 })
    if (extra.status === 'open') await once(extra, 'close')
    assert.notEqual(extra.status, 'open')
    assert.equal(downs(ours), 0)
  })

  it('collapses simultaneous dials into one peer that never seems to leave', async () => {
    for (let round = 0; round < 5; round++) {
      const [first, second] = [await startTestNode(), await startTestNode()]
      const outcomes = await Promise.all([
        first.exchange.dial(second.exchange.addresses()),
        second.exchange.dial(first.exchange.addresses()),
        first.exchange.dial(second.exchange.addresses()),
      ])
      assert.deepEqual(new Set(outcomes.map((outcome) => outcome.status)), new Set(['connected']))
      await Promise.all([first.until('up'), second.until('up')])
      const bytes = someBytes(100_000, round)
      first.serves.set(1, bytes)
      second.serves.set(1, bytes)
      for (const [asker, server] of [
        [first, second],
        [second, first],
      ] as const) {
        const into = new Uint8Array(bytes.length)
        const outcome = await asker.exchange.request(server.exchange.peerId, chunk(1), 0, into)
        assert.equal(outcome.status, 'ok')
        assert.ok(Buffer.from(into).equals(bytes))
      }
      assert.deepEqual([ups(first), ups(second), downs(first), downs(second)], [1, 1, 0, 0])
    }
  })

  it('refuses the identity of a dropped peer when it comes back', async () => {
    const [ours, theirs] = [await startTestNode(), await startTestNode()]
    await theirs.exchange.dial(ours.exchange.addresses())
    const { peer } = await ours.until('up')
    ours.exchange.drop(peer, 'corrupt')
    assert.equal((await ours.until('down')).reason, 'dropped')
    await theirs.until('down')
    assert.notEqual((await theirs.exchange.dial(ours.exchange.addresses())).status, 'connected')
  })

  it('lets a peer that was disconnected without blame come back', async () => {
    const [ours, theirs] = [await startTestNode(), await startTestNode()]
    await theirs.exchange.dial(ours.exchange.addresses())
    const { peer } = await ours.until('up')
    ours.exchange.disconnect(peer)
    assert.equal((await theirs.until('down')).reason, 'closed')
    assert.equal((await theirs.exchange.dial(ours.exchange.addresses())).status, 'connected')
  })

  it('resets a control stream whose length prefix says 4 GiB before keeping anything (P7)', async () => {
    const ours = await startTestNode()
    const stock = await startStockNode()
    const connection = await stock.dial(multiaddr(firstAddress(ours)))
    const stream = await connection.newStream(CONTROL_PROTOCOL)
    stream.send(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x10))
    if (connection.status === 'open') await once(connection, 'close')
    assert.equal(ups(ours), 0)
    assert.ok(CONTROL_MESSAGE_BYTES_MAX < 2 ** 32)
  })

  it('takes the next free port when nobody asked for the taken one, and fails when somebody did', async () => {
    const holder = createServer()
    holder.listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const address = holder.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const listen = [`/ip4/127.0.0.1/tcp/${port}`]
    const moved = await startTestNode({ listen, listenIsDefault: true })
    const movedPort = Number(/tcp\/(\d+)/.exec(firstAddress(moved))?.[1])
    assert.ok(movedPort > port && movedPort <= port + 20)
    await assert.rejects(
      startTestNode({ listen }),
      (error) => isSwarmError(error) && error.code === 'networkUnavailable',
    )
    await assert.rejects(startTestNode({ listen: ['4001'] }), (error) => isSwarmError(error) && error.code === 'usage')
    holder.close()
  })

  it('closes a connection that never proves anything, and its TCP socket with it', async () => {
    const ours = await startTestNode()
    const port = Number(/tcp\/(\d+)/.exec(firstAddress(ours))?.[1])
    const socket = connect(port, '127.0.0.1')
    socket.end('GET / HTTP/1.1\r\n\r\n')
    socket.resume()
    await once(socket, 'close')
    assert.deepEqual(ours.exchange.peers(), [])
  })
})
