// Where golden vectors lie and how they are written. A vector that exists is never overwritten unless its format says so
// on the command line, because a released version's vectors are frozen.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** One line of a format's index.json. */
export interface VectorEntry {
  /** File name without its ending. */
  readonly name: string
  readonly about: string
  /** `good`, or the code of the error that a reader must give. */
  readonly expect: 'good' | 'usage' | 'integrity' | 'unsupportedVersion'
}

export function vectorFolder(format: string): string {
  return fileURLToPath(new URL(`../../protocols/vectors/${format}/`, import.meta.url))
}

export function readVectorIndex(format: string): VectorEntry[] {
  return readVectorFile(format, 'index')
}

/** The content of one vector file; its shape is what the format's protocol text says. */
export function readVectorFile<Content>(format: string, name: string): Content {
  return JSON.parse(readFileSync(`${vectorFolder(format)}${name}.json`, 'utf8'))
}

/** Names of the vectors on disk. */
export function listVectorFiles(format: string): string[] {
  return readdirSync(vectorFolder(format))
    .map((file) => file.replace(/\.json$/, ''))
    .filter((name) => name !== 'index')
    .sort()
}

/** Writes vectors that are missing, and those that exist only when `overwrite` is set. Returns the names written. */
export function writeVectors(
  format: string,
  vectors: readonly (VectorEntry & { readonly content: unknown })[],
  overwrite: boolean,
): string[] {
  const folder = vectorFolder(format)
  mkdirSync(folder, { recursive: true })
  const written = vectors.filter(({ name }) => overwrite || !existsSync(`${folder}${name}.json`))
  for (const { name, content } of written) writeFileSync(`${folder}${name}.json`, text(content))
  const index = vectors.map(({ name, about, expect }) => ({ name, about, expect }))
  writeFileSync(`${folder}index.json`, text(index))
  return written.map(({ name }) => name)
}

function text(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}
