// Peers that introduce each other, and find out who can be dialled, over real connections on loopback.

import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { dialBack, speaksLibp2p } from '../../src/exchange/dial-back.ts'
import { RECORDS_HEARD_PER_TICK_MAX, RECORDS_PER_MESSAGE_MAX } from '../../src/exchange/limits.ts'
import { openRecord, sealRecord } from '../../src/exchange/records.ts'
import { startTestNode, stopTestNodes } from '../support/exchange-node.ts'
import { admitRawPeer, startStockNode, stopRawPeers } from '../support/exchange-raw-peer.ts'

describe('exchange introductions', () => {
  afterEach(async () => {
    await stopTestNodes()
    await stopRawPeers()
  })

  it('introduces C to A through B, and C can dial what it heard (P17)', async () => {
    const [a, b, c] = [await startTestNode(), await startTestNode(), await startTestNode()]
    await a.exchange.dial(b.exchange.addresses())
    await c.exchange.dial(b.exchange.addresses())
    const { candidates } = await c.until('heard', (each) => each.candidates[0]?.peer === a.exchange.peerId)
    const outcome = await c.exchange.dial(candidates[0]?.addresses ?? [])
    assert.deepEqual(outcome, { status: 'connected', peer: a.exchange.peerId })
    assert.ok(a.exchange.reachable)
  })

  it('tells connected peers of one that joins later', async () => {
    const [a, b, c] = [await startTestNode({ listen: [] }), await startTestNode(), await startTestNode()]
    await a.exchange.dial(b.exchange.addresses())
    await c.exchange.dial(b.exchange.addresses())
    const { candidates } = await a.until('heard')
    assert.equal(candidates[0]?.peer, c.exchange.peerId)
    assert.deepEqual(candidates[0]?.addresses, c.exchange.addresses())
  })

  it('introduces nobody who only dials', async () => {
    const [a, b, c] = [await startTestNode({ listen: [] }), await startTestNode(), await startTestNode()]
    await a.exchange.dial(b.exchange.addresses())
    await c.exchange.dial(b.exchange.addresses())
    await a.until('heard')
    assert.equal(c.happenings.filter((each) => each.type === 'heard').length, 0)
    assert.equal(a.exchange.reachable, false)
  })

  it('looks at few of the records that a peer floods it with, and believes no forged one (P24)', async () => {
    const node = await startTestNode()
    const raw = await admitRawPeer(node.exchange.addresses()[0] ?? '')
    const records: Uint8Array[] = []
    for (let count = 0; count < RECORDS_PER_MESSAGE_MAX; count++) {
      records.push(await sealRecord(await generateKeyPair('Ed25519'), [multiaddr('/ip4/203.0.113.7/tcp/4001')]))
    }
    const forged = Uint8Array.from(records[0] ?? [])
    forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1
    raw.send({ type: 'peers', records: [forged] })
    for (let repeat = 0; repeat < 20; repeat++) raw.send({ type: 'peers', records })
    raw.send({ type: 'status', progress: 'done', readsOrigin: false, holdsAll: true, site: '' })
    await node.until('message')
    const { candidates } = await node.until('heard')
    assert.ok(candidates.length <= RECORDS_HEARD_PER_TICK_MAX)
    const forgedPeer = (await openRecord(records[0] ?? new Uint8Array()))?.peer
    assert.ok(forgedPeer !== undefined)
    assert.equal(await openRecord(forged), undefined)
    const heard = node.happenings.flatMap((each) => (each.type === 'heard' ? each.candidates : []))
    assert.ok(heard.length <= RECORDS_HEARD_PER_TICK_MAX)
  })

  it('finds by dial-back that a libp2p node answers, that silence and other servers do not, and tries nobody else (P17)', async () => {
    const stock = await startStockNode(['/ip4/127.0.0.1/tcp/0'])
    const address = stock.getMultiaddrs()[0]?.decapsulateCode(421)
    const other = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.6 and more words\r\n'))
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const bound = other.address()
    const otherPort = typeof bound === 'object' && bound !== null ? bound.port : 0
    const question = [
      address?.bytes ?? new Uint8Array(),
      multiaddr('/ip4/127.0.0.1/tcp/1').bytes,
      multiaddr(`/ip4/127.0.0.1/tcp/${otherPort}`).bytes,
      multiaddr('/ip4/192.0.2.1/tcp/22').bytes,
      Uint8Array.of(1, 2, 3),
    ]
    assert.deepEqual(await dialBack(question, '127.0.0.1'), [
      'reachable',
      'unreachable',
      'unreachable',
      'untried',
      'untried',
    ])
    other.close()
    assert.equal(await speaksLibp2p({ host: '127.0.0.1', port: 1 }, AbortSignal.abort()), false)
  })
})
