// Turns connections into admitted ones: runs the handshake on each, within a time limit, and closes those that fail.
// Counts and bounds connections that have not proved anything yet.

import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { type PeerId, peerId } from '../base/ids.ts'
import { ControlStream, untilAborted } from './control-stream.ts'
import * as limits from './limits.ts'
import {
  CONTROL_PROTOCOL,
  type HandshakeOutcome,
  handshake,
  PAYLOAD_PROTOCOL,
  type RefusedReason,
  type Role,
  type SwarmSecrets,
} from './membership.ts'
import type { Hello } from './messages.ts'

/** A connection whose peer proved membership, with its two streams. */
export interface Admitted {
  readonly peer: PeerId
  readonly hello: Hello
  readonly connection: Connection
  readonly control: ControlStream
  readonly payload: Stream
}

export type AdmissionOutcome =
  | { readonly status: 'admitted' }
  /** The peer speaks no version of the protocol that this node speaks. */
  | { readonly status: 'upgrade' }
  | { readonly status: RefusedReason }

export interface AdmissionInit {
  readonly node: Libp2p
  readonly secrets: SwarmSecrets
  /** A Hello with a fresh nonce. */
  readonly makeHello: () => Hello
  /** Whether this node has no wish to talk to the peer. */
  readonly isUnwanted: (peer: PeerId) => boolean
  readonly admitted: (admitted: Admitted) => void
  /** An admission has ended, after `admitted` where it succeeded. */
  readonly settled: (peer: PeerId) => void
  readonly log: (text: string) => void
}

interface Inbound {
  readonly deadline: AbortSignal
  readonly payload: PromiseWithResolvers<Stream>
  stage: 'connected' | 'handshake' | 'proved'
}

export class Admissions {
  readonly #init: AdmissionInit
  readonly #inbound = new Map<string, Inbound>()
  readonly #outbound = new Map<PeerId, { connection: Connection; outcome: Promise<AdmissionOutcome> }>()
  readonly #pending = new Map<PeerId, number>()

  constructor(init: AdmissionInit) {
    this.#init = init
  }

