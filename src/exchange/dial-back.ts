// Answers a peer that asks whether it can be reached: opens a plain TCP connection to its addresses, looks for the first
// words of libp2p, and closes. Connects only where the peer itself is, never to third parties.

import { connect } from 'node:net'
import { mayDialBack, parseAddress, type TcpAddress, tcpAddress } from './addresses.ts'
import { DIAL_BACK_ADDRESSES_MAX, DIAL_BACK_TIMEOUT_MS } from './limits.ts'
import type { Reachability } from './messages.ts'

/** The first message on every libp2p connection, after its one-byte length; both ends send it. */
const MULTISTREAM_HEADER = Buffer.from('\x13/multistream/1.0.0\n')

export type Probe = (address: TcpAddress, signal: AbortSignal) => Promise<boolean>

/**
 * One verdict per address, in order. `askerHost` is where the asker's connection comes from; addresses elsewhere are not
 * tried. Takes at most DIAL_BACK_TIMEOUT_MS.
 */
export async function dialBack(
  addresses: readonly Uint8Array[],
  askerHost: string,
  probe: Probe = speaksLibp2p,
): Promise<Reachability[]> {
  const signal = AbortSignal.timeout(DIAL_BACK_TIMEOUT_MS)
  return Promise.all(
    addresses.slice(0, DIAL_BACK_ADDRESSES_MAX).map(async (bytes): Promise<Reachability> => {
      const parsed = parseAddress(bytes)
      const target = parsed === undefined ? undefined : tcpAddress(parsed)
      if (target === undefined || !mayDialBack(target.host, askerHost)) return 'untried'
      return (await probe(target, signal)) ? 'reachable' : 'unreachable'
    }),
  )
}

/** Whether a libp2p node answers at the address before the signal aborts. Never rejects. */
export function speaksLibp2p(address: TcpAddress, signal: AbortSignal): Promise<boolean> {
  const answer = Promise.withResolvers<boolean>()
  const socket = connect({ host: address.host, port: address.port, signal })
  let heard = Buffer.alloc(0)
  socket.on('connect', () => socket.write(MULTISTREAM_HEADER))
  socket.on('data', (bytes: Buffer) => {
    heard = Buffer.concat([heard, bytes.subarray(0, MULTISTREAM_HEADER.length)])
    if (heard.length >= MULTISTREAM_HEADER.length) {
      answer.resolve(heard.subarray(0, MULTISTREAM_HEADER.length).equals(MULTISTREAM_HEADER))
      socket.destroy()
    }
  })
  socket.on('error', () => answer.resolve(false))
  socket.on('close', () => answer.resolve(false))
  return answer.promise
}
