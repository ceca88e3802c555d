// Collects what noise writes to a connection and hands it on once per turn of the event loop, in few pieces. Noise writes two
// bytes of length before every frame and each part of a frame on its own; every piece would be a system call and a packet.
// It also sees what a connection takes, and keeps the system's queue short by that.

import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { CORKED_BYTES_MAX } from './limits.ts'
import { joinLength } from './noise-crypto.ts'
import { UnsentLimit } from './unsent-limit.ts'

/** A frame of at least so many bytes goes out as it is: joining it with others would cost more than a system call. */
const WHOLE_BYTES_MIN = 16 * 1024

type LimitUnsent = (descriptor: number, bytes: number) => void

/** The same encrypter, over connections that are corked. `limitUnsent` sets what the system queues of a socket. */
export function corked<Components, Extension>(
  make: (components: Components) => ConnectionEncrypter<Extension>,
  limitUnsent?: LimitUnsent,
): (components: Components) => ConnectionEncrypter<Extension> {
  return (components) => {
    const encrypter = make(components)
    const secureOutbound = encrypter.secureOutbound.bind(encrypter)
    const secureInbound = encrypter.secureInbound.bind(encrypter)
    encrypter.secureOutbound = (connection, options) => secureOutbound(cork(connection, limitUnsent), options)
    encrypter.secureInbound = (connection, options) => secureInbound(cork(connection, limitUnsent), options)
    return encrypter
  }
}

type Corkable = Pick<MessageStream, 'close' | 'send' | 'status' | 'writableNeedsDrain'>

/** Changes the connection: `send` waits for the end of this turn, or for CORKED_BYTES_MAX; `close` sends what waits. */
export function cork<Connection extends Corkable>(connection: Connection, limitUnsent?: LimitUnsent): Connection {
  const sendNow = connection.send.bind(connection)
  const closeNow = connection.close.bind(connection)
  let waiting = new Uint8ArrayList()
  const unsent = new UnsentLimit((bytes) => {
    const descriptor = descriptorOf(connection)
    if (descriptor !== undefined) limitUnsent?.(descriptor, bytes)
  })

  const flush = (): boolean => {
    const bytes = waiting
    waiting = new Uint8ArrayList()
    // A connection that has failed meanwhile takes nothing; its close event tells the sender.
    if (bytes.byteLength === 0 || connection.status !== 'open') return !connection.writableNeedsDrain
    let takesMore = true
    for (const piece of piecesOf(bytes)) takesMore = sendNow(piece)
    unsent.sent(bytes.byteLength, !takesMore, performance.now())
    return takesMore
  }
  connection.send = (data) => {
    // What is too late is refused as ever.
    if (connection.status !== 'open') return sendNow(data)
    if (waiting.byteLength === 0) setImmediate(flush)
    waiting.append(data)
    return waiting.byteLength < CORKED_BYTES_MAX ? !connection.writableNeedsDrain : flush()
  }
  connection.close = (options) => {
    flush()
    return closeNow(options)
  }
  return connection
}

/** The same bytes in few pieces: long frames with their lengths, without a copy, and whatever lies between those, joined. */
function piecesOf(bytes: Uint8ArrayList): readonly Uint8Array[] {
  const parts = [...bytes]
  const pieces: Uint8Array[] = []
  let between: Uint8Array[] = []
  const endBetween = () => {
    if (between.length > 0) pieces.push(Buffer.concat(between))
    between = []
  }
  for (let index = 0; index < parts.length; index++) {
    const [part, next] = [parts[index], parts[index + 1]]
    if (part === undefined) continue
    const frame = next !== undefined && next.byteLength >= WHOLE_BYTES_MIN ? joinLength(part, next) : undefined
    if (frame === undefined) between.push(part)
    else {
      endBetween()
      pieces.push(frame)
      index++
    }
  }
  endBetween()
  return pieces
}

/** The system's number of an open connection's socket, which neither libp2p nor Node shows; undefined where they keep it elsewhere. */
export function descriptorOf(connection: object): number | undefined {
  const { socket } = connection as { readonly socket?: { readonly _handle?: { readonly fd?: unknown } | null } }
  const descriptor = socket?._handle?.fd
  return typeof descriptor === 'number' && descriptor >= 0 ? descriptor : undefined
}
