// How two admitted nodes come to a data connection: the end that was dialled offers a token and a secret over the control stream,
// the end that dialled opens a second TCP connection to the same address and shows the token. Both derive the keys from the secret.

import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface'
import type { TcpAddress } from './addresses.ts'
import { descriptorOf } from './corked.ts'
import { type DataChannel, type DataKeys, DataPlane, type OpenPlane } from './data-plane.ts'
import { CONNECTIONS_UNADMITTED_MAX, DATA_CONNECTION_TIMEOUT_MS, DATA_HELLO_TIMEOUT_MS } from './limits.ts'
import { CONTROL_PROTOCOL, derive, type Role } from './membership.ts'
import type { DataOffer } from './messages.ts'

/** What a node must have in its Hello to be offered a data connection. */
export const DATA_CAPABILITY = 'data-aes256gcm'

/** Comes before the token. Nothing that libp2p says first begins like it. */
const MAGIC = Buffer.from('swarm-data/0\n')
const TOKEN_BYTES = 32
const SECRET_BYTES = 32
const HELLO_BYTES = MAGIC.length + TOKEN_BYTES

interface Offered {
  readonly keys: DataKeys
  readonly taken: (channel: DataChannel) => void
  readonly timer: NodeJS.Timeout
}

export class DataConnector {
  readonly #plane: DataPlane
  readonly #offered = new Map<string, Offered>()
  /** What ends the wait for each connection that has not said what it is; longest first. */
  readonly #silent = new Set<() => void>()
  readonly #closing = new AbortController()

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
   * address does not answer.
   */
  dial(address: TcpAddress, offer: DataOffer, opened: (channel: DataChannel) => void): void {
    const limit = AbortSignal.timeout(DATA_CONNECTION_TIMEOUT_MS)
    const socket = connect({ ...address, signal: AbortSignal.any([limit, this.#closing.signal]) })
    // What comes is the plane's to read.
    socket.pause()
    socket.on('error', () => {})
    socket.on('connect', () => {
      const channel = this.#add(socket, deriveKeys(offer.secret, 'I'), Buffer.concat([MAGIC, offer.token]))
      socket.destroy()
      if (channel !== undefined) opened(channel)
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

  /** Stops all answers. Resolves when the peers have what was sent of them, or after a while. */
  flush(): Promise<void> {
    return this.#plane.flush()
  }

  /** Closes all connections and takes none any more. */
  close(): void {
    this.#closing.abort()
    for (const { timer } of this.#offered.values()) clearTimeout(timer)
    this.#offered.clear()
    this.#plane.close()
  }

  #before(upgrader: Upgrader): Upgrader {
    const upgradeInbound: Upgrader['upgradeInbound'] = async (connection, options) => {
      if (!(await this.#isOurs(connection))) await upgrader.upgradeInbound(connection, options)
    }
    return Object.create(upgrader, { upgradeInbound: { value: upgradeInbound } })
  }

  /** Whether the connection shows a token, and was taken or closed for it. Whatever else it said first can be read again. */
  async #isOurs(connection: MultiaddrConnection): Promise<boolean> {
    const first = await this.#firstBytes(connection)
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

  /** What the connection says first: enough to know a hello by, or less when it is none, closes, or says nothing for too long. */
  #firstBytes(connection: MultiaddrConnection): Promise<Buffer> {
    const done = Promise.withResolvers<Buffer>()
    let heard: Buffer = Buffer.alloc(0)
    const giveUp = () => {
      this.#silent.delete(giveUp)
      clearTimeout(timer)
      connection.removeEventListener('message', onMessage)
      connection.removeEventListener('close', giveUp)
      done.resolve(heard)
    }
    const onMessage = ({ data }: { readonly data: { subarray(): Uint8Array } }) => {
      heard = Buffer.concat([heard, data.subarray()])
      const mayBeHello = MAGIC.subarray(0, heard.length).equals(heard.subarray(0, MAGIC.length))
      if (!mayBeHello || heard.length >= HELLO_BYTES) giveUp()
    }
    const timer = setTimeout(giveUp, DATA_HELLO_TIMEOUT_MS)
    timer.unref()
    connection.addEventListener('message', onMessage)
    connection.addEventListener('close', giveUp)
    this.#silent.add(giveUp)
    // Many that say nothing are libp2p's to refuse.
    if (this.#silent.size > CONNECTIONS_UNADMITTED_MAX) this.#silent.values().next().value?.()
    return done.promise
  }

  /** A channel that the other end does not take in time is closed. */
  #add(socket: object, keys: DataKeys, hello: Uint8Array): DataChannel | undefined {
    const descriptor = descriptorOf({ socket })
    if (descriptor === undefined || this.#closing.signal.aborted) return undefined
    const channel = this.#plane.add(descriptor, keys, hello)
    setTimeout(() => {
      if (channel?.isUp === false) channel.close()
    }, DATA_CONNECTION_TIMEOUT_MS).unref()
    return channel
  }
}

/** libp2p's TCP connection does not show it. */
function socketOf(connection: object): { destroy(): void } {
  return (connection as { readonly socket: { destroy(): void } }).socket
}

/** As this role, the initiator or the responder of the link, seals and opens. */
export function deriveKeys(secret: Uint8Array, role: Role): DataKeys {
  const [mine, other] = role === 'I' ? ['I', 'R'] : ['R', 'I']
  return {
    seal: derive(secret, `${CONTROL_PROTOCOL} data ${mine}`),
    open: derive(secret, `${CONTROL_PROTOCOL} data ${other}`),
  }
}
