// What the benchmark and its processes agree on.

/** As large as a chunk of the default size. */
export const OBJECT_BYTES = 8 * 2 ** 20

/** `swarm`: as a node reads its store. `http`: node:http into the same buffers and nothing else. */
export type Reader = 'swarm' | 'http'

export interface Order {
  readonly reader: Reader
  readonly secure: boolean
  readonly port: number
  readonly objects: number
  /** Reads at once. */
  readonly together: number
}

export interface Report {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly rssMiB: number
}
