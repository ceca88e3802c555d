// Reads the chunk vectors that are in protocols/vectors/chunk/.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const VECTOR_FOLDER = fileURLToPath(new URL('../../protocols/vectors/chunk/', import.meta.url))

export interface GoodEntry {
  readonly file: string
  readonly about: string
  readonly rawBytes: number
  readonly rawSha256: string
  readonly reencodes: boolean
}

export interface BadEntry {
  readonly file: string
  readonly rule: string
}

export interface VectorIndex {
  readonly good: readonly GoodEntry[]
  readonly bad: readonly BadEntry[]
}

export function parseVectorIndex(): VectorIndex {
  return JSON.parse(readFileSync(`${VECTOR_FOLDER}index.json`, 'utf8')) as VectorIndex
}

export function readVector(entry: { readonly file: string }): Uint8Array {
  return new Uint8Array(readFileSync(VECTOR_FOLDER + entry.file))
}
