// Small programs for codec-lifetime.test.ts, chosen by the first argument. Each prints what it got to do.

import { once } from 'node:events'
import { parentPort, Worker } from 'node:worker_threads'
import type { Codec } from '../../src/codec/codec.ts'
import { openNativeCodec } from '../../src/codec/native-codec.ts'
import { bf16Weights } from './codec-samples.ts'

const OPTIONS = { codec: 'ans', element: 'bf16', zstdLevel: 3 } as const

/** Resolves with the encoded size. */
function encodeWeights(codec: Codec, raw: Uint8Array): Promise<number> {
  return codec.encode(raw, new Uint8Array(codec.maxEncodedBytes(raw.length)), OPTIONS)
}

function manyWeights(): Uint8Array {
  const some = bf16Weights(2 ** 15, 0.02, 1)
  return Uint8Array.from({ length: 2 ** 22 }, (_, index) => some[index % some.length] ?? 0)
}

const scenarios: Readonly<Record<string, () => void | Promise<void>>> = {
  // Nothing but the pending job keeps this process alive.
  'pending-job'() {
    void encodeWeights(openNativeCodec({ threads: 1 }), manyWeights()).then((size) => console.log(`encoded ${size}`))
  },
  'idle-pool'() {
    const codec = openNativeCodec({ threads: 2 })
    console.log(`threads ${codec.status.threads}`)
  },
  'used-pool'() {
    void encodeWeights(openNativeCodec({ threads: 2 }), bf16Weights(1000, 1, 1)).then(() => console.log('used'))
  },
  'exit-in-job'() {
    const codec = openNativeCodec({ threads: 2 })
    const raw = manyWeights()
    for (let job = 0; job < 8; job++) void encodeWeights(codec, raw)
    console.log('leaving')
    process.exit(7)
  },
  'exit-with-device'() {
    const codec = openNativeCodec({ threads: 2, device: 'cuda', standIn: 'host-warp' })
    const raw = manyWeights()
    for (let job = 0; job < 8; job++) void encodeWeights(codec, raw)
    console.log('leaving')
    setImmediate(() => process.exit(7))
  },
  async 'used-device'() {
    const codec = openNativeCodec({ threads: 1, device: 'cuda', standIn: 'host-warp' })
    await encodeWeights(codec, bf16Weights(1000, 1, 1))
    console.log(`used ${codec.status.device}`)
  },
  async 'worker-ends-with-device'() {
    for (let round = 0; round < 5; round++) {
      const worker = new Worker(new URL(import.meta.url), { argv: ['worker-body-with-device'] })
      await once(worker, 'message')
      await worker.terminate()
    }
    console.log('still here')
  },
  async 'worker-body-with-device'() {
    const codec = openNativeCodec({ threads: 2, device: 'cuda', standIn: 'host-warp' })
    const raw = bf16Weights(20_000, 1, 1)
    const jobs = Array.from({ length: 300 }, () => encodeWeights(codec, raw))
    await jobs[0]
    parentPort?.postMessage('busy')
  },
  async 'worker-ends-in-job'() {
    for (let round = 0; round < 5; round++) {
      const worker = new Worker(new URL(import.meta.url), { argv: ['worker-body'] })
      await once(worker, 'message')
      await worker.terminate()
    }
    const size = await encodeWeights(openNativeCodec({ threads: 1 }), bf16Weights(50_000, 1, 1))
    console.log(`main thread still encodes: ${size > 0}`)
  },
  // Many short jobs, so that results keep arriving while the thread is being ended.
  async 'worker-body'() {
    const codec = openNativeCodec({ threads: 2 })
    const raw = bf16Weights(20_000, 1, 1)
    const jobs = Array.from({ length: 900 }, () => encodeWeights(codec, raw))
    await jobs[0]
    parentPort?.postMessage('busy')
  },
}

await scenarios[process.argv[2] ?? '']?.()
