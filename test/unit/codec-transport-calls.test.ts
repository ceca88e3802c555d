// What the addon does for connections, on real sockets. The cipher is tested where noise uses it.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Server, Socket } from 'node:net'
import { openTransportCalls } from '../../src/codec/transport-calls.ts'

const BYTES = 32 * 1024 * 1024

describe('transport calls', () => {
  const calls = openTransportCalls()
  const open: (Socket | Server)[] = []
  afterEach(() => {
    for (const each of open.splice(0)) each instanceof Socket ? each.destroy() : each.close()
  })

  /** A connection whose other end never reads, and the descriptor of its socket. */
  async function connected(): Promise<{ socket: Socket; descriptor: number }> {
    const server = createServer({ pauseOnConnect: true }, (socket) => open.push(socket)).listen(0, '127.0.0.1')
    open.push(server)
    await once(server, 'listening')
    const address = server.address()
    assert.ok(address !== null && typeof address === 'object')
    const socket = connect(address.port, '127.0.0.1')
    open.push(socket)
    await once(socket, 'connect')
    const { _handle: handle } = socket as unknown as { readonly _handle: { readonly fd: number } }
    return { socket, descriptor: handle.fd }
  }

  it('keep what the system queues of a socket short', async () => {
    const taken: number[] = []
    for (const limit of [undefined, 16 * 1024]) {
      const { socket, descriptor } = await connected()
      if (limit !== undefined) assert.equal(calls.limitUnsent(descriptor, limit), true)
      socket.write(Buffer.alloc(BYTES))
      taken.push(BYTES - writeQueueSize(socket))
    }
    const [usual = 0, limited = 0] = taken
    assert.ok(limited < usual, `the system took ${usual} bytes, and ${limited} with a limit`)
  })

  it('say that a number is no socket, and refuse sizes that are none', async () => {
    assert.equal(calls.limitUnsent(2 ** 30, 1), false)
    const { descriptor } = await connected()
    for (const bytes of [0, -1, 2 ** 30 + 1, Number.NaN])
      assert.throws(() => calls.limitUnsent(descriptor, bytes), TypeError)
    assert.equal(calls.limitUnsent(descriptor, 2 ** 30), true)
  })
})

/** What a write left in the process, once it was tried. */
function writeQueueSize(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { readonly _handle: { readonly writeQueueSize: number } }
  return handle.writeQueueSize
}
