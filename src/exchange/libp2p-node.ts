// Builds the libp2p node under the exchange: TCP, noise, yamux and nothing else, so that no service speaks before
// membership is proved. Limits are set for a closed swarm in which a whole rack may come from one address.

import { createServer } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import type { Libp2p, PeerId, PrivateKey } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { CODE_P2P, type Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { describeError, SwarmError, systemErrorCode } from '../base/errors.ts'
import { hostOf, parseAddress, tcpAddress, worthTelling } from './addresses.ts'
import { corked } from './corked.ts'
import type { DataConnector } from './data-connector.ts'
import type { OpenPlane } from './data-plane.ts'
import * as limits from './limits.ts'
import { type MakeFrameCipher, noiseCrypto } from './noise-crypto.ts'

/** What native code does for connections. */
export interface TransportCalls {
  /** Default: the library's own. */
  readonly makeCipher: MakeFrameCipher | undefined
  /** How much of what the socket with this descriptor cannot send yet the system takes, in bytes. */
  limitUnsent(descriptor: number, bytes: number): void
  /** Starts the threads of data connections; undefined: there are none here. */
  readonly openDataPlane?: OpenPlane | undefined
}

/** What the place of this machine says about its addresses. Nobody vouches for them. */
export interface PlaceFacts {
  /** Multiaddrs to tell in addition to those listened on, once somebody has reached them; before that as possible. */
  readonly announce: readonly string[]
  /** The port under which the outside reaches this node, where that is known. */
  readonly mappedPort: number | undefined
  /** Hosts of addresses that are listened on and not told. */
  readonly untoldHosts: readonly string[]
}

export interface NodeInit {
  readonly privateKey: PrivateKey
  /** Multiaddrs to listen on; empty: this node only dials. */
  readonly listen: readonly string[]
  /** Whether nobody asked for these addresses, so that the next free port will do. */
  readonly listenIsDefault: boolean
  /** Multiaddrs to tell others in addition to those listened on. */
  readonly announce: readonly string[]
  readonly place?: PlaceFacts | undefined
  readonly transport?: TransportCalls | undefined
  /** Default: all connections are libp2p's. */
  readonly data?: DataConnector | undefined
}

/**
 * Starts a node.
 * @throws SwarmError `usage` for an address that is none, `networkUnavailable` when it cannot listen.
 */
export async function startNode(init: NodeInit): Promise<Libp2p> {
  const announce = [...(init.place?.announce ?? []), ...init.announce]
  for (const address of init.listen) {
    if (parseAddress(address) === undefined) throw wrongAddress(`not a multiaddr: ${address}`, '/ip4/0.0.0.0/tcp/4001')
  }
  for (const address of announce) {
    const parsed = parseAddress(address)
    const example = '/ip4/203.0.113.7/tcp/4001'
    if (parsed === undefined) throw wrongAddress(`not a multiaddr: ${address}`, example)
    // It would be left out of every record, and the node count as reachable all the same.
    if (worthTelling([parsed]).length === 0) throw wrongAddress(`no TCP port to announce: ${address}`, example)
  }
  const listen: string[] = []
  for (const address of init.listen) listen.push(await freeAddress(address, init.listenIsDefault))
  const node = await createLibp2p(nodeOptions(init, listen, announce)).catch((cause: unknown) => {
    throw cannotListen(listen.join(', '), describeError(cause), cause)
  })
  // The library remembers whoever came by or was dialled in vain, and a source would grow with every join.
  const forgetAbsent = (peer: PeerId): void => {
    if (node.getConnections(peer).length === 0) node.peerStore.delete(peer).catch(() => undefined)
  }
  node.addEventListener('peer:disconnect', ({ detail }) => forgetAbsent(detail))
  node.addEventListener('peer:update', ({ detail }) => forgetAbsent(detail.peer.id))
  return node
}

function nodeOptions(init: NodeInit, listen: string[], announce: string[]): Parameters<typeof createLibp2p>[0] {
  return {
    privateKey: init.privateKey,
    // `announce` would replace what the node listens on.
    addresses: { listen, appendAnnounce: announce, announceFilter: (all) => toldFirst(all, announce, init.place) },
    transports: [init.data === undefined ? tcp() : init.data.listenOn(tcp())],
    connectionEncrypters: [
      corked(noise({ crypto: noiseCrypto(init.transport?.makeCipher) }), init.transport?.limitUnsent),
    ],
    streamMuxers: [
      yamux({
        maxInboundStreams: limits.STREAMS_PER_CONNECTION_MAX,
        maxOutboundStreams: limits.STREAMS_PER_CONNECTION_MAX,
        streamOptions: { maxStreamWindowSize: limits.STREAM_WINDOW_BYTES_MAX },
      }),
    ],
    connectionManager: {
      maxConnections: limits.CONNECTIONS_MAX,
      maxIncomingPendingConnections: limits.CONNECTIONS_UNADMITTED_MAX,
      inboundConnectionThreshold: limits.CONNECTIONS_PER_HOST_PER_SECOND_MAX,
      maxParallelDials: limits.DIALS_PARALLEL_MAX,
      maxDialQueueLength: limits.DIALS_WAITING_MAX,
      maxPeerAddrsToDial: limits.ADDRESSES_PER_RECORD_MAX,
      dialTimeout: limits.DIAL_TIMEOUT_MS,
      addressDialTimeout: limits.ADDRESS_DIAL_TIMEOUT_MS,
      // The exchange sorts them; it knows which are near.
      addressSorter: () => 0,
    },
    // Its pings time out while this process computes, and it then drops busy connections. Links have a heartbeat.
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false },
  }
}

