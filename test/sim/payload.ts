// How chunks move to and from one simulated node: its requests, the asks that it serves, and what it keeps of requests that
// were given up.

import { type AskId, askId, type ChunkIndex, type RequestId } from '../../src/base/ids.ts'
import type { Action, FailReason } from '../../src/swarm/events.ts'
import { Beginnings } from './beginnings.ts'
import { sendsWrongBytes } from './faults.ts'
import { Flow, type ReceivingLink } from './links.ts'
import type { SimNode } from './node.ts'
import { ORIGIN_CONNECTION_RATE, ORIGIN_FIRST_BYTE_US, type World } from './world.ts'

/** One request of this node, from requestChunk to the event that closes it. */
interface Transfer {
  readonly request: RequestId
  readonly chunk: ChunkIndex
  readonly from: SimNode | null
  /** Bytes that were here before. */
  readonly offset: number
  /** Whether they, and what came since, are what the chunk has there. */
  isRight: boolean
  /** From this source. */
  received: number
  /** What the source sends it with, once it does. */
  flow: Flow | undefined
  ask: AskId | undefined
  ended: boolean
}

interface Served {
  readonly client: SimNode
  readonly transfer: Transfer
  flow: Flow | undefined
}

/** What payload passes between two nodes' own links. */
interface Way {
  readonly delayUs: number
  readonly beyond: ReceivingLink | undefined
  readonly rateMax?: number
}

const STORE_US = 2_000
/** Bytes of a request or a cancel with its frame, as the exchange encodes them. */
const REQUEST_BYTES = 24

export class Payload {
  readonly #world: World
  readonly #node: SimNode
  readonly #transfers = new Map<RequestId, Transfer>()
  readonly #beginnings = new Beginnings()
  readonly #served = new Map<AskId, Served>()
  #nextAsk = 1

  constructor(world: World, node: SimNode) {
    this.#world = world
    this.#node = node
  }

  get requestsOpen(): number {
    return this.#transfers.size
  }

  /** Chunks of which a beginning is kept. */
  get keptCount(): number {
    return this.#beginnings.count
  }

