// How two admitted nodes come to a data connection: the end that was dialled offers a token and a secret over the control stream,
// the end that dialled opens a second TCP connection to the same address and shows the token. Both derive the keys from the secret.

import { hkdfSync, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface'
import type { TcpAddress } from './addresses.ts'
import { descriptorOf } from './corked.ts'
import { type DataChannel, type DataKeys, DataPlane, type OpenPlane } from './data-plane.ts'
import { CONNECTIONS_UNADMITTED_MAX, DATA_CONNECTION_TIMEOUT_MS } from './limits.ts'
import { CONTROL_PROTOCOL, type Role } from './membership.ts'
import type { DataOffer } from './messages.ts'

/** What a node must have in its Hello to be offered a data connection. */
export const DATA_CAPABILITY = 'data-aes256gcm'

/** Comes before the token. Nothing that libp2p says first begins like it. */
const MAGIC = Buffer.from('swarm-data/0\n')
const TOKEN_BYTES = 32
const SECRET_BYTES = 32
const HELLO_BYTES = MAGIC.length + TOKEN_BYTES
const KEY_BYTES = 32

interface Offered {
  readonly keys: DataKeys
  readonly taken: (channel: DataChannel) => void
  readonly timer: NodeJS.Timeout
}

export class DataConnections {
  readonly #plane: DataPlane
  readonly #offered = new Map<string, Offered>()
  #looking = 0

  constructor(open: OpenPlane) {
    this.#plane = new DataPlane(open)
  }

  /** An offer for one peer, good for one connection and a short time. `taken` is called when the peer has shown the token. */
  offer(taken: (channel: DataChannel) => void): DataOffer {
    const [token, secret] = [randomBytes(TOKEN_BYTES), randomBytes(SECRET_BYTES)]
    const name = token.toString('hex')
    const timer = setTimeout(() => this.#offered.delete(name), DATA_CONNECTION_TIMEOUT_MS)
    timer.unref()
    this.#offered.set(name, { keys: deriveKeys(secret, 'R'), taken, timer })
    return { type: 'dataOffer', token, secret }
  }

  /**
   * Takes up a peer's offer at the address that it was dialled at. `opened` is called before the first byte leaves; never, where the
   * address does not answer. A channel that the peer does not take in time is closed.
   */
  dial(address: TcpAddress, offer: DataOffer, opened: (channel: DataChannel) => void): void {
    const socket = connect({ ...address, signal: AbortSignal.timeout(DATA_CONNECTION_TIMEOUT_MS) })
    // What comes is the plane's to read.
    socket.pause()
    socket.on('error', () => {})
    socket.on('connect', () => {
      const channel = this.#add(socket, deriveKeys(offer.secret, 'I'), Buffer.concat([MAGIC, offer.token]))
      socket.destroy()
      if (channel === undefined) return
      setTimeout(() => {
        if (!channel.isUp) channel.close()
      }, DATA_CONNECTION_TIMEOUT_MS).unref()
      opened(channel)
    })
  }

  /** The same transport, whose listeners hand connections that show a token to this object and all others to libp2p. */
  listenOn<Components>(make: (components: Components) => Transport): (components: Components) => Transport {
    return (components) => {
      const transport = make(components)
      const createListener = transport.createListener.bind(transport)
      transport.createListener = (options) => createListener({ ...options, upgrader: this.#before(options.upgrader) })
      return transport
    }
  }

  /** Closes all connections and takes none any more. */
  close(): void {
    for (const { timer } of this.#offered.values()) clearTimeout(timer)
    this.#offered.clear()
    this.#plane.close()
  }

  #before(upgrader: Upgrader): Upgrader {
    const upgradeInbound: Upgrader['upgradeInbound'] = async (connection, options) => {
      // So many connections that say nothing are libp2p's to refuse.
      const isOurs = this.#looking < CONNECTIONS_UNADMITTED_MAX && (await this.#isOurs(connection))
      if (!isOurs) await upgrader.upgradeInbound(connection, options)
    }
    return Object.create(upgrader, { upgradeInbound: { value: upgradeInbound } })
  }

  /** Whether the connection shows a token, and was taken or closed for it. Whatever else it said first can be read again. */
  async #isOurs(connection: MultiaddrConnection): Promise<boolean> {
    this.#looking++
    const first = await firstBytes(connection)
    this.#looking--
    if (!first.subarray(0, MAGIC.length).equals(MAGIC)) {
      connection.unshift(first)
      return false
    }
    const name = first.subarray(MAGIC.length).toString('hex')
    const offered = this.#offered.get(name)
    if (offered !== undefined) {
      this.#offered.delete(name)
      clearTimeout(offered.timer)
      const channel = this.#add(socketOf(connection), offered.keys, new Uint8Array(0))
      if (channel !== undefined) offered.taken(channel)
    }
    socketOf(connection).destroy()
    return true
  }

  #add(socket: object, keys: DataKeys, hello: Uint8Array): DataChannel | undefined {
    const descriptor = descriptorOf({ socket })
    return descriptor === undefined ? undefined : this.#plane.add(descriptor, keys, hello)
  }
}

/** What the connection says first: enough to know a hello by, or less when it is none, closes, or says nothing for too long. */
function firstBytes(connection: MultiaddrConnection): Promise<Buffer> {
  const done = Promise.withResolvers<Buffer>()
  let heard: Buffer = Buffer.alloc(0)
  const finish = () => {
    clearTimeout(timer)
    connection.removeEventListener('message', onMessage)
    connection.removeEventListener('close', finish)
    done.resolve(heard)
  }
  const onMessage = ({ data }: { readonly data: { subarray(): Uint8Array } }) => {
    heard = Buffer.concat([heard, data.subarray()])
    const isHello = MAGIC.subarray(0, heard.length).equals(heard.subarray(0, MAGIC.length))
    if (!isHello || heard.length >= HELLO_BYTES) finish()
  }
  const timer = setTimeout(finish, DATA_CONNECTION_TIMEOUT_MS)
  timer.unref()
  connection.addEventListener('message', onMessage)
  connection.addEventListener('close', finish)
  return done.promise
}

/** libp2p's TCP connection does not show it. */
function socketOf(connection: object): { destroy(): void } {
  return (connection as { readonly socket: { destroy(): void } }).socket
}

/** As this role, the initiator or the responder of the link, seals and opens. */
export function deriveKeys(secret: Uint8Array, role: Role): DataKeys {
  const [mine, other] = role === 'I' ? ['I', 'R'] : ['R', 'I']
  return { seal: derive(secret, mine), open: derive(secret, other) }
}

function derive(secret: Uint8Array, direction: string): Uint8Array {
  return new Uint8Array(
    hkdfSync('sha256', secret, new Uint8Array(0), `${CONTROL_PROTOCOL} data ${direction}`, KEY_BYTES),
  )
}
