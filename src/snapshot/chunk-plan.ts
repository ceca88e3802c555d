// Which bytes of which files become which chunks. Depends on paths, sizes and tensor borders only, so that the same tree
// always gives the same plan and a small change in the tree a small change in the plan.

import { hash64 } from '../base/hash.ts'
import { LARGE_FILE_BYTES } from './limits.ts'
import type { ElementName } from './manifest.ts'
import type { TensorRange } from './safetensors.ts'

export interface PlannedFile {
  /** The caller's number for the file; comes back in the plan. */
  readonly file: number
  readonly path: Uint8Array
  readonly size: number
  /** Of a .safetensors file whose header holds; gap-free to the end of the file. */
  readonly tensors?: readonly TensorRange[]
}

export interface PlannedPiece {
  readonly file: number
  readonly offset: number
  readonly length: number
}

export interface PlannedChunk {
  /** In order; their bytes back to back are the chunk's raw bytes. */
  readonly pieces: readonly PlannedPiece[]
  readonly rawBytes: number
  readonly element: ElementName
}

/** Plans files in path order. Chunks come as soon as they are known; a pack of small files when it closes. */
export function* planChunks(files: Iterable<PlannedFile>, chunkBytes: number): Generator<PlannedChunk> {
  const largeBytes = Math.min(LARGE_FILE_BYTES, chunkBytes)
  let pack: PlannedPiece[] = []
  let packBytes = 0
  for (const file of files) {
    if (file.size === 0) continue
    if (file.size >= largeBytes) {
      yield* planLargeFile(file, chunkBytes)
      continue
    }
    if (packBytes > 0 && (packBytes + file.size > chunkBytes || isPackBorder(file, chunkBytes))) {
      yield { pieces: pack, rawBytes: packBytes, element: 'unknown' }
      pack = []
      packBytes = 0
    }
    pack.push({ file: file.file, offset: 0, length: file.size })
    packBytes += file.size
  }
  if (packBytes > 0) yield { pieces: pack, rawBytes: packBytes, element: 'unknown' }
}

/**
 * Content-defined border between small files: one file in (target / size) starts a pack, whatever lies around it, so a
 * new file changes the pack it falls into and no other. The target is half a chunk: most packs close before they are full.
 */
function isPackBorder(file: PlannedFile, chunkBytes: number): boolean {
  const target = BigInt(chunkBytes) / 2n
  return hash64(file.path) * target < BigInt(file.size) << 64n
}

function* planLargeFile(file: PlannedFile, chunkBytes: number): Generator<PlannedChunk> {
  for (const run of runsOf(file)) {
    for (let offset = run.start; offset < run.end; offset += chunkBytes) {
      const length = Math.min(chunkBytes, run.end - offset)
      yield { pieces: [{ file: file.file, offset, length }], rawBytes: length, element: run.element }
    }
  }
}

/** The header stands alone, so do tensors of 1 MiB and more; smaller tensors between them share runs. */
function runsOf(file: PlannedFile): TensorRange[] {
  const plain: TensorRange[] = [{ start: 0, end: file.size, element: 'unknown' }]
  const first = file.tensors?.[0]
  if (file.tensors === undefined || first === undefined) return plain
  const runs: TensorRange[] = [{ start: 0, end: first.start, element: 'bytes' }]
  let shared: TensorRange | undefined
  for (const tensor of file.tensors) {
    if (tensor.end - tensor.start >= LARGE_FILE_BYTES) {
      if (shared !== undefined) runs.push(shared)
      shared = undefined
      runs.push(tensor)
    } else if (tensor.end > tensor.start) {
      shared = shared === undefined ? tensor : joined(shared, tensor)
    }
  }
  if (shared !== undefined) runs.push(shared)
  return runs.at(-1)?.end === file.size ? runs : plain
}

function joined(first: TensorRange, second: TensorRange): TensorRange {
  const element: ElementName = first.element === second.element ? first.element : 'unknown'
  return { start: first.start, end: second.end, element }
}
