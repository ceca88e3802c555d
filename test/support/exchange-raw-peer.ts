// A peer made of stock libp2p parts and the handshake alone, for tests that break the rules after (or during) admission.

import { randomBytes } from 'node:crypto'
import { noise } from '@chainsafe/libp2p-noise'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { type PeerId, peerId } from '../../src/base/ids.ts'
import { ControlStream } from '../../src/exchange/control-stream.ts'
import { CONTROL_PROTOCOL, deriveSecrets, handshake, PAYLOAD_PROTOCOL } from '../../src/exchange/membership.ts'
import { encodeMessage, type Message, type Parsed, parseMessage } from '../../src/exchange/messages.ts'
import { SWARM_KEY } from './exchange-node.ts'

export interface RawPeer {
  readonly node: Libp2p
  readonly peer: PeerId
  readonly connection: Connection
  readonly control: ControlStream
  readonly payload: Stream
  send(message: Message): void
  /** Reads on until a message of this type comes; rejects when the other end closes first. */
  until<Type extends Parsed['type']>(type: Type): Promise<Extract<Parsed, { type: Type }>>
  /** The next message; rejects when the other end closes first. */
  next(): Promise<Parsed>
  /** Settles when the other end has closed the connection. */
  readonly closed: Promise<void>
}

const running: Libp2p[] = []

/** A libp2p node with default settings. */
export async function startStockNode(listen: string[] = []): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  })
  running.push(node)
  return node
}

/** Dials a node of the exchange, with a new identity or that of `using`, and proves membership. */
export async function admitRawPeer(
  address: string,
  using?: Libp2p,
  capabilities: readonly string[] = [],
): Promise<RawPeer> {
  const node = using ?? (await startStockNode())
  const connection = await node.dial(multiaddr(address))
  const closed = new Promise<void>((resolve) => connection.addEventListener('close', () => resolve()))
  const control = new ControlStream(await connection.newStream(CONTROL_PROTOCOL))
  const secrets = deriveSecrets(SWARM_KEY)
  const outcome = await handshake(
    control,
    {
      role: 'I',
      secrets,
      hello: {
        type: 'hello',
        swarmId: secrets.swarmId,
        nonce: randomBytes(32),
        capabilities,
        listens: false,
        agentVersion: 'raw',
      },
      initiator: node.peerId.toString(),
      responder: connection.remotePeer.toString(),
    },
    AbortSignal.timeout(10_000),
  )
  if (outcome.status !== 'admitted') throw new Error(`not admitted: ${outcome.status}`)
  const payload = await connection.newStream(PAYLOAD_PROTOCOL)
  const next = async (): Promise<Parsed> => {
    const bytes = await control.next()
    if (bytes === undefined) throw new Error('the other end has closed')
    return parseMessage(bytes)
  }
  return {
    node,
    peer: peerId(node.peerId.toString()),
    connection,
    control,
    payload,
    closed,
    send: (message) => {
      control.send(encodeMessage(message))
    },
    next,
    async until(type) {
      type Wanted = Extract<Parsed, { type: typeof type }>
      const isWanted = (message: Parsed): message is Wanted => message.type === type
      for (;;) {
        const message = await next()
        if (isWanted(message)) return message
      }
    },
  }
}

export async function stopRawPeers(): Promise<void> {
  await Promise.all(running.splice(0).map((node) => node.stop()))
}
