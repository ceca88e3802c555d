// The native end of a data connection against one that was written from the text, over loopback sockets.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Server, Socket } from 'node:net'
import { openTransportCalls } from '../../src/codec/transport-calls.ts'
import { descriptorOf } from '../../src/exchange/corked.ts'
import { deriveKeys } from '../../src/exchange/data-connector.ts'
import { type DataChannel, type DataEnd, DataPlane } from '../../src/exchange/data-plane.ts'
import { someBytes } from '../support/exchange-node.ts'
import { FRAME, PlainDataEnd, plainHello, READY } from '../support/plain-data-end.ts'

const SECRET = Buffer.alloc(32, 9)
const TOKEN = Buffer.alloc(32, 8)
/** The longest body of a record. */
const BODY_BYTES = 64 * 1024

type Told = ['up'] | ['progress' | 'complete', number, number] | ['ended', DataEnd]

interface Ends {
  readonly channel: DataChannel
  readonly plain: PlainDataEnd
  readonly told: Told[]
  /** Settles when the channel has been told something of this kind. */
  until(kind: Told[0]): Promise<Told>
}

describe('data plane', () => {
  const open: (Socket | Server)[] = []
  let plane: DataPlane

  beforeEach(function () {
    const { openDataPlane } = openTransportCalls()
    if (openDataPlane === undefined) this.skip()
    else plane = new DataPlane(openDataPlane)
  })
  afterEach(() => {
    plane.close()
    for (const each of open.splice(0)) each instanceof Socket ? each.destroy() : each.close()
  })

  async function socketPair(): Promise<[Socket, Socket]> {
    const accepted = Promise.withResolvers<Socket>()
    const server = createServer({ pauseOnConnect: true }, accepted.resolve).listen(0, '127.0.0.1')
    open.push(server)
    await once(server, 'listening')
    const address = server.address()
    assert.ok(address !== null && typeof address === 'object')
    const dialling = connect(address.port, '127.0.0.1')
    dialling.pause()
    await once(dialling, 'connect')
    const pair: [Socket, Socket] = [dialling, await accepted.promise]
    open.push(...pair)
    return pair
  }

  function channelOver(socket: Socket, role: 'I' | 'R', hello: Uint8Array) {
    const descriptor = descriptorOf({ socket })
    assert.ok(descriptor !== undefined)
    const channel = plane.add(descriptor, deriveKeys(SECRET, role), hello)
    socket.destroy()
    assert.ok(channel !== undefined)
    const told: Told[] = []
    let change = Promise.withResolvers<void>()
    const tell = (what: Told) => {
      told.push(what)
      change.resolve()
      change = Promise.withResolvers()
    }
    channel.attach({
      up: () => tell(['up']),
      progress: (id, bytes) => tell(['progress', id, bytes]),
      complete: (id, bytes) => tell(['complete', id, bytes]),
      ended: (reason) => tell(['ended', reason]),
    })
    const until = async (kind: Told[0]): Promise<Told> => {
      for (;;) {
        const found = told.find(([each]) => each === kind)
        if (found !== undefined) return found
        await change.promise
      }
    }
    return { channel, told, until }
  }

  /** The native end was dialled. */
  async function dialled(): Promise<Ends> {
    const [near, far] = await socketPair()
    const ends = channelOver(far, 'R', new Uint8Array(0))
    const plain = new PlainDataEnd(near, SECRET, 'I')
    near.resume()
    return { ...ends, plain }
  }

  /** The same, when both ends have said that they are ready. */
  async function dialledAndUp(): Promise<Ends> {
    const ends = await dialled()
    ends.plain.ready()
    assert.equal((await ends.plain.next())?.kind, READY)
    await ends.until('up')
    ends.told.length = 0
    return ends
  }

  it('says at once that it is ready when it was dialled, and no more before the other end is', async () => {
    const { plain, channel, until } = await dialled()
    const sent = channel.send({ id: 1, offset: 0, asked: 2, bytes: Uint8Array.of(1, 2) })
    assert.deepEqual(await plain.next(), { kind: READY, id: 0, offset: 0, body: Buffer.alloc(0) })
    assert.equal(channel.isUp, false)
    plain.ready()
    await until('up')
    assert.equal(channel.isUp, true)
    assert.deepEqual(await plain.next(), { kind: FRAME, id: 1, offset: 0, body: Buffer.of(1, 2) })
    assert.equal(await sent, 'sent')
  })

  it('says nothing but its hello before the other end has the connection, when it dialled', async () => {
    const [near, far] = await socketPair()
    const { channel, until } = channelOver(near, 'I', plainHello(TOKEN))
    const bytes = someBytes(100_000, 1)
    const sent = channel.send({ id: 5, offset: 40, asked: bytes.length, bytes })
    const [hello] = await once(far.resume(), 'data')
    assert.deepEqual(hello, plainHello(TOKEN))
    assert.equal(channel.isUp, false)
    const plain = new PlainDataEnd(far, SECRET, 'R')
    plain.ready()
    await until('up')
    assert.equal(channel.isUp, true)
    assert.equal((await plain.next())?.kind, READY)
    assert.ok((await plain.answer(5, bytes.length)).equals(bytes))
    assert.equal(await sent, 'sent')
  })

  it('opens an answer into its buffer, however the bytes are cut', async () => {
    const { plain, channel, told, until } = await dialledAndUp()
    const bytes = someBytes(3 * BODY_BYTES - 7, 2)
    const into = new Uint8Array(bytes.length)
    assert.equal(channel.expect(1, 1_000_000, into), true)
    const wire: Buffer[] = []
    for (let at = 0; at < bytes.length; at += BODY_BYTES)
      wire.push(plain.seal(FRAME, 1, 1_000_000 + at, bytes.subarray(at, at + BODY_BYTES)))
    const all = Buffer.concat(wire)
    for (let at = 0, size = 1; at < all.length; at += size, size = (size * 7 + 3) % 9_001) {
      plain.socket.write(all.subarray(at, at + size))
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.deepEqual(await until('complete'), ['complete', 1, bytes.length])
    assert.ok(Buffer.from(into).equals(bytes))
    assert.equal(told.filter(([kind]) => kind === 'ended').length, 0)
    assert.equal(channel.receivedBytes, bytes.length)
    assert.equal(channel.wastedBytes, 0)
  })

  it('reports what has come of an answer whose rest does not come', async () => {
    const { plain, channel, until } = await dialledAndUp()
    channel.expect(1, 0, new Uint8Array(1_000))
    plain.frame(1, 0, new Uint8Array(400))
    assert.deepEqual(await until('progress'), ['progress', 1, 400])
    assert.equal(channel.forget(1), 400)
  })

  it('completes an answer that is shorter than asked with its empty frame, both ways', async () => {
    const { plain, channel, until } = await dialledAndUp()
    channel.expect(1, 0, new Uint8Array(1_000))
    plain.frame(1, 0, new Uint8Array(400))
    plain.frame(1, 400, new Uint8Array(0))
    assert.deepEqual(await until('complete'), ['complete', 1, 400])
    for (const length of [0, 400, BODY_BYTES]) {
      const bytes = someBytes(length, 3)
      assert.equal(await channel.send({ id: length, offset: 7, asked: 1_000_000, bytes }), 'sent')
      const body = length === 0 ? undefined : await plain.next()
      assert.deepEqual(body?.body ?? Buffer.alloc(0), Buffer.from(bytes))
      assert.deepEqual(await plain.next(), { kind: FRAME, id: length, offset: 7 + length, body: Buffer.alloc(0) })
    }
  })

  it('ignores records of a later version', async () => {
    const { plain, channel, until } = await dialledAndUp()
    channel.expect(1, 0, new Uint8Array(4))
    plain.socket.write(plain.seal(77, 1, 0, Buffer.from('whatever it may be')))
    plain.frame(1, 0, Buffer.from('here'))
    assert.deepEqual(await until('complete'), ['complete', 1, 4])
  })

  it('writes nothing for an answer that was given up, and allows what was on its way', async () => {
    const { plain, channel, told, until } = await dialledAndUp()
    const into = new Uint8Array(1_000)
    channel.expect(1, 0, into)
    channel.expect(2, 0, new Uint8Array(1))
    assert.equal(channel.forget(1), 0)
    assert.equal(channel.forget(1), undefined)
    plain.frame(1, 0, new Uint8Array(1_000).fill(255))
    plain.frame(2, 0, Uint8Array.of(1))
    await until('complete')
    assert.ok(into.every((byte) => byte === 0))
    assert.equal(channel.wastedBytes, 1_000)
    plain.frame(1, 0, Uint8Array.of(1))
    assert.deepEqual(await until('ended'), ['ended', 'malformed'])
    assert.equal(told.filter(([kind]) => kind === 'ended').length, 1)
  })

  for (const [what, frames] of [
    ['that nobody asked for', [[9, 0, 1]]],
    ['that skips', [[1, 1, 1]]],
    [
      'that repeats',
      [
        [1, 0, 5],
        [1, 0, 5],
      ],
    ],
    ['beyond what was asked for', [[1, 0, 11]]],
  ] as const)
    it(`ends with a frame ${what}, and writes nothing for it`, async () => {
      const { plain, channel, until } = await dialledAndUp()
      const into = new Uint8Array(20).subarray(0, 10)
      channel.expect(1, 0, into)
      for (const [id, offset, length] of frames) plain.frame(id, offset, new Uint8Array(length).fill(3))
      assert.deepEqual(await until('ended'), ['ended', 'malformed'])
      const wanted = what === 'that repeats' ? 5 : 0
      assert.deepEqual(
        [...new Uint8Array(into.buffer)],
        [...new Array(wanted).fill(3), ...new Array(20 - wanted).fill(0)],
      )
      await plain.closed()
    })

  for (const [what, change] of [
    ['one of whose bits was changed', (record: Buffer) => record.writeUInt8(record.readUInt8(30) ^ 1, 30)],
    [
      'whose tag was changed',
      (record: Buffer) => record.writeUInt8(record.readUInt8(record.length - 1) ^ 1, record.length - 1),
    ],
    ['whose length is too small for a tag', (record: Buffer) => record.writeUInt32BE(31)],
    ['whose length is beyond the limit', (record: Buffer) => record.writeUInt32BE(32 + BODY_BYTES + 1)],
  ] as const)
    it(`ends with a record ${what}, before anybody is told of its bytes`, async () => {
      const { plain, channel, told, until } = await dialledAndUp()
      channel.expect(1, 0, new Uint8Array(100))
      const record = plain.seal(FRAME, 1, 0, new Uint8Array(100))
      change(record)
      plain.socket.write(record)
      assert.deepEqual(await until('ended'), ['ended', 'tampered'])
      assert.deepEqual(told, [['ended', 'tampered']])
      await plain.closed()
    })

  it('ends with too many records that nobody needs, and takes none for payload', async () => {
    const { plain, channel, until } = await dialledAndUp()
    const record = Array.from({ length: 1_001 }, (_, count) =>
      plain.seal(count % 2 === 0 ? 77 : FRAME, 9, 0, Buffer.alloc(0)),
    )
    plain.socket.write(Buffer.concat(record))
    assert.deepEqual(await until('ended'), ['ended', 'malformed'])
    assert.equal(channel.receivedBytes, 0)
  })

  it('knows all bytes of an answer that is complete, before it was told', async () => {
    const { plain, channel } = await dialledAndUp()
    channel.expect(1, 0, new Uint8Array(100))
    plain.frame(1, 0, new Uint8Array(100))
    // Nothing is told meanwhile.
    while (channel.receivedBytes < 100);
    assert.equal(channel.forget(1), 100)
  })

  it('does not take a record a second time', async () => {
    const { plain, channel, until } = await dialledAndUp()
    channel.expect(1, 0, new Uint8Array(100))
    const record = plain.seal(FRAME, 1, 0, new Uint8Array(10))
    plain.socket.write(Buffer.concat([record, record]))
    assert.deepEqual(await until('ended'), ['ended', 'tampered'])
  })

  it('stops an answer that is cancelled while the other end does not read, and goes on with the next', async () => {
    const { plain, channel } = await dialledAndUp()
    plain.socket.pause()
    const bytes = someBytes(64 * 1024 * 1024, 4)
    const outcomes = [1, 2].map((id) => channel.send({ id, offset: 0, asked: bytes.length, bytes }))
    const last = channel.send({ id: 3, offset: 0, asked: 10, bytes: bytes.subarray(0, 10) })
    channel.cancel(1)
    channel.cancel(2)
    assert.deepEqual(await Promise.all(outcomes), ['failed', 'failed'])
    plain.socket.resume()
    assert.ok((await plain.answer(3, 10)).equals(bytes.subarray(0, 10)))
    assert.equal(await last, 'sent')
  })

  it('keeps what it has not sent in the answers, when the other end does not read', async () => {
    const { plain, channel } = await dialledAndUp()
    plain.socket.pause()
    const bytes = someBytes(64 * 1024 * 1024, 4)
    const sent = channel.send({ id: 1, offset: 0, asked: bytes.length, bytes })
    assert.ok(channel.queuedBytes > 0)
    channel.close()
    assert.equal(await sent, 'failed')
    assert.equal(channel.queuedBytes, 0)
  })

  it('fails what waits when the other end closes', async () => {
    const { plain, channel, until } = await dialledAndUp()
    plain.socket.pause()
    const bytes = new Uint8Array(64 * 1024 * 1024)
    const sent = channel.send({ id: 1, offset: 0, asked: bytes.length, bytes })
    plain.socket.destroy()
    const [, reason] = await until('ended')
    assert.ok(reason === 'closed' || reason === 'broken')
    assert.equal(await sent, 'failed')
    assert.equal(channel.isUp, false)
    assert.equal(channel.expect(2, 0, new Uint8Array(1)), false)
    assert.equal(await channel.send({ id: 2, offset: 0, asked: 1, bytes: new Uint8Array(1) }), 'failed')
  })

  it('moves answers of both ends at once, many on one connection', async () => {
    const [near, far] = await socketPair()
    const first = channelOver(near, 'I', plainHello(TOKEN))
    await once(far.resume(), 'data')
    const second = channelOver(far, 'R', new Uint8Array(0))
    await first.until('up')
    const bytes = someBytes(5_000_000, 5)
    const buffers = Array.from(
      { length: 8 },
      () => [new Uint8Array(bytes.length), new Uint8Array(bytes.length)] as const,
    )
    const outcomes = buffers.flatMap(([atFirst, atSecond], id) => {
      first.channel.expect(id, id, atFirst)
      second.channel.expect(id, id, atSecond)
      return [first, second].map(({ channel }) => channel.send({ id, offset: id, asked: bytes.length, bytes }))
    })
    assert.ok((await Promise.all(outcomes)).every((outcome) => outcome === 'sent'))
    for (const { told, until } of [first, second])
      while (told.filter(([kind]) => kind === 'complete').length < buffers.length) {
        await until('complete')
        await new Promise((resolve) => setImmediate(resolve))
      }
    for (const into of buffers.flat()) assert.ok(Buffer.from(into).equals(bytes))
  })

  it('refuses arguments that are none', () => {
    const { openDataPlane } = openTransportCalls()
    const native = openDataPlane?.(() => {})
    assert.ok(native !== undefined)
    const key = new Uint8Array(32)
    assert.throws(() => native.add(0, key.subarray(1), key, key), TypeError)
    assert.throws(() => native.expect(1, 0, 0, new Uint8Array(1)), TypeError)
    assert.throws(() => native.send(1, 0, 0, new Uint8Array(1), false), TypeError)
    assert.ok(native.add(2 ** 30, key, key, new Uint8Array(0)) < 0)
    native.close()
    assert.throws(() => native.add(0, key, key, new Uint8Array(0)), TypeError)
  })
})
