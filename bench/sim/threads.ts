// Simulations on several threads, each doing one at a time.

import { Worker } from 'node:worker_threads'
import type { SimLine } from './run.ts'
import type { Job } from './worker.ts'

interface Waiting {
  readonly job: Job
  readonly resolve: (line: SimLine) => void
  readonly reject: (error: Error) => void
}

type Answer = { readonly line: SimLine } | { readonly failure: string }

export class SimThreads {
  readonly #workers: readonly Worker[]
  readonly #idle: Worker[]
  readonly #waiting: Waiting[] = []
  readonly #busy = new Map<Worker, Waiting>()

  constructor(count: number) {
    const script = new URL('./worker.ts', import.meta.url)
    this.#workers = Array.from({ length: count }, () => new Worker(script))
    this.#idle = [...this.#workers]
    for (const worker of this.#workers) {
      worker.on('message', (answer: Answer) => this.#answered(worker, answer))
      worker.on('error', (error: Error) => this.#answered(worker, { failure: error.message }))
    }
  }

  /** Rejects when the simulation broke a rule; the error names the seed. */
  run(job: Job): Promise<SimLine> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject })
      this.#start()
    })
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }

  #start(): void {
    while (this.#idle.length > 0 && this.#waiting.length > 0) {
      const worker = this.#idle.pop()
      const next = this.#waiting.shift()
      if (worker === undefined || next === undefined) return
      this.#busy.set(worker, next)
      worker.postMessage(next.job)
    }
  }

  #answered(worker: Worker, answer: Answer): void {
    const waiting = this.#busy.get(worker)
    this.#busy.delete(worker)
    this.#idle.push(worker)
    if ('line' in answer) waiting?.resolve(answer.line)
    else {
      const { path, seed } = waiting?.job ?? { path: '', seed: 0 }
      const again = `again: npm run -s bench:sim -- --spec ${path} --seed ${seed}`
      waiting?.reject(new Error(`${path}, seed ${seed}: ${answer.failure}\n${again}`))
    }
    this.#start()
  }
}
