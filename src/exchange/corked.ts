// Collects what noise writes to a connection and hands it on once per turn of the event loop, in one piece. Noise writes two
// bytes of length before every frame and each part of a frame on its own; every piece would be a system call and a packet.

import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { CORKED_BYTES_MAX } from './limits.ts'

/** The same encrypter, over connections that are corked. */
export function corked<Components, Extension>(
  make: (components: Components) => ConnectionEncrypter<Extension>,
): (components: Components) => ConnectionEncrypter<Extension> {
  return (components) => {
    const encrypter = make(components)
    const secureOutbound = encrypter.secureOutbound.bind(encrypter)
    const secureInbound = encrypter.secureInbound.bind(encrypter)
    encrypter.secureOutbound = (connection, options) => secureOutbound(cork(connection), options)
    encrypter.secureInbound = (connection, options) => secureInbound(cork(connection), options)
    return encrypter
  }
}

type Corkable = Pick<MessageStream, 'close' | 'send' | 'status' | 'writableNeedsDrain'>

/** Changes the connection: `send` waits for the end of this turn, or for CORKED_BYTES_MAX; `close` sends what waits. */
export function cork<Connection extends Corkable>(connection: Connection): Connection {
  const sendNow = connection.send.bind(connection)
  const closeNow = connection.close.bind(connection)
  let waiting = new Uint8ArrayList()

  const flush = (): boolean => {
    const bytes = waiting
    waiting = new Uint8ArrayList()
    // A connection that has failed meanwhile takes nothing; its close event tells the sender.
    if (bytes.byteLength === 0 || connection.status !== 'open') return !connection.writableNeedsDrain
    return sendNow(bytes.subarray())
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
