// What more threads gain, and beside it what the machine itself gives, because two virtual processors may be one core. Each work
// is done by one thread and then at once by all, and only these two are compared: a machine that slows down slows both.

import { Worker } from 'node:worker_threads'
import type { Codec, CodecChoice } from '../codec/codec.ts'
import { touchedBuffer, wrongResult } from './bench-rivals.ts'
import type { BenchSample } from './bench-samples.ts'

export interface ScalingRow {
  /** A code path of the codec; or what the machine does without it: `memcpy`, or `arithmetic` that stays in registers. */
  readonly path: string
  /** Null for the machine itself. */
  readonly codec: string | null
  readonly threads: number
  /** How many times as much all threads do as one in the same time; both the same where nothing is encoded. */
  readonly encode: number
  readonly decode: number
}

/** Something that threads can do beside each other. */
export interface ScaledWork {
  readonly path: string
  readonly codec: string | null
  /** The same amount for each of `threads` threads: one, or all. */
  encode(threads: number): Promise<void>
  /** Null where nothing is encoded. */
  readonly decode: ((threads: number) => Promise<void>) | null
}

/** Chunks that each thread encodes or decodes: some tens of milliseconds. */
const CHUNKS_PER_THREAD = 8
/** Chunks under way for each thread, so that the next one waits for it. */
const QUEUE_PER_THREAD = 2
const REPETITIONS_PER_ROUND = 3

/** The median of `rounds` x 3 comparisons for each work, after one that does not count. */
export async function measureScaling(
  works: readonly ScaledWork[],
  threads: number,
  rounds: number,
  signal: AbortSignal,
): Promise<ScalingRow[]> {
  const results = works.map((work) => ({ work, encode: [] as number[], decode: [] as number[] }))
  for (let repetition = 0; repetition <= rounds * REPETITIONS_PER_ROUND; repetition++)
    for (const { work, encode, decode } of results) {
      signal.throwIfAborted()
      const gains = [await gainOf(work.encode, threads), work.decode && (await gainOf(work.decode, threads))] as const
      if (repetition === 0) continue
      encode.push(gains[0])
      decode.push(gains[1] ?? gains[0])
    }
  return results.map(({ work: { path, codec }, encode, decode }) => {
    return { path, codec, threads, encode: median(encode), decode: median(decode) }
  })
}

async function gainOf(work: (threads: number) => Promise<void>, threads: number): Promise<number> {
  const begun = performance.now()
  await work(1)
  const between = performance.now()
  await work(threads)
  return ((between - begun) * threads) / (performance.now() - between)
}

/** `one` and `all` differ in their number of threads only. The works share buffers: one at a time. */
export async function codecWorks(
  one: Codec,
  all: Codec,
  sample: BenchSample,
  choices: readonly CodecChoice[],
  zstdLevel: number,
): Promise<ScaledWork[]> {
  const { raw, hint: element } = sample
  const buffers = Array.from({ length: all.status.threads * QUEUE_PER_THREAD }, () =>
    touchedBuffer(all.maxEncodedBytes(raw.length)),
  )
  const chunks = async (threads: number, work: (codec: Codec, buffer: Uint8Array) => Promise<void>): Promise<void> => {
    const codec = threads === 1 ? one : all
    let left = threads * CHUNKS_PER_THREAD
    const worked = buffers.slice(0, threads * QUEUE_PER_THREAD).map(async (buffer) => {
      while (left-- > 0) await work(codec, buffer)
    })
    await Promise.all(worked)
  }
  return Promise.all(
    choices.map(async (choice) => {
      const options = { codec: choice, element, zstdLevel }
      const encoded = touchedBuffer(all.maxEncodedBytes(raw.length))
      const size = await one.encode(raw, encoded, options)
      const chunk = encoded.subarray(0, size)
      return {
        path: all.status.path,
        codec: all.inspect(chunk).codec,
        encode: (threads: number) =>
          chunks(threads, async (codec, buffer) => {
            if ((await codec.encode(raw, buffer, options)) !== size)
              throw wrongResult('two encodings of the same bytes differ')
          }),
        decode: (threads: number) =>
          chunks(threads, (codec, buffer) => codec.decode(chunk, buffer.subarray(0, raw.length))),
      }
    }),
  )
}

// A text and not a module, so that it runs from source and from a package alike. Six products at once keep the multiplier busy,
// so that a core that serves two threads shows.
const WORKER = `
  const { parentPort, workerData: { bytes, copies, rounds } } = require('node:worker_threads')
  const [from, to] = [new Uint8Array(bytes).fill(1), new Uint8Array(bytes).fill(2)]
  const work = {
    memcpy() {
      for (let copy = 0; copy < copies; copy++) to.set(from)
      return to[0]
    },
    arithmetic() {
      let [a, b, c, d, e, f] = [1, 3, 5, 7, 9, 11]
      for (let round = 0; round < rounds; round++) {
        a = Math.imul(a, 3); b = Math.imul(b, 5); c = Math.imul(c, 7)
        d = Math.imul(d, 9); e = Math.imul(e, 11); f = Math.imul(f, 13)
      }
      return a ^ b ^ c ^ d ^ e ^ f
    },
  }
  parentPort.on('message', (name) => parentPort.postMessage(work[name]()))
`
/** Some tens of milliseconds. */
const ROUNDS = 16_000_000

export interface MachineWorks {
  readonly works: readonly ScaledWork[]
  close(): Promise<void>
}

/** Copies of `bytes` bytes, and arithmetic. */
export function openMachineWorks(threads: number, bytes: number): MachineWorks {
  const workerData = { bytes, copies: CHUNKS_PER_THREAD, rounds: ROUNDS }
  const workers = Array.from({ length: threads }, () => new Worker(WORKER, { eval: true, workerData }))
  return {
    works: ['memcpy', 'arithmetic'].map((path) => ({
      path,
      codec: null,
      encode: async (count) => {
        await Promise.all(workers.slice(0, count).map((worker) => workOn(worker, path)))
      },
      decode: null,
    })),
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}

function workOn(worker: Worker, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('message', () => {
      worker.off('error', reject)
      resolve()
    })
    worker.postMessage(name)
  })
}

/** The middle one, the upper of two; 0 of none. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}
