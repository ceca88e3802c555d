// The least that a BitTorrent tracker can be: it tells whoever asks where the sender is. For clients that cannot be told otherwise.

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'

const LOOPBACK = [127, 0, 0, 1]

export class Tracker {
  readonly url: string
  #heard = Promise.withResolvers<void>()

  private constructor(server: Server, port: number, senderPort: number) {
    this.url = `http://127.0.0.1:${port}/announce`
    server.on('request', (request, response) => {
      const asked = new URL(request.url ?? '/', this.url).searchParams
      const isSender = asked.get('port') === `${senderPort}`
      if (isSender && asked.get('event') !== 'stopped') this.#heard.resolve()
      response.end(answer(isSender ? [] : [senderPort]))
    })
  }

  /** It ends with this process. */
  static async start(senderPort: number): Promise<Tracker> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    server.unref()
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the tracker has no port')
    return new Tracker(server, address.port, senderPort)
  }

  /** Resolves when the sender has said since the last call that it is there. */
  async announced(): Promise<void> {
    await this.#heard.promise
    this.#heard = Promise.withResolvers()
  }
}

/** Bencoded, peers in the compact form: four bytes of address, two of port. */
function answer(ports: readonly number[]): Buffer {
  const peers = Buffer.from(ports.flatMap((port) => [...LOOPBACK, port >> 8, port & 0xff]))
  return Buffer.concat([Buffer.from(`d8:intervali1e5:peers${peers.length}:`), peers, Buffer.from('e')])
}
