// Opens a session and everything that finds peers for it: named addresses, presence objects in the store.

import { SwarmError } from '../base/errors.ts'
import { BucketPresence } from '../discovery/bucket-presence.ts'
import type { Discovery } from '../discovery/discovery.ts'
import { FixedPeers } from '../discovery/fixed-peers.ts'
import { parseAddress } from '../exchange/addresses.ts'
import { type Environment, type PlacedAddresses, placeAddresses } from '../exchange/place-addresses.ts'
import { openRecord } from '../exchange/records.ts'
import type { OpenedStore } from '../store/open-store.ts'
import { describePlace, findPlace, outboundOnlyMessage } from './find-place.ts'
import type { NodeEvent } from './join-events.ts'
import type { JoinTarget } from './join-target.ts'
import { SwarmSession } from './swarm-session.ts'
import { ticketFor } from './tickets.ts'

export interface PeeringOptions {
  /** Multiaddrs of nodes to dial, besides those of a ticket. */
  readonly peers: readonly string[]
  readonly listen: readonly string[]
  /** Whether nobody asked for `listen`, so that another port will do when it is taken. */
  readonly listenIsDefault: boolean
  readonly announce: readonly string[]
  /** libp2p private key; undefined: a new identity. */
  readonly privateKey?: Uint8Array
  /** The group of nodes that reach each other cheaply; empty: what the place of this machine says. */
  readonly site: string
  /** Tells the place of this machine; default: none is looked for. */
  readonly environment?: Environment
}

/**
 * Listening, announced and looking for peers when it resolves. The caller closes the session. `prepare` runs before
 * anybody can be told of this node.
 */
export async function openPeering(
  target: JoinTarget,
  store: OpenedStore | undefined,
  readsOrigin: boolean,
  options: PeeringOptions,
  emit: (event: NodeEvent) => void,
  log: (text: string) => void,
  prepare?: (session: SwarmSession) => void,
): Promise<SwarmSession> {
  const { peers, announce, privateKey } = options
  for (const address of peers) checkAddress(address)
  const placed = await place(options, emit, log)
  const session = await SwarmSession.open({
    swarmKey: target.swarmKey,
    root: target.root,
    listen: placed.listen,
    listenIsDefault: placed.mayMovePort,
    announce,
    place: placed,
    readsOrigin,
    site: placed.site,
    log,
    ...(privateKey === undefined ? {} : { privateKey }),
  })
  prepare?.(session)
  const discoveries: Discovery[] = [new FixedPeers([...peers, ...target.addresses])]
  if (store !== undefined) {
    discoveries.push(
      new BucketPresence({
        objects: store.store,
        root: target.root,
        self: session.exchange.peerId,
        openRecord,
        log,
        warn: (message) => emit({ type: 'warning', message }),
      }),
    )
  }
  await session.discover(discoveries)
  emit({
    type: 'listening',
    peerId: session.exchange.peerId,
    addrs: session.exchange.addresses(),
    ticket: ticketFor(target, session, store?.description),
  })
  return session
}

async function place(
  options: PeeringOptions,
  emit: (event: NodeEvent) => void,
  log: (text: string) => void,
): Promise<PlacedAddresses> {
  if (options.environment === undefined || options.listen.length === 0) return placeAddresses({}, {}, options)
  const placed = await findPlace(options.environment, options)
  log(describePlace(placed))
  for (const message of placed.warnings) emit({ type: 'warning', message })
  const outboundOnly = outboundOnlyMessage(placed)
  if (outboundOnly !== undefined) emit({ type: 'warning', message: `${outboundOnly}; to change that, ${placed.cure}` })
  return placed
}

function checkAddress(address: string): void {
  if (parseAddress(address) !== undefined) return
  throw new SwarmError('usage', `--peer ${address} is not a multiaddr`, {
    blame: 'caller',
    cure: 'give an address such as /ip4/10.0.0.7/tcp/4001: a running node prints its own',
  })
}
