// A node of the exchange on loopback whose events can be awaited, and which serves what it was given.

import { blake3 } from '@napi-rs/blake-hash'
import { type AskId, chunkIndex, type PeerId } from '../../src/base/ids.ts'
import { openTransportCalls } from '../../src/codec/transport-calls.ts'
import {
  type Ask,
  createExchange,
  type Exchange,
  type ExchangeInit,
  type PeerDownReason,
  type PeerInfo,
} from '../../src/exchange/exchange.ts'
import type { PeerMessage } from '../../src/exchange/messages.ts'
import type { Candidate } from '../../src/exchange/records.ts'

export type Happening =
  | { readonly type: 'up'; readonly peer: PeerId; readonly info: PeerInfo }
  | { readonly type: 'down'; readonly peer: PeerId; readonly reason: PeerDownReason }
  | { readonly type: 'message'; readonly peer: PeerId; readonly message: PeerMessage }
  | { readonly type: 'asked'; readonly peer: PeerId; readonly ask: Ask }
  | { readonly type: 'askCancelled'; readonly ask: AskId }
  | { readonly type: 'heard'; readonly candidates: readonly Candidate[] }
  | { readonly type: 'served'; readonly ask: AskId; readonly outcome: 'sent' | 'failed' }
  | { readonly type: 'log'; readonly text: string }

export const SWARM_KEY = new Uint8Array(32).fill(7)
export const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']

export interface TestNode {
  readonly exchange: Exchange
  /** Everything that happened so far. */
  readonly happenings: readonly Happening[]
  /** Chunks that this node answers asks with; asks for others stay open. */
  readonly serves: Map<number, Uint8Array>
  /** The first happening, past or future, that matches. */
  until<Type extends Happening['type']>(
    type: Type,
    matches?: (happening: Extract<Happening, { type: Type }>) => boolean,
  ): Promise<Extract<Happening, { type: Type }>>
}

const running: Exchange[] = []

export async function startTestNode(options: Partial<ExchangeInit> = {}): Promise<TestNode> {
  const happenings: Happening[] = []
  const serves = new Map<number, Uint8Array>()
  const waiters = new Set<(happening: Happening) => void>()
  const happened = (happening: Happening) => {
    happenings.push(happening)
    for (const waiter of [...waiters]) waiter(happening)
  }
  const exchange = await createExchange({
    swarmKey: SWARM_KEY,
    listen: LOOPBACK,
    listenIsDefault: false,
    announce: [],
    transport: openTransportCalls(),
    log: (text) => happened({ type: 'log', text }),
    handlers: {
      peerUp: (peer, info) => happened({ type: 'up', peer, info }),
      peerDown: (peer, reason) => happened({ type: 'down', peer, reason }),
      message: (peer, message) => happened({ type: 'message', peer, message }),
      asked: (peer, ask) => {
        happened({ type: 'asked', peer, ask })
        const bytes = 'chunk' in ask.target ? serves.get(ask.target.chunk) : undefined
        if (bytes === undefined) return
        void exchange
          .serve(ask.ask, bytes.subarray(ask.offset, ask.offset + ask.length))
          .then((outcome) => happened({ type: 'served', ask: ask.ask, outcome }))
      },
      askCancelled: (ask) => happened({ type: 'askCancelled', ask }),
      peersHeard: (candidates) => happened({ type: 'heard', candidates }),
    },
    ...options,
  })
  running.push(exchange)
  return {
    exchange,
    happenings,
    serves,
    until(type, matches = () => true) {
      type Wanted = Extract<Happening, { type: typeof type }>
      const isWanted = (happening: Happening): happening is Wanted =>
        happening.type === type && matches(happening as Wanted)
      const past = happenings.find(isWanted)
      if (past !== undefined) return Promise.resolve(past)
      return new Promise((resolve) => {
        const waiter = (happening: Happening) => {
          if (!isWanted(happening)) return
          waiters.delete(waiter)
          resolve(happening)
        }
        waiters.add(waiter)
      })
    },
  }
}

/** Stops every node that a test started. For afterEach. */
export async function stopTestNodes(): Promise<void> {
  await Promise.all(running.splice(0).map((exchange) => exchange.stop()))
}

/** Bytes that look like a chunk: no two numbers give the same. */
export function someBytes(length: number, seed: number): Uint8Array {
  const bytes = Buffer.alloc(length)
  for (let position = 0; position < length; position += 32) {
    blake3(Buffer.from(`${seed} ${position}`)).copy(bytes, position)
  }
  return bytes
}

export const chunk = (index: number) => ({ chunk: chunkIndex(index) })