  /** What the chunks under way and the beginnings take. */
  get memoryBytes(): number {
    let bytes = 0
    for (const { chunk } of this.#transfers.values()) bytes += this.#bytesOf(chunk)
    for (const chunk of this.#beginnings.chunks()) bytes += this.#bytesOf(chunk)
    return bytes
  }

  crash(): void {
    this.#node.up.clear()
    this.#node.originLink.clear()
    this.#served.clear()
  }

  /** The connection to the other is gone. */
  disconnected(other: SimNode): void {
    for (const transfer of this.#transfers.values()) if (transfer.from === other) this.#end(transfer, 'broken')
    for (const [ask, served] of this.#served) if (served.client === other) this.#endServing(ask, 'failed')
  }

  /** What the network no longer carries; nobody knows of it yet. */
  stopFlowsTo(isLost: (client: SimNode) => boolean): void {
    for (const { client, flow } of this.#served.values())
      if (flow !== undefined && isLost(client)) this.#node.up.cancel(flow)
  }

  dropBeginning(chunk: ChunkIndex): void {
    this.#world.wastedBytes += this.#beginnings.take(chunk)?.bytes ?? 0
  }

  request(action: Extract<Action, { type: 'requestChunk' }>): void {
    const from = action.from.kind === 'origin' ? null : (this.#world.find(action.from.peer) ?? null)
    const { request, chunk, offset } = action
    const kept = offset === 0 ? undefined : this.#beginnings.take(chunk)
    this.#world.checks.begins(this.#node, offset, kept?.bytes ?? 0)
    this.#world.wastedBytes += (kept?.bytes ?? 0) - offset
    const transfer: Transfer = {
      ...{ request, chunk, from, offset },
      isRight: kept?.isRight !== false,
      received: 0,
      flow: undefined,
      ask: undefined,
      ended: false,
    }
    this.#transfers.set(request, transfer)
    if (action.from.kind === 'origin') {
      this.#world.clock.after(ORIGIN_FIRST_BYTE_US, () => {
        if (transfer.ended || !this.#node.alive) return
        transfer.flow = this.#flow(this.#node, transfer, {
          delayUs: 0,
          rateMax: ORIGIN_CONNECTION_RATE,
          beyond: this.#world.originTotalLink,
        })
        this.#node.originLink.add(transfer.flow)
      })
    } else if (from === null || !this.#node.isConnected(from)) {
      this.#end(transfer, 'broken')
    } else {
      this.#world.send(this.#node, from, REQUEST_BYTES, () => from.payload.#asked(this.#node, transfer))
    }
  }

  #asked(client: SimNode, transfer: Transfer): void {
    if (transfer.ended || this.#node.spec.behaviour === 'silent') return
    const ask = askId(this.#nextAsk++)
    transfer.ask = ask
    this.#served.set(ask, { client, transfer, flow: undefined })
    this.#node.event({ type: 'chunkAsked', peer: client.id, ask, chunk: transfer.chunk })
  }

  serve(ask: AskId, chunk: ChunkIndex): void {
    const served = this.#served.get(ask)
    this.#world.checks.serves(this.#node, chunk)
    if (served === undefined || served.transfer.ended) {
      this.#served.delete(ask)
      this.#node.event({ type: 'chunkServed', ask, outcome: 'failed', bytes: 0 })
      return
    }
    const { sites } = this.#world
    const way = {
      delayUs: sites.delayUs(this.#node.spec, served.client.spec),
      beyond: sites.link(this.#node.spec, served.client.spec),
    }
    served.flow = this.#flow(served.client, served.transfer, way, ask)
    served.transfer.flow = served.flow
    this.#node.up.add(served.flow)
  }

  #flow(to: SimNode, transfer: Transfer, way: Way, ask?: AskId): Flow {
    const bytes = this.#bytesOf(transfer.chunk) - transfer.offset
    return new Flow({
      ...way,
      bytes,
      to: to.down,
      arrived: (count) => {
        to.payload.#arrived(transfer, count, bytes, this.#node)
        if (ask === undefined) return
        const isPoison = this.#node.spec.behaviour === 'poison' && transfer.received * 2 >= bytes
        if (isPoison) this.refuse(ask, 'busy')
        else if (transfer.received === bytes) this.#endServing(ask, 'sent')
      },
    })
  }

  #arrived(transfer: Transfer, count: number, total: number, from: SimNode): void {
    this.#world.payloadBytes += count
    transfer.received += count
    if (transfer.ended) this.#world.wastedBytes += count
    if (transfer.ended || !this.#node.alive) return
    if (from !== this.#node && sendsWrongBytes(from.spec)) transfer.isRight = false
    this.#node.event({ type: 'requestProgress', request: transfer.request, bytes: count })
    if (transfer.received < total || transfer.ended) return
    if (transfer.isRight) this.#verified(transfer)
    else this.#end(transfer, 'corrupt')
  }

  #verified(transfer: Transfer): void {
    transfer.ended = true
    this.#transfers.delete(transfer.request)
    if (!this.#node.held.add(transfer.chunk)) this.#world.wastedBytes += transfer.offset + transfer.received
    this.#node.event({ type: 'chunkVerified', request: transfer.request })
    this.#world.clock.after(STORE_US, () => this.#node.event({ type: 'chunkStored', chunk: transfer.chunk }))
  }

  #end(transfer: Transfer, reason: FailReason): void {
    if (transfer.ended) return
    transfer.ended = true
    const { request, chunk, offset, received, isRight } = transfer
    this.#transfers.delete(request)
    const bytes = offset + received
    this.#world.wastedBytes += reason === 'corrupt' ? bytes : this.#beginnings.keep(chunk, { bytes, isRight })
    this.#node.event({ type: 'requestFailed', request, reason })
  }

  cancel(request: RequestId): void {
    const transfer = this.#transfers.get(request)
    if (transfer === undefined) return
    const { from } = transfer
    if (from === null && transfer.flow !== undefined) this.#node.originLink.cancel(transfer.flow)
    if (from !== null) {
      this.#world.send(this.#node, from, REQUEST_BYTES, () => {
        if (transfer.ask === undefined) return
        from.event({ type: 'askCancelled', ask: transfer.ask })
        from.payload.#endServing(transfer.ask, 'failed')
      })
    }
    // The shell keeps what arrived, and says so, once it comes to it: not in the middle of what the scheduler ordered.
    this.#world.clock.after(0, () => this.#end(transfer, 'cancelled'))
  }

  refuse(ask: AskId, reason: FailReason): void {
    const served = this.#served.get(ask)
    if (served === undefined) return
    this.#endServing(ask, 'failed')
    const { client, transfer } = served
    this.#world.send(this.#node, client, 16, () => client.payload.#end(transfer, reason))
  }

  /** Closes an ask that is being served; one that still waits was taken out by askCancelled. */
  #endServing(ask: AskId, outcome: 'sent' | 'failed'): void {
    const served = this.#served.get(ask)
    if (served === undefined) return
    this.#served.delete(ask)
    if (served.flow === undefined) return
    this.#node.up.cancel(served.flow)
    const bytes = this.#bytesOf(served.transfer.chunk) - served.transfer.offset
    this.#node.event({ type: 'chunkServed', ask, outcome, bytes })
  }

  #bytesOf(chunk: ChunkIndex): number {
    return this.#world.spec.chunkBytes[chunk] ?? 0
  }
}
