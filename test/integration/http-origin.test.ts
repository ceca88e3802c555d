import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createSecureServer } from 'node:tls'
import { type BodySink, type HttpBody, UnframedError } from '../../src/store/http-connection.ts'
import { formatGet } from '../../src/store/http-head.ts'
import { HttpOrigin } from '../../src/store/http-origin.ts'
import { type Certificate, needCertificate } from '../support/certificate.ts'

/** More than a read takes at once, and no round number. */
const BODY = Buffer.from(Array.from({ length: 3_000_001 }, (_, index) => (index * 31 + (index >>> 8)) & 255))
const REQUEST = formatGet('/object', { host: 'test' })
const CONNECTIONS_MAX = 2

/** What the server does with the n-th request of a connection, both from 0 on. */
type Answer = (socket: Socket, request: number, connection: number) => void

function ok(body: Uint8Array, headers = ''): Buffer {
  return Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${headers}\r\n`), body])
}

/** A sink that keeps everything in one buffer, and takes `atOnce` bytes before it wants to be asked to go on. */
class Keeper implements BodySink {
  readonly bytes = Buffer.alloc(BODY.length)
  filled = 0
  readonly done = Promise.withResolvers<void>()
  readonly #atOnce: number
  readonly #heldUp: () => void

  constructor(atOnce = Number.POSITIVE_INFINITY, heldUp = () => undefined) {
    this.#atOnce = atOnce
    this.#heldUp = heldUp
  }

  room(): Uint8Array {
    return this.bytes.subarray(this.filled, this.filled + this.#atOnce)
  }

  wrote(bytes: number): boolean {
    this.filled += bytes
    if (this.#atOnce === Number.POSITIVE_INFINITY) return true
    this.#heldUp()
    return false
  }

  ended(error?: Error): void {
    if (error === undefined) this.done.resolve()
    else this.done.reject(error)
  }
}

async function pour(body: HttpBody): Promise<Buffer> {
  const keeper = new Keeper()
  body.pour(keeper)
  await keeper.done.promise
  return keeper.bytes.subarray(0, keeper.filled)
}

for (const kind of ['plain', 'TLS'] as const) {
  describe(`connections to an HTTP server, ${kind}`, () => {
    let directory = ''
    let credentials: Certificate | undefined
    let server: Server | undefined
    let origin: HttpOrigin | undefined
    let connections = 0
    const sockets = new Set<Socket>()
    const rejectUnauthorized = process.env['NODE_TLS_REJECT_UNAUTHORIZED']

    before(function () {
      if (kind === 'plain') return
      directory = mkdtempSync(join(tmpdir(), 'swarm-http-'))
      credentials = needCertificate(this, directory)
      // Nobody vouches for the certificate.
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    })

    after(() => {
      if (rejectUnauthorized === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = rejectUnauthorized
      if (directory !== '') rmSync(directory, { recursive: true })
    })

    afterEach(() => {
      origin?.destroy()
      for (const socket of sockets) socket.destroy()
      server?.close()
    })

    async function serve(answer: Answer, idleTimeoutMs = 10_000): Promise<HttpOrigin> {
      connections = 0
      const connected = (socket: Socket): void => {
        const connection = connections++
        let requests = 0
        let text = ''
        sockets.add(socket)
        socket.on('error', () => undefined)
        socket.on('close', () => sockets.delete(socket))
        socket.on('data', (piece) => {
          text += piece.toString('latin1')
          for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
            text = text.slice(end + 4)
            answer(socket, requests++, connection)
          }
        })
      }
      server = credentials === undefined ? createServer(connected) : createSecureServer(credentials, connected)
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const { port } = server.address() as AddressInfo
      origin = new HttpOrigin(
        { secure: kind === 'TLS', host: '127.0.0.1', port },
        { connectionsMax: CONNECTIONS_MAX, connectTimeoutMs: 10_000, idleTimeoutMs },
      )
      return origin
    }

    it('read one body after the other to where it is wanted, over the same connection', async () => {
      const http = await serve((socket, request) => socket.write(ok(BODY.subarray(request))))
      for (let request = 0; request < 3; request++) {
        const { head, body } = await http.get(REQUEST, undefined)
        assert.equal(head.status, 200)
        assert.ok((await pour(body)).equals(BODY.subarray(request)))
      }
      assert.equal(connections, 1)
    })

    it('take heads and bodies in pieces of any size, after answers that do not count', async () => {
      const interim = Buffer.from('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n')
      const answer = Buffer.concat([interim, ok(BODY.subarray(0, 99), 'X-Some: a\r\nX-Some: b\r\n')])
      const http = await serve((socket) => {
        const send = (at: number): void => {
          if (at < answer.length) socket.write(answer.subarray(at, at + 1), () => setImmediate(send, at + 1))
        }
        send(0)
      })
      const { head, body } = await http.get(REQUEST, undefined)
      assert.equal(head.headers['x-some'], 'a, b')
      assert.ok((await pour(body)).equals(BODY.subarray(0, 99)))
    })

    it('wait for a reader who takes no more', async () => {
      const http = await serve((socket) => socket.write(ok(BODY)))
      const { body } = await http.get(REQUEST, undefined)
      let times = 0
      const keeper = new Keeper(70_001, () => {
        times++
        setImmediate(() => body.goOn())
      })
      body.pour(keeper)
      await keeper.done.promise
      assert.ok(keeper.bytes.equals(BODY))
      assert.ok(times >= BODY.length / 70_001)
      assert.ok((await pour((await http.get(REQUEST, undefined)).body)).equals(BODY))
      assert.equal(connections, 1)
    })

    it('give bodies as streams, too, and empty ones', async () => {
      const http = await serve((socket, request) => socket.write(ok(request === 0 ? BODY : Buffer.alloc(0))))
      const pieces: Buffer[] = []
      for await (const piece of (await http.get(REQUEST, undefined)).body) pieces.push(piece as Buffer)
      assert.ok(Buffer.concat(pieces).equals(BODY))
      for await (const _ of (await http.get(REQUEST, undefined)).body) assert.fail('not empty')
      assert.equal((await pour((await http.get(REQUEST, undefined)).body)).length, 0)
      assert.equal(connections, 1)
    })

    it('are replaced once when the server closed them meanwhile', async () => {
      const http = await serve((socket, request) => {
        if (request === 0) socket.write(ok(BODY.subarray(0, 10)))
        else socket.destroy()
      })
      for (let request = 0; request < 3; request++) {
        const { body } = await http.get(REQUEST, undefined)
        assert.equal((await pour(body)).length, 10)
      }
      assert.equal(connections, 3)
    })

    it('are not used again when the server says so, or when a body was left in the middle', async () => {
      const http = await serve((socket, _request, connection) => {
        socket.write(connection === 0 ? ok(BODY.subarray(0, 10), 'Connection: close\r\n') : ok(BODY))
      })
      await pour((await http.get(REQUEST, undefined)).body)
      ;(await http.get(REQUEST, undefined)).body.destroy()
      await pour((await http.get(REQUEST, undefined)).body)
      assert.equal(connections, 3)
    })

    it('are never more than allowed, and serve whoever waits when one is free or ends', async () => {
      const waiting: Socket[] = []
      const http = await serve((socket) => {
        waiting.push(socket)
        if (waiting.length === CONNECTIONS_MAX) {
          waiting[0]?.write(ok(BODY.subarray(0, 10)))
          waiting[1]?.destroy()
        } else if (waiting.length > CONNECTIONS_MAX) socket.write(ok(BODY.subarray(0, 10)))
      })
      const reads = [0, 1, 2, 3].map(async () => (await pour((await http.get(REQUEST, undefined)).body)).length)
      const ends = await Promise.allSettled(reads)
      assert.deepEqual(ends.map(({ status }) => status).sort(), ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'])
      assert.ok(connections <= CONNECTIONS_MAX + 1)
    })

    it('fail when the body ends early, and give what came before', async () => {
      const http = await serve((socket) => socket.end(ok(BODY).subarray(0, 1_000_000)))
      const { body } = await http.get(REQUEST, undefined)
      await assert.rejects(pour(body), { code: 'ECONNRESET' })
    })

    it('fail when the server is silent, before the head and in the body', async () => {
      const http = await serve((socket, _request, connection) => {
        if (connection === 1) socket.write(ok(BODY).subarray(0, 1_000_000))
      }, 200)
      await assert.rejects(http.get(REQUEST, undefined), { code: 'ETIMEDOUT' })
      const { body } = await http.get(REQUEST, undefined)
      await assert.rejects(pour(body), { code: 'ETIMEDOUT' })
    })

    it('end with a request that is given up', async () => {
      const asked = Promise.withResolvers<void>()
      const http = await serve((socket, _request, connection) => {
        if (connection === 0) asked.resolve()
        else socket.write(ok(BODY))
      })
      const reason = new Error('enough')
      const controller = new AbortController()
      const given = http.get(REQUEST, controller.signal)
      await asked.promise
      controller.abort(reason)
      await assert.rejects(given, reason)
      await assert.rejects(http.get(REQUEST, controller.signal), reason)
      assert.ok((await pour((await http.get(REQUEST, undefined)).body)).equals(BODY))
    })

    for (const [what, answer, expected] of [
      ['what is not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', { code: 'HPE_SWARM' }],
      ['a header without a name', 'HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n', { code: 'HPE_SWARM' }],
      ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd', { code: 'HPE_SWARM' }],
      ['a length that is no number', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n', { code: 'HPE_SWARM' }],
      ['a head without an end', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(20_000)}`, { code: 'HPE_SWARM' }],
      ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', UnframedError],
      ['a body that ends with the connection', 'HTTP/1.1 200 OK\r\n\r\nabcd', UnframedError],
    ] as const) {
      it(`refuse ${what}`, async () => {
        const http = await serve((socket) => socket.write(answer))
        await assert.rejects(http.get(REQUEST, undefined), expected)
      })
    }

    it('refuse more bytes than the length says', async () => {
      const http = await serve((socket) => socket.write(Buffer.concat([ok(BODY.subarray(0, 10)), BODY])))
      await assert.rejects(async () => pour((await http.get(REQUEST, undefined)).body), { code: 'HPE_SWARM' })
    })
  })
}

describe('the head of a request', () => {
  it('is one line for each header', () => {
    const text = formatGet('/a%20b?x=1', { host: 'h', range: 'bytes=0-1' }).toString()
    assert.equal(text, 'GET /a%20b?x=1 HTTP/1.1\r\nhost: h\r\nrange: bytes=0-1\r\n\r\n')
    assert.throws(() => formatGet('/', { a: 'b\r\nc: d' }))
    assert.throws(() => formatGet('/', { 'a:': 'b' }))
  })
})
