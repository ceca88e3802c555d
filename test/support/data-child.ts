// Two nodes that move chunks over a data connection in a process that ends in the middle, as the first argument says.

import { once } from 'node:events'
import { parentPort, Worker } from 'node:worker_threads'
import { chunk, someBytes, startTestNode } from './exchange-node.ts'

const BYTES = 8 * 1024 * 1024
const REQUESTS = 64

/** Resolves when the first bytes have come, long before the last. */
async function transfer(): Promise<void> {
  const [first, second] = [await startTestNode(), await startTestNode()]
  first.serves.set(1, someBytes(BYTES, 1))
  await second.exchange.dial(first.exchange.addresses())
  await second.until('log', ({ text }) => text.includes('is up'))
  const begun = Promise.withResolvers<void>()
  const into = new Uint8Array(BYTES)
  for (let count = 0; count < REQUESTS; count++)
    void second.exchange.request(first.exchange.peerId, chunk(1), 0, into, { onBytes: () => begun.resolve() })
  await begun.promise
}

const scenarios: Readonly<Record<string, () => Promise<void>>> = {
  async exit() {
    await transfer()
    console.log('leaving')
    process.exit(7)
  },
  async 'worker-body'() {
    await transfer()
    parentPort?.postMessage('begun')
  },
  async worker() {
    for (let round = 0; round < 3; round++) {
      const worker = new Worker(new URL(import.meta.url), { argv: ['worker-body'] })
      await once(worker, 'message')
      await worker.terminate()
    }
    await transfer()
    console.log('still here')
    process.exit(0)
  },
}

await scenarios[process.argv[2] ?? '']?.()
