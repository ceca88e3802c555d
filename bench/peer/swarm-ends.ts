// The two ends of the production exchange, with what a node gives it.

import { chunkIndex, type PeerId } from '../../src/base/ids.ts'
import { openTransportCalls } from '../../src/codec/transport-calls.ts'
import { createExchange, type Exchange } from '../../src/exchange/exchange.ts'
import { CHUNK_BYTES, chunkNumber, makeChunks, Verifier } from './chunks.ts'

/** A node asks one fast peer for as many. */
const REQUESTS = 16
const SWARM_KEY = Buffer.alloc(32, 7)

function open(listen: readonly string[], asked: Parameters<typeof createExchange>[0]['handlers']['asked']) {
  const nothing = () => undefined
  return createExchange({
    swarmKey: SWARM_KEY,
    listen,
    listenIsDefault: false,
    announce: [],
    transport: openTransportCalls(),
    log: nothing,
    handlers: {
      peerUp: nothing,
      peerDown: nothing,
      message: nothing,
      asked,
      askCancelled: nothing,
      peersHeard: nothing,
    },
  })
}

/** Serves any chunk; says where. */
export async function serveSwarm(began: () => void): Promise<string> {
  const chunks = makeChunks()
  const exchange: Exchange = await open(['/ip4/127.0.0.1/tcp/0'], (_peer, { ask, target, offset, length }) => {
    began()
    const bytes = 'chunk' in target ? chunks[chunkNumber(target.chunk)] : undefined
    if (bytes === undefined) exchange.refuse(ask, 'missing')
    else void exchange.serve(ask, bytes.subarray(offset, offset + length))
  })
  const [address] = exchange.addresses()
  if (address === undefined) throw new Error('the exchange listens nowhere')
  return address
}

export async function fetchFromSwarm(address: string) {
  const exchange = await open([], (_peer, { ask }) => exchange.refuse(ask, 'missing'))
  const outcome = await exchange.dial(address)
  if (outcome.status !== 'connected') throw new Error(outcome.message)
  return async (bytes: number, verify: boolean): Promise<void> => {
    const verifier = verify ? new Verifier() : undefined
    const count = Math.ceil(bytes / CHUNK_BYTES)
    let next = 0
    const fetchInTurn = async (): Promise<void> => {
      const into = Buffer.allocUnsafeSlow(CHUNK_BYTES)
      for (let index = next++; index < count; index = next++) {
        await fetchOne(exchange, outcome.peer, index, into)
        verifier?.check(chunkNumber(index), into)
      }
    }
    await Promise.all(Array.from({ length: REQUESTS }, fetchInTurn))
  }
}

async function fetchOne(exchange: Exchange, peer: PeerId, index: number, into: Uint8Array): Promise<void> {
  const { status } = await exchange.request(peer, { chunk: chunkIndex(index) }, 0, into)
  if (status !== 'ok') throw new Error(`chunk ${index}: ${status}`)
}
