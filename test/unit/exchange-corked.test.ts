import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import type { Logger, MessageStream, MultiaddrConnection, Upgrader } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { openTransportCalls } from '../../src/codec/transport-calls.ts'
import { cork, descriptorOf } from '../../src/exchange/corked.ts'
import { CORKED_BYTES_MAX } from '../../src/exchange/limits.ts'
import { noiseCrypto } from '../../src/exchange/noise-crypto.ts'

const say = () => undefined
const SILENT: Logger = Object.assign(say, { error: say, trace: say, enabled: false, newScope: () => SILENT })

/** Says what it was told to do, in order. */
class Recorder {
  status: MessageStream['status'] = 'open'
  writableNeedsDrain = false
  readonly calls: string[] = []

  send(data: Parameters<MessageStream['send']>[0]): boolean {
    this.calls.push(`send ${Buffer.from(data.subarray()).toString('latin1').slice(0, 8)} ${data.byteLength}`)
    return !this.writableNeedsDrain
  }

  async close(): Promise<void> {
    this.calls.push('close')
    this.status = 'closed'
  }
}

describe('a corked connection', () => {
  const letters = (text: string) => Buffer.from(text, 'latin1')

  it('sends in one piece, in order, what it is given in one turn of the event loop', async () => {
    const recorder = new Recorder()
    const connection = cork(recorder)
    assert.equal(connection.send(letters('ab')), true)
    await Promise.resolve()
    connection.send(letters('cd'))
    assert.deepEqual(recorder.calls, [])
    await turn()
    assert.deepEqual(recorder.calls, ['send abcd 4'])
    connection.send(letters('ef'))
    await turn()
    assert.deepEqual(recorder.calls, ['send abcd 4', 'send ef 2'])
  })

  it('keeps no more than its maximum, and then hands on what the connection answers', async () => {
    const recorder = new Recorder()
    const connection = cork(recorder)
    assert.equal(connection.send(Buffer.alloc(CORKED_BYTES_MAX - 1, 'x')), true)
    assert.deepEqual(recorder.calls, [])
    recorder.writableNeedsDrain = true
    assert.equal(connection.send(letters('y')), false)
    assert.deepEqual(recorder.calls, [`send xxxxxxxx ${CORKED_BYTES_MAX}`])
    await turn()
    assert.equal(recorder.calls.length, 1)
  })

  it('sends long frames with their lengths as they lie, and what is between them in one piece', async () => {
    const { chaCha20Poly1305Encrypt: seal } = noiseCrypto(() => ({
      seal: (_parts, _nonce, _ad, out) => out.fill(7),
      open: () => false,
    }))
    const none = new Uint8Array(0)
    const frame = (bytes: number) => seal(new Uint8Array(bytes), none, none, none).subarray()
    const sent: Uint8Array[] = []
    const connection = cork({
      ...{ status: 'open' as const, writableNeedsDrain: false, close: async () => {} },
      send: (data) => sent.push(data.subarray()) > 0,
    })
    const long = frame(20_000)
    const parts = [letters('ab'), frame(10), letters('cd'), long, letters('ef'), letters('gh'), frame(3)]
    for (const part of parts) connection.send(part)
    await turn()
    assert.deepEqual(Buffer.concat(sent), Buffer.concat(parts))
    assert.deepEqual(
      sent.map(({ length }) => length),
      [2 + 26, 2 + 20_016, 4 + 19],
    )
    assert.equal(sent[1]?.buffer, long.buffer)
  })

  it('says that the connection is full while it is', () => {
    const recorder = new Recorder()
    recorder.writableNeedsDrain = true
    assert.equal(cork(recorder).send(letters('a')), false)
  })

  it('sends what waits before it closes', async () => {
    const recorder = new Recorder()
    const connection = cork(recorder)
    connection.send(letters('goaway'))
    await connection.close()
    await turn()
    assert.deepEqual(recorder.calls, ['send goaway 6', 'close'])
  })

  it('sends nothing on a connection that has failed in the same turn', async () => {
    const recorder = new Recorder()
    cork(recorder).send(letters('late'))
    recorder.status = 'aborted'
    await turn()
    assert.deepEqual(recorder.calls, [])
  })

  it('finds the descriptor of the socket under a connection of libp2p, which dialled or was dialled', async () => {
    const { limitUnsent } = openTransportCalls()
    const accepted = Promise.withResolvers<MultiaddrConnection>()
    // All that the transport needs of an upgrader here.
    const upgrader = {
      createInboundAbortSignal: () => new AbortController().signal,
      upgradeInbound: async (connection: MultiaddrConnection) => accepted.resolve(connection),
      upgradeOutbound: async (connection: MultiaddrConnection) => connection,
    } as unknown as Upgrader
    const transport = tcp()({ logger: { forComponent: () => SILENT } })
    const listener = transport.createListener({ upgrader })
    await listener.listen(multiaddr('/ip4/127.0.0.1/tcp/0'))
    const [address] = listener.getAddrs()
    assert.ok(address !== undefined)
    const dialled = (await transport.dial(address, { upgrader, signal: AbortSignal.timeout(10_000) })) as object
    for (const connection of [dialled, await accepted.promise]) {
      const descriptor = descriptorOf(connection)
      assert.ok(descriptor !== undefined)
      assert.equal(limitUnsent(descriptor, 65_536), true)
      ;(connection as MultiaddrConnection).abort(new Error('done'))
      assert.equal(descriptorOf(connection), undefined)
    }
    await listener.close()
  })

  it('finds no descriptor where there is none', () => {
    for (const connection of [
      {},
      { socket: undefined },
      { socket: { _handle: null } },
      { socket: { _handle: { fd: -1 } } },
    ])
      assert.equal(descriptorOf(connection), undefined)
  })
})
