// Writes protocols/vectors/chunk/: run `node test/interop/chunk-make-vectors.ts` to compare with what is there, with `--write`
// to add missing vectors, with `--overwrite` (only while the format is not released) to replace all.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openNativeCodec } from '../../src/codec/native-codec.ts'
import { makeBadVectors } from './chunk-bad-vectors.ts'
import { makeGoodVectors } from './chunk-good-vectors.ts'
import { VECTOR_FOLDER } from './chunk-vector-files.ts'

const overwrite = process.argv.includes('--overwrite')
const write = overwrite || process.argv.includes('--write')

const codec = openNativeCodec()
const good = await makeGoodVectors(codec)
const bad = makeBadVectors()
await codec.close()

if (overwrite) rmSync(VECTOR_FOLDER, { recursive: true, force: true })
mkdirSync(VECTOR_FOLDER, { recursive: true })
let differing = 0
let totalBytes = 0
for (const [kind, name, chunk] of [
  ...good.map(({ name, chunk }) => ['good', name, chunk] as const),
  ...bad.map(({ name, chunk }) => ['bad', name, chunk] as const),
])
  place(`${kind}-${name}.chunk`, chunk)

const index = {
  format: 'protocols/chunk.md',
  version: 1,
  good: good.map(({ name, about, raw, reencodes }) => ({
    file: `good-${name}.chunk`,
    about,
    rawBytes: raw.length,
    rawSha256: createHash('sha256').update(raw).digest('hex'),
    reencodes,
  })),
  bad: bad.map(({ name, rule }) => ({ file: `bad-${name}.chunk`, rule })),
}
place('index.json', Buffer.from(`${JSON.stringify(index, null, 2)}\n`), write)
console.log(`${good.length} good, ${bad.length} bad, ${totalBytes} bytes, ${differing} differ from the folder`)
process.exitCode = differing === 0 ? 0 : 1

/** Writes a file that is missing; counts one that is there and differs. */
function place(name: string, bytes: Uint8Array, replace = false): void {
  const path = join(VECTOR_FOLDER, name)
  totalBytes += bytes.length
  const exists = existsSync(path)
  if (exists && Buffer.compare(readFileSync(path), bytes) === 0) return
  if (write && (!exists || replace)) writeFileSync(path, bytes)
  else {
    differing++
    console.log(`${exists ? 'differs' : 'missing'}: ${name}`)
  }
}