/** Without hosts that are not told. Those that were announced come first: where there are too many, the last are cut. */
function toldFirst(all: Multiaddr[], announce: readonly string[], place: PlaceFacts | undefined): Multiaddr[] {
  const isAnnounced = (address: Multiaddr): boolean => announce.includes(address.decapsulateCode(CODE_P2P).toString())
  const isTold = (address: Multiaddr): boolean => place?.untoldHosts.includes(hostOf(address) ?? '') !== true
  const others = all.filter((address) => !isAnnounced(address))
  return [...all.filter(isAnnounced), ...others.filter(isTold)]
}

/** The address itself, or with `mayMove` the first one of the ports after it that is free. */
async function freeAddress(address: string, mayMove: boolean): Promise<string> {
  const parsed = parseAddress(address)
  const target = parsed === undefined ? undefined : tcpAddress(parsed)
  // Port 0, which lets the system choose, and forms that only libp2p understands need no trial.
  if (target === undefined) return address
  const portsTried = mayMove ? limits.LISTEN_PORTS_TRIED_MAX + 1 : 1
  for (let port = target.port; port < target.port + portsTried && port <= 65_535; port++) {
    const failure = await tryListen(target.host, port)
    if (failure === undefined) return address.replace(`/tcp/${target.port}`, `/tcp/${port}`)
    if (systemErrorCode(failure) !== 'EADDRINUSE') throw cannotListen(address, describeError(failure), failure)
  }
  throw cannotListen(address, 'the port is taken')
}

/** Listens and closes again; the error, if it could not. */
function tryListen(host: string, port: number): Promise<Error | undefined> {
  const result = Promise.withResolvers<Error | undefined>()
  const server = createServer()
  server.on('error', (error) => result.resolve(error))
  server.listen({ host, port }, () => server.close(() => result.resolve(undefined)))
  return result.promise
}

function wrongAddress(what: string, example: string): SwarmError {
  return new SwarmError('usage', what, { blame: 'caller', cure: `write it like ${example}` })
}

function cannotListen(where: string, why: string, cause?: unknown): SwarmError {
  return new SwarmError('networkUnavailable', `cannot listen on ${where}: ${why}`, {
    cure: 'free the port, or choose another one with --listen /ip4/0.0.0.0/tcp/PORT',
    cause,
  })
}
