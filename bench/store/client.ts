// Reads objects as it is told, each into one of a few buffers that are used again, and says what that took.

import { Agent, get } from 'node:http'
import { get as getSecurely, Agent as SecureAgent } from 'node:https'
import { openStore } from '../../src/store/open-store.ts'
import { OBJECT_BYTES, type Order, type Report } from './orders.ts'

type Read = (key: string, into: Uint8Array) => Promise<void>

async function readerOf({ reader, secure, port, together }: Order): Promise<Read> {
  if (reader === 'http') return bareReader(secure, port, together)
  const { store } = await openStore({
    url: 's3://bench/objects',
    endpoint: `${secure ? 'https' : 'http'}://127.0.0.1:${port}`,
    env: { AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' },
  })
  return (key, into) => store.getInto(key, into)
}

function bareReader(secure: boolean, port: number, together: number): Read {
  const options = { keepAlive: true, maxSockets: together }
  const agent = secure ? new SecureAgent(options) : new Agent(options)
  const send = secure ? getSecurely : get
  const headers = { range: `bytes=0-${OBJECT_BYTES - 1}` }
  return (key, into) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let filled = 0
    send({ agent, host: '127.0.0.1', port, path: `/bench/objects/${key}`, headers }, (response) => {
      response.on('data', (piece: Buffer) => {
        into.set(piece, filled)
        filled += piece.length
      })
      response.on('end', resolve)
      response.on('error', reject)
    }).on('error', reject)
    return promise
  }
}

async function run(order: Order): Promise<Report> {
  const { objects, together } = order
  const read = await readerOf(order)
  const buffers = Array.from({ length: together }, () => new Uint8Array(OBJECT_BYTES))
  const readAll = async (count: number): Promise<void> => {
    let next = 0
    const worker = async (into: Uint8Array): Promise<void> => {
      while (next < count) await read(`chunk-${next++}`, into)
    }
    await Promise.all(buffers.map(worker))
  }
  // Connections are open and code is compiled before the clock starts.
  await readAll(2 * together)
  const cpu = process.cpuUsage()
  const beganMs = performance.now()
  await readAll(objects)
  const seconds = (performance.now() - beganMs) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return { seconds, cpuSeconds: (user + system) / 1e6, rssMiB: process.resourceUsage().maxRSS / 1024 }
}

process.on('message', (order: Order) => {
  void run(order).then((report) => process.send?.(report, () => process.exit()))
})