  /** Starts to take connections. */
  async start(): Promise<void> {
    const { node } = this.#init
    node.addEventListener('connection:open', (event) => {
      if (event.detail.direction === 'inbound') this.#opened(event.detail)
    })
    // One of each kind per connection; the limit counts the new stream.
    const one = { maxInboundStreams: 1, maxOutboundStreams: 1 }
    await node.handle(CONTROL_PROTOCOL, (stream, connection) => this.#onControl(stream, connection), one)
    await node.handle(PAYLOAD_PROTOCOL, (stream, connection) => this.#onPayload(stream, connection), one)
  }

  isPending(peer: PeerId): boolean {
    return this.#pending.has(peer)
  }

  /**
   * Proves membership over a connection that this node dialled. Closes it unless the outcome is `admitted`. While one
   * such admission of a peer is under way, another shares its outcome: the peer could not tell which connection counts.
   */
  async admitOutbound(connection: Connection): Promise<AdmissionOutcome> {
    const peer = peerId(connection.remotePeer.toString())
    const running = this.#outbound.get(peer)
    if (running !== undefined) {
      if (running.connection !== connection) closeQuietly(connection)
      return running.outcome
    }
    const outcome = this.#proveOutbound(connection, peer)
    this.#outbound.set(peer, { connection, outcome })
    try {
      return await outcome
    } finally {
      this.#outbound.delete(peer)
    }
  }

  async #proveOutbound(connection: Connection, peer: PeerId): Promise<AdmissionOutcome> {
    const signal = AbortSignal.timeout(limits.ADMISSION_TIMEOUT_MS)
    this.#begin(peer)
    let status: AdmissionOutcome['status'] = 'refused'
    try {
      const control = new ControlStream(await connection.newStream(CONTROL_PROTOCOL, { signal }))
      const outcome = await this.#shakeHands(connection, control, 'I', signal)
      status = outcome.status
      if (outcome.status === 'admitted') {
        const payload = await connection.newStream(PAYLOAD_PROTOCOL, { signal })
        this.#init.admitted({ peer, hello: outcome.hello, connection, control, payload })
      } else {
        await bidFarewell(control)
      }
    } catch (error) {
      status = error instanceof Error && error.name === 'UnsupportedProtocolError' ? 'upgrade' : 'refused'
    }
    if (status !== 'admitted') closeQuietly(connection)
    this.#settle(peer)
    return { status }
  }

  #opened(connection: Connection): void {
    const peer = peerId(connection.remotePeer.toString())
    const fromPeer = this.#init.node.getConnections(connection.remotePeer).length
    const full = this.#inbound.size >= limits.CONNECTIONS_UNADMITTED_MAX || fromPeer >= limits.CONNECTIONS_PER_PEER_MAX
    if (full || this.#init.isUnwanted(peer)) {
      connection.abort(new Error('not wanted'))
      return
    }
    const deadline = AbortSignal.timeout(limits.ADMISSION_TIMEOUT_MS)
    const inbound: Inbound = { deadline, payload: Promise.withResolvers(), stage: 'connected' }
    inbound.payload.promise.catch(() => {})
    this.#inbound.set(connection.id, inbound)
    this.#begin(peer)
    const onDeadline = () => {
      if (this.#inbound.has(connection.id)) connection.abort(new Error('membership was not proved in time'))
    }
    deadline.addEventListener('abort', onDeadline, { once: true })
    connection.addEventListener('close', () => {
      deadline.removeEventListener('abort', onDeadline)
      inbound.payload.reject(new Error('closed'))
      this.#settleInbound(connection, peer)
    })
  }

  async #onControl(stream: Stream, connection: Connection): Promise<void> {
    const inbound = this.#inbound.get(connection.id)
    if (inbound?.stage !== 'connected') {
      stream.abort(new Error('not expected'))
      return
    }
    inbound.stage = 'handshake'
    const peer = peerId(connection.remotePeer.toString())
    const control = new ControlStream(stream)
    try {
      const outcome = await this.#shakeHands(connection, control, 'R', inbound.deadline)
      if (outcome.status === 'admitted') {
        inbound.stage = 'proved'
        const payload = await untilAborted(inbound.payload.promise, inbound.deadline)
        this.#init.admitted({ peer, hello: outcome.hello, connection, control, payload })
      } else {
        this.#init.log(`connection from ${connection.remoteAddr} refused: ${outcome.status}`)
        await bidFarewell(control)
        closeQuietly(connection)
      }
    } catch {
      connection.abort(new Error('admission failed'))
    }
    this.#settleInbound(connection, peer)
  }

  #onPayload(stream: Stream, connection: Connection): void {
    const inbound = this.#inbound.get(connection.id)
    // The peer opens this stream when it has our proof, and we send that after checking the peer's.
    if (inbound?.stage === 'proved') inbound.payload.resolve(stream)
    else stream.abort(new Error('not admitted'))
  }

  #shakeHands(connection: Connection, control: ControlStream, role: Role, signal: AbortSignal) {
    const self = this.#init.node.peerId.toString()
    const other = connection.remotePeer.toString()
    const [initiator, responder] = role === 'I' ? [self, other] : [other, self]
    const { secrets, makeHello } = this.#init
    const parties = { role, secrets, hello: makeHello(), initiator, responder }
    return handshake(control, parties, signal) satisfies Promise<HandshakeOutcome>
  }

  #begin(peer: PeerId): void {
    this.#pending.set(peer, (this.#pending.get(peer) ?? 0) + 1)
  }

  #settleInbound(connection: Connection, peer: PeerId): void {
    if (this.#inbound.delete(connection.id)) this.#settle(peer)
  }

  #settle(peer: PeerId): void {
    const left = (this.#pending.get(peer) ?? 1) - 1
    if (left === 0) this.#pending.delete(peer)
    else this.#pending.set(peer, left)
    this.#init.settled(peer)
  }
}

const FAREWELL_TIMEOUT_MS = 1_000

/** Lets the last message out. */
async function bidFarewell(control: ControlStream): Promise<void> {
  control.finish()
  await untilAborted(control.finished, AbortSignal.timeout(FAREWELL_TIMEOUT_MS)).catch(() => {})
}

function closeQuietly(connection: Connection): void {
  connection
    .close({ signal: AbortSignal.timeout(FAREWELL_TIMEOUT_MS) })
    .catch((error: Error) => connection.abort(error))
}
