// The same with libp2p as it comes: one stream, over which a sender writes chunk after chunk and waits where it is told to.

import { noise } from '@chainsafe/libp2p-noise'
import type { Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { CHUNK_BYTES, chunkNumber, makeChunks, Verifier } from './chunks.ts'

const PROTOCOL = '/bench/peer/1.0.0'
/** A count of chunks, 32 bits. */
const QUESTION_BYTES = 4

export type Fetcher = (bytes: number, verify: boolean) => Promise<void>

function open(listen: string[]) {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  })
}

/** Serves as many chunks as it is asked for on each stream; says where. */
export async function serveStock(began: () => void): Promise<string> {
  const chunks = makeChunks()
  const node = await open(['/ip4/127.0.0.1/tcp/0'])
  await node.handle(PROTOCOL, (stream) => {
    stream.addEventListener('message', ({ data }) => {
      began()
      void sendAll(stream, chunks, Buffer.from(data.subarray()).readUInt32BE(0))
    })
  })
  const [address] = node.getMultiaddrs()
  if (address === undefined) throw new Error('the node listens nowhere')
  return address.toString()
}

async function sendAll(stream: Stream, chunks: readonly Buffer[], count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const chunk = chunks[chunkNumber(index)]
    if (chunk !== undefined && !stream.send(chunk)) await drained(stream)
  }
}

/** The event may come while bytes still wait. */
async function drained(stream: Stream): Promise<void> {
  while (stream.writeBufferLength > 0) {
    const change = Promise.withResolvers<void>()
    for (const event of ['drain', 'idle', 'close'] as const)
      stream.addEventListener(event, () => change.resolve(), { once: true })
    await change.promise
    if (stream.status !== 'open') return
  }
}

export async function fetchFromStock(address: string): Promise<Fetcher> {
  const node = await open([])
  const connection = await node.dial(multiaddr(address))
  const stream = await connection.newStream(PROTOCOL)
  return async (bytes, verify) => {
    const verifier = verify ? new Verifier() : undefined
    const count = Math.ceil(bytes / CHUNK_BYTES)
    const into = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    const done = Promise.withResolvers<void>()
    let received = 0
    stream.addEventListener('message', ({ data }) => {
      for (const part of data instanceof Uint8Array ? [data] : data) {
        for (let position = 0; position < part.length; ) {
          const at = received % CHUNK_BYTES
          const piece = part.subarray(position, position + CHUNK_BYTES - at)
          into.set(piece, at)
          position += piece.length
          received += piece.length
          if (received % CHUNK_BYTES === 0) verifier?.check(chunkNumber(received / CHUNK_BYTES - 1), into)
        }
      }
      if (received === count * CHUNK_BYTES) done.resolve()
    })
    stream.addEventListener('close', () => done.reject(new Error('the stream closed early')))
    const question = Buffer.alloc(QUESTION_BYTES)
    question.writeUInt32BE(count)
    stream.send(question)
    await done.promise
  }
}
