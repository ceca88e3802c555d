// How nodes come to a data connection and what happens without one: a node of the exchange, and a peer made of stock libp2p parts and
// a data end written from the text.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { openTransportCalls } from '../../src/codec/transport-calls.ts'
import { DATA_CAPABILITY } from '../../src/exchange/data-connector.ts'
import type { DataOffer } from '../../src/exchange/messages.ts'
import { encodeFrame } from '../../src/exchange/payload-frame.ts'
import { chunk, someBytes, startTestNode, stopTestNodes, type TestNode } from '../support/exchange-node.ts'
import { admitRawPeer, type RawPeer, stopRawPeers } from '../support/exchange-raw-peer.ts'
import { FRAME, PlainDataEnd, plainHello, READY } from '../support/plain-data-end.ts'

const BYTES = 300_000
const CHILD = fileURLToPath(new URL('../support/data-child.ts', import.meta.url))
/** Far above what a child needs; a child that hangs fails here instead of for ever. */
const CHILD_TIMEOUT_MS = 40_000

describe('data connections', () => {
  const sockets: Socket[] = []
  before(function () {
    if (openTransportCalls().openDataPlane === undefined) this.skip()
  })
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await stopTestNodes()
    await stopRawPeers()
  })

  function firstAddress(node: TestNode): string {
    return node.exchange.addresses()[0] ?? ''
  }

  function dialTcp(node: TestNode): Socket {
    const socket = connect(Number(/tcp\/(\d+)/.exec(firstAddress(node))?.[1]), '127.0.0.1')
    socket.on('error', () => {})
    sockets.push(socket)
    return socket
  }

  /** A raw peer that dialled the node, and what the node offered it. */
  async function offered(node: TestNode): Promise<{ raw: RawPeer; offer: DataOffer }> {
    const raw = await admitRawPeer(firstAddress(node), undefined, [DATA_CAPABILITY])
    const offer = await raw.until('dataOffer')
    return { raw, offer }
  }

  /** The same, after it took up the offer. */
  async function connected(node: TestNode): Promise<{ raw: RawPeer; data: PlainDataEnd }> {
    const { raw, offer } = await offered(node)
    const socket = dialTcp(node)
    socket.write(plainHello(offer.token))
    const data = new PlainDataEnd(socket, offer.secret, 'I')
    assert.equal((await data.next())?.kind, READY)
    data.ready()
    await node.until('log', ({ text }) => text.includes('is up'))
    return { raw, data }
  }

  it('are offered to a peer that dialled and knows them, at the same address, and serve both', async () => {
    const node = await startTestNode()
    const { raw, data } = await connected(node)
    const bytes = someBytes(BYTES, 1)
    node.serves.set(1, bytes)
    raw.send({ type: 'request', id: 3, target: chunk(1), offset: 1_000, length: BYTES, onData: true })
    assert.ok((await data.answer(3, BYTES)).equals(bytes.subarray(1_000)))
    const into = new Uint8Array(BYTES)
    const answer = node.exchange.request(raw.peer, chunk(2), 0, into)
    const request = await raw.until('request')
    assert.ok(request.onData)
    for (let at = 0; at < BYTES; at += 60_000) data.frame(request.id, at, bytes.subarray(at, at + 60_000))
    assert.deepEqual(await answer, { status: 'ok', bytes: BYTES })
    assert.ok(Buffer.from(into).equals(bytes))
  })

  it('carry only what was asked for on them', async () => {
    const node = await startTestNode()
    const { raw } = await connected(node)
    const bytes = someBytes(1_000, 2)
    node.serves.set(1, bytes)
    const heard: Buffer[] = []
    raw.payload.addEventListener('message', ({ data }) => heard.push(Buffer.from(data.subarray())))
    raw.send({ type: 'request', id: 4, target: chunk(1), offset: 0, length: 1_000, onData: false })
    assert.equal((await node.until('served')).outcome, 'sent')
    // A frame was on the stream before this answer was on its way.
    raw.send({ type: 'dialBack', addresses: [] })
    await raw.until('dialBackResult')
    assert.ok(Buffer.concat(heard).equals(encodeFrame({ id: 4, offset: 0, length: 1_000 }, bytes)))
  })

  it('are not offered to a peer that does not know them, whose requests are answered on the payload stream', async () => {
    const node = await startTestNode()
    const raw = await admitRawPeer(firstAddress(node))
    raw.send({ type: 'dialBack', addresses: [] })
    const heard: string[] = []
    for (;;) {
      const message = await raw.next()
      heard.push(message.type)
      if (message.type === 'dialBackResult') break
    }
    assert.ok(!heard.includes('dataOffer'), heard.join())
  })

  it('that nobody opened are refused where they are asked for', async () => {
    const node = await startTestNode()
    node.serves.set(1, someBytes(10, 1))
    const raw = await admitRawPeer(firstAddress(node))
    raw.send({ type: 'request', id: 1, target: chunk(1), offset: 0, length: 10, onData: true })
    assert.deepEqual(await raw.until('refuse'), { type: 'refuse', id: 1, reason: 'busy' })
  })

  it('are lost without the link, and what comes afterwards comes on the payload stream', async () => {
    const node = await startTestNode()
    const { raw, data } = await connected(node)
    const answer = node.exchange.request(raw.peer, chunk(2), 0, new Uint8Array(1_000))
    const request = await raw.until('request')
    assert.ok(request.onData)
    data.frame(request.id, 0, new Uint8Array(400))
    data.socket.end()
    assert.deepEqual(await answer, { status: 'broken', bytes: 400 })
    const again = node.exchange.request(raw.peer, chunk(2), 0, new Uint8Array(1_000))
    const second = await raw.until('request')
    assert.ok(!second.onData)
    raw.payload.send(encodeFrame({ id: second.id, offset: 0, length: 1_000 }, new Uint8Array(1_000)))
    assert.deepEqual(await again, { status: 'ok', bytes: 1_000 })
    assert.equal(node.happenings.filter(({ type }) => type === 'down').length, 0)
  })

  it('drop a peer that answers on the payload stream what is expected here', async () => {
    const node = await startTestNode()
    const { raw } = await connected(node)
    const answer = node.exchange.request(raw.peer, chunk(2), 0, new Uint8Array(1_000))
    const request = await raw.until('request')
    raw.payload.send(encodeFrame({ id: request.id, offset: 0, length: 10 }, new Uint8Array(10)))
    assert.equal((await answer).status, 'broken')
    assert.equal((await node.until('down')).reason, 'malformed')
  })

  it('drop a peer that sends what nobody asked for, and close with the link', async () => {
    const node = await startTestNode()
    const { data } = await connected(node)
    data.frame(99, 0, new Uint8Array(10))
    assert.equal((await node.until('down')).reason, 'malformed')
    await data.closed()
  })

  it('are good for one connection: a token that was used or made up closes it', async () => {
    const node = await startTestNode()
    const { raw, offer } = await offered(node)
    const first = dialTcp(node)
    first.write(plainHello(offer.token))
    await once(first, 'data')
    for (const token of [offer.token, Buffer.alloc(32, 1), Buffer.alloc(100, 1)]) {
      const socket = dialTcp(node)
      socket.write(plainHello(token))
      socket.resume()
      await once(socket, 'close')
    }
    raw.send({ type: 'dialBack', addresses: [] })
    await raw.until('dialBackResult')
  })

  it('are known by a hello that comes in pieces, and leave libp2p what begins otherwise', async () => {
    const node = await startTestNode()
    const { offer } = await offered(node)
    const socket = dialTcp(node)
    for (const byte of plainHello(offer.token)) {
      socket.write(Uint8Array.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal((await new PlainDataEnd(socket, offer.secret, 'I').next())?.kind, READY)
    const other = dialTcp(node)
    // Not even a whole header, so that libp2p waits for its rest.
    other.write('\x13/multi')
    other.write('stream/1.0.0\n')
    const [answer] = await once(other, 'data')
    assert.match(String(answer), /multistream/)
  })

  it('are not used by a node whose token somebody else has shown', async () => {
    const node = await startTestNode()
    const { raw, offer } = await offered(node)
    const thief = dialTcp(node)
    thief.write(plainHello(offer.token))
    await once(thief, 'data')
    thief.write(Buffer.alloc(100))
    await once(thief, 'close')
    const answer = node.exchange.request(raw.peer, chunk(2), 0, new Uint8Array(1_000))
    const request = await raw.until('request')
    assert.ok(!request.onData)
    raw.payload.send(encodeFrame({ id: request.id, offset: 0, length: 1_000 }, new Uint8Array(1_000)))
    assert.deepEqual(await answer, { status: 'ok', bytes: 1_000 })
  })

  it('drop a peer that uses the id of an answer that is still being sent (P12)', async () => {
    const node = await startTestNode()
    const { raw, data } = await connected(node)
    data.socket.pause()
    node.serves.set(1, someBytes(60_000, 1))
    // More than the sockets hold, so that one answer is on its way when all are cancelled.
    for (let round = 0; round < 20; round++) {
      for (let id = 0; id < 100; id++)
        raw.send({ type: 'request', id, target: chunk(1), offset: 0, length: 60_000, onData: true })
      for (let id = 0; id < 100; id++) raw.send({ type: 'cancel', id })
    }
    assert.equal((await node.until('down')).reason, 'malformed')
  })

  it('keep what has come when the link ends, and complete what has come whole', async () => {
    const node = await startTestNode()
    const { raw, data } = await connected(node)
    const answers = [1, 2].map((index) => node.exchange.request(raw.peer, chunk(index), 0, new Uint8Array(100_000)))
    const requests = [await raw.until('request'), await raw.until('request')]
    const ids = requests.map(({ id }) => id)
    const bytes = Buffer.concat([
      data.seal(FRAME, ids[0] ?? 0, 0, new Uint8Array(50_000)),
      data.seal(FRAME, ids[0] ?? 0, 50_000, new Uint8Array(50_000)),
      data.seal(FRAME, ids[1] ?? 0, 0, new Uint8Array(50_000)),
    ])
    await new Promise<void>((resolve) => data.socket.write(bytes, () => resolve()))
    // The answer is told of before anything else that the lane has to say, once it is read.
    assert.deepEqual(await answers[0], { status: 'ok', bytes: 100_000 })
    raw.send({ type: 'error', reason: 'stopping' })
    assert.deepEqual(await answers[1], { status: 'broken', bytes: 50_000 })
  })

  for (const [scenario, code, stdout] of [
    ['exit', 7, 'leaving\n'],
    ['worker', 0, 'still here\n'],
  ] as const)
    it(`survive the end of a process or worker in the middle of chunks (${scenario})`, async () => {
      const ended = Promise.withResolvers<object>()
      const flags = [CHILD, scenario]
      execFile(process.execPath, flags, { timeout: CHILD_TIMEOUT_MS }, (error, out, stderr) => {
        ended.resolve({ code: error?.code ?? 0, signal: error?.signal ?? null, stdout: out, stderr })
      })
      assert.deepEqual(await ended.promise, { code, signal: null, stdout, stderr: '' })
    })

  it('are ignored where the end that dialled offers them', async () => {
    const node = await startTestNode()
    node.serves.set(1, someBytes(10, 1))
    const { raw, data } = await connected(node)
    raw.send({ type: 'dataOffer', token: Buffer.alloc(32, 1), secret: Buffer.alloc(32, 2) })
    raw.send({ type: 'request', id: 1, target: chunk(1), offset: 0, length: 10, onData: true })
    assert.ok((await data.answer(1, 10)).equals(someBytes(10, 1)))
  })
})
