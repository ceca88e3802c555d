// A thread that simulates the seeds it is given: each message in is a path and a seed, each one out a line or an error.

import { parentPort } from 'node:worker_threads'
import { describeError } from '../../src/base/errors.ts'
import { boundOf, type SimBound } from './bound.ts'
import { runSeed } from './run.ts'
import { readSpec, type SimSpec } from './spec.ts'

export interface Job {
  readonly path: string
  readonly seed: number
}

const specs = new Map<string, { spec: SimSpec; bound: SimBound }>()

parentPort?.on('message', ({ path, seed }: Job) => {
  try {
    let known = specs.get(path)
    if (known === undefined) {
      const spec = readSpec(path)
      known = { spec, bound: boundOf(spec) }
      specs.set(path, known)
    }
    parentPort?.postMessage({ line: runSeed(known.spec, known.bound, seed) })
  } catch (error) {
    parentPort?.postMessage({ failure: describeError(error) })
  }
})
