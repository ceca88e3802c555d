// What more threads gain: the codec's rows against each other, and beside them what the machine itself gives, because two
// virtual processors may be one core. Both sides of a ratio do the same work for each thread.

import { Worker } from 'node:worker_threads'

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

type MachineWork = 'memcpy' | 'arithmetic'

export interface MachineScaling {
  /** Measures each kind of work once more, with one thread and with all of them. */
  measure(): Promise<void>
  rows(): ScalingRow[]
  close(): Promise<void>
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
const WORKS: readonly MachineWork[] = ['memcpy', 'arithmetic']
/** Some milliseconds. */
const ROUNDS = 4_000_000

/** Starts `threads` threads, each of which copies `bytes` bytes `copies` times over. */
export async function openMachineScaling(threads: number, bytes: number, copies: number): Promise<MachineScaling> {
  const workerData = { bytes, copies, rounds: ROUNDS }
  const workers = Array.from({ length: threads }, () => new Worker(WORKER, { eval: true, workerData }))
  const ratios = new Map<MachineWork, number[]>(WORKS.map((work) => [work, []]))
  // The first time, compilation counts.
  for (const work of WORKS) await secondsOf(workers, work)
  return {
    async measure() {
      for (const work of WORKS) {
        const one = await secondsOf(workers.slice(0, 1), work)
        const all = await secondsOf(workers, work)
        ratios.get(work)?.push((one * threads) / all)
      }
    },
    rows() {
      return WORKS.map((path) => {
        const ratio = median(ratios.get(path) ?? [])
        return { path, codec: null, threads, encode: ratio, decode: ratio }
      })
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}

async function secondsOf(workers: readonly Worker[], work: MachineWork): Promise<number> {
  const begun = performance.now()
  await Promise.all(
    workers.map(
      (worker) =>
        new Promise<void>((resolve, reject) => {
          worker.once('error', reject)
          worker.once('message', () => {
            worker.off('error', reject)
            resolve()
          })
          worker.postMessage(work)
        }),
    ),
  )
  return (performance.now() - begun) / 1000
}

/** The middle one, the upper of two; 0 of none. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}
