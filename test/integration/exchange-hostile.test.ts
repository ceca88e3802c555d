// Admitted peers that break the rules, over real connections on loopback: each loses its connection and nothing else.

import assert from 'node:assert/strict'
import { chunkIndex } from '../../src/base/ids.ts'
import { FRAME_BODY_BYTES_MAX, STRIKES_MAX } from '../../src/exchange/limits.ts'
import { encodeFrame } from '../../src/exchange/payload-frame.ts'
import { chunk, someBytes, startTestNode, stopTestNodes, type TestNode } from '../support/exchange-node.ts'
import { admitRawPeer, type RawPeer, stopRawPeers } from '../support/exchange-raw-peer.ts'

describe('exchange with a hostile peer', () => {
  afterEach(async () => {
    await stopTestNodes()
    await stopRawPeers()
  })

  async function startWithRawPeer(): Promise<[TestNode, RawPeer]> {
    const node = await startTestNode()
    const raw = await admitRawPeer(node.exchange.addresses()[0] ?? '')
    await node.until('up')
    return [node, raw]
  }

  const frame = (id: number, offset: number, length: number, body = length) =>
    encodeFrame({ id, offset, length }, Buffer.alloc(body, 0xee))

  it('ignores a control message of a kind that it does not know, and goes on (P16)', async () => {
    const [node, raw] = await startWithRawPeer()
    // Field 99, which no version has, and a known message with an unknown field.
    raw.control.send(Uint8Array.of(0x9a, 0x06, 0x02, 0x08, 0x01))
    raw.control.send(Uint8Array.of(0x4a, 0x05, 0x08, 0x02, 0x98, 0x06, 0x01))
    const { message } = await node.until('message')
    assert.deepEqual(message, { type: 'status', progress: 'done', readsOrigin: false, holdsAll: false, site: '' })
    assert.deepEqual(node.exchange.peers(), [raw.peer])
  })

  it('drops a peer whose message is not protobuf (P8)', async () => {
    const [node, raw] = await startWithRawPeer()
    raw.control.send(Uint8Array.of(0xff, 0xff, 0xff))
    assert.equal((await node.until('down')).reason, 'malformed')
    await raw.closed
  })

  it('drops a peer whose length prefix is beyond the limit before the bytes come (P7)', async () => {
    const [node, raw] = await startWithRawPeer()
    const stream = raw.connection.streams.find((each) => each.id !== raw.payload.id)
    stream?.send(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x10))
    assert.equal((await node.until('down')).reason, 'malformed')
    await raw.closed
  })

  it('drops a peer whose payload frame says 4 GiB before the bytes come (P7)', async () => {
    const [node, raw] = await startWithRawPeer()
    raw.payload.send(encodeFrame({ id: 1, offset: 0, length: 2 ** 32 - 1 }, new Uint8Array(0)))
    assert.equal((await node.until('down')).reason, 'malformed')
    await raw.closed
  })

  it('drops a peer that sends payload nobody asked for', async () => {
    const [node, raw] = await startWithRawPeer()
    raw.payload.send(frame(77, 0, FRAME_BODY_BYTES_MAX))
    assert.equal((await node.until('down')).reason, 'malformed')
    assert.ok(node.exchange.wastedBytes >= FRAME_BODY_BYTES_MAX)
  })

  it('drops a peer whose frame goes beyond the range, fails the request, and writes nothing outside it', async () => {
    const [node, raw] = await startWithRawPeer()
    const memory = new Uint8Array(3_000)
    const answer = node.exchange.request(raw.peer, chunk(1), 500, memory.subarray(1_000, 2_000))
    await raw.until('request')
    raw.payload.send(frame(0, 500, 600))
    raw.payload.send(frame(0, 1_100, 401))
    assert.deepEqual(await answer, { status: 'broken', bytes: 600 })
    assert.equal((await node.until('down')).reason, 'malformed')
    assert.ok(memory.subarray(0, 1_000).every((byte) => byte === 0))
    assert.ok(memory.subarray(1_600).every((byte) => byte === 0))
  })

  it('hands a request for any chunk number on without failing, so that it can be refused (P10, P11)', async () => {
    const [node, raw] = await startWithRawPeer()
    raw.send({
      type: 'request',
      id: 1,
      target: { chunk: chunkIndex(2 ** 32 - 1) },
      offset: 0,
      length: 1,
      onData: false,
    })
    const { ask } = await node.until('asked')
    assert.deepEqual(ask.target, { chunk: 2 ** 32 - 1 })
    node.exchange.refuse(ask.ask, 'missing')
    assert.deepEqual(await raw.until('refuse'), { type: 'refuse', id: 1, reason: 'missing' })
  })

  it('drops a peer that uses the id of an open request again', async () => {
    const [node, raw] = await startWithRawPeer()
    for (const index of [1, 2])
      raw.send({ type: 'request', id: 5, target: chunk(index), offset: 0, length: 1, onData: false })
    assert.equal((await node.until('down')).reason, 'malformed')
  })

  it('drops a peer that says Hello again', async () => {
    const [node, raw] = await startWithRawPeer()
    raw.send({ type: 'proof', keyProof: new Uint8Array(32) })
    assert.equal((await node.until('down')).reason, 'malformed')
  })

  it('ignores refusals, cancels and answers for requests that nobody knows', async () => {
    const [node, raw] = await startWithRawPeer()
    raw.send({ type: 'refuse', id: 9, reason: 'busy' })
    raw.send({ type: 'cancel', id: 9 })
    raw.send({ type: 'dialBackResult', results: ['reachable'], observed: new Uint8Array(0) })
    raw.send({ type: 'status', progress: 'done', readsOrigin: false, holdsAll: true, site: '' })
    await node.until('message')
    assert.deepEqual(node.exchange.peers(), [raw.peer])
  })

  it('keeps serving others while one peer misbehaves', async () => {
    const [node, raw] = await startWithRawPeer()
    const honest = await startTestNode()
    await honest.exchange.dial(node.exchange.addresses())
    const bytes = someBytes(1_000_000, 1)
    node.serves.set(1, bytes)
    const into = new Uint8Array(bytes.length)
    const answer = honest.exchange.request(node.exchange.peerId, chunk(1), 0, into)
    raw.control.send(Uint8Array.of(0xff))
    assert.equal((await answer).status, 'ok')
    assert.ok(Buffer.from(into).equals(bytes))
    assert.equal((await node.until('down')).peer, raw.peer)
  })

  it('refuses an identity after enough offences', async () => {
    const node = await startTestNode()
    const address = node.exchange.addresses()[0] ?? ''
    const raw = await admitRawPeer(address)
    raw.control.send(Uint8Array.of(0xff))
    await raw.closed
    for (let strike = 1; strike < STRIKES_MAX; strike++) {
      const again = await admitRawPeer(address, raw.node)
      again.control.send(Uint8Array.of(0xff))
      await again.closed
    }
    await assert.rejects(admitRawPeer(address, raw.node))
  })
})
