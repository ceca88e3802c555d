// How fast do chunks get from one machine to another? One serves bytes that exist only here, the other asks for them through
// the production exchange and drops them. No store and no snapshot are involved.

import { randomBytes } from 'node:crypto'
import { SwarmError } from '../base/errors.ts'
import { hashBytes } from '../base/hash.ts'
import { chunkIndex, objectIdFromBytes, type Root } from '../base/ids.ts'
import { AGENT_VERSION } from '../base/version.ts'
import { openTransportCalls } from '../codec/transport-calls.ts'
import { createExchange, type Exchange, type ExchangeHandlers } from '../exchange/exchange.ts'
import { SWARM_KEY_BYTES } from '../snapshot/limits.ts'
import { encodeTicket, parseTicket } from '../snapshot/ticket.ts'
import { median } from './bench-scaling.ts'
import { repeatFor } from './bench-window.ts'
import { CHUNK_BYTES_DEFAULT } from './limits.ts'

export interface PeerRow {
  /** 10^6 bytes per second. */
  readonly MBps: number
  /** From a request on an idle connection to its first byte, median. */
  readonly firstByteMs: number
  readonly seconds: number
  /** Of this process, for each 10^9 bytes. */
  readonly cpuSecondsPerGB: number
}

export interface ServeBenchInit {
  readonly listen: readonly string[]
  readonly listenIsDefault: boolean
  readonly announce: readonly string[]
  readonly log: (text: string) => void
}

export interface BenchServer {
  /** For the other machine. Whoever has it can ask this process for meaningless bytes, nothing else. */
  readonly ticket: string
  readonly addresses: readonly string[]
  close(): Promise<void>
}

export interface FetchBenchInit {
  readonly ticket: string
  readonly measureMs: number
  readonly log: (text: string) => void
  readonly signal: AbortSignal
}

/** As many as a node asks one fast peer for. */
const REQUESTS = 16
/** Requests of one piece on an otherwise idle connection. */
const FIRST_BYTES = 5
const FIRST_BYTES_LENGTH = 1024
const NAME = 'bench-peer'

/** Throws `usage` or `networkUnavailable` when it cannot listen. The caller closes it. */
export async function serveBench(init: ServeBenchInit): Promise<BenchServer> {
  const swarmKey = randomBytes(SWARM_KEY_BYTES)
  const chunk = randomBytes(CHUNK_BYTES_DEFAULT)
  const exchange: Exchange = await open(swarmKey, init, {
    asked(_peer, { ask, target, offset, length }) {
      if ('chunk' in target) void exchange.serve(ask, chunk.subarray(offset, offset + length))
      else exchange.refuse(ask, 'missing')
    },
  })
  const addresses = exchange.addresses()
  const root = objectIdFromBytes(hashBytes(swarmKey)) as Root
  const ticket = encodeTicket({ root, swarmKey, name: NAME, addresses, store: undefined })
  return { ticket, addresses, close: () => exchange.stop() }
}

/** Throws `usage` for a ticket of something else, `networkUnavailable` when nobody answers or the connection ends. */
export async function fetchBench(init: FetchBenchInit): Promise<PeerRow> {
  const { swarmKey, addresses, name } = parseTicket(init.ticket)
  if (name !== NAME)
    throw new SwarmError('usage', 'this ticket is not one of swarm bench peer', {
      blame: 'caller',
      cure: 'run swarm bench peer on the other machine and use the ticket that it prints',
    })
  const exchange: Exchange = await open(
    swarmKey,
    { listen: [], listenIsDefault: false, announce: [], log: init.log },
    {
      asked: (_peer, { ask }) => exchange.refuse(ask, 'missing'),
    },
  )
  try {
    const outcome = await exchange.dial(addresses, init.signal)
    init.signal.throwIfAborted()
    if (outcome.status !== 'connected')
      throw new SwarmError('networkUnavailable', `cannot reach ${addresses.join(' or ')}: ${outcome.message}`, {
        cure: 'see that swarm bench peer is still running there and that a firewall lets its port through; --announce names another address',
      })
    const ask = async (into: Uint8Array, signal: AbortSignal, onBytes: (bytes: number) => void) => {
      const { status } = await exchange.request(outcome.peer, { chunk: chunkIndex(0) }, 0, into, {
        signal,
        onBytes,
      })
      if (status !== 'ok' && !signal.aborted)
        throw new SwarmError('networkUnavailable', `the other machine stopped sending: ${status}`, {
          cure: 'see what swarm bench peer says there',
        })
    }
    return await measure(ask, init)
  } finally {
    await exchange.stop()
  }
}

type AskFor = (into: Uint8Array, signal: AbortSignal, onBytes: (bytes: number) => void) => Promise<void>

async function measure(ask: AskFor, { measureMs, signal }: FetchBenchInit): Promise<PeerRow> {
  const firstBytesMs: number[] = []
  for (let round = 0; round < FIRST_BYTES; round++) {
    const asked = performance.now()
    await ask(new Uint8Array(FIRST_BYTES_LENGTH), signal, () => undefined)
    signal.throwIfAborted()
    firstBytesMs.push(performance.now() - asked)
  }
  const buffers = Array.from({ length: REQUESTS }, () => Buffer.allocUnsafeSlow(CHUNK_BYTES_DEFAULT))
  const cpu = process.cpuUsage()
  let bytes = 0
  const seconds = await repeatFor(measureMs, REQUESTS, signal, async (lane, until) => {
    const into = buffers[lane]
    if (into === undefined) return
    await ask(into, until, (count) => {
      bytes += count
    })
  })
  const { user, system } = process.cpuUsage(cpu)
  return {
    MBps: bytes / 1e6 / seconds,
    firstByteMs: median(firstBytesMs),
    seconds,
    cpuSecondsPerGB: bytes === 0 ? 0 : (user + system) / 1000 / (bytes / 1e6),
  }
}

function open(
  swarmKey: Uint8Array,
  where: ServeBenchInit,
  handlers: Pick<ExchangeHandlers, 'asked'>,
): Promise<Exchange> {
  const nothing = () => undefined
  return createExchange({
    ...where,
    swarmKey,
    transport: openTransportCalls(),
    agentVersion: AGENT_VERSION,
    handlers: {
      peerUp: nothing,
      peerDown: nothing,
      message: nothing,
      askCancelled: nothing,
      peersHeard: nothing,
      ...handlers,
    },
  })
}
