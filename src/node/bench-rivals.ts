// What the codec is measured against: Node’s zstd, the system's lz4, and copying. Each at its best: output goes to buffers
// that are there already, and nothing waits for another thread that need not.

import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompress } from 'node:zlib'
import { invariant, SwarmError } from '../base/errors.ts'
import { loadAddon, type NativeRival } from '../codec/load-addon.ts'
import type { BenchSample } from './bench-samples.ts'

/** Something measured: encodes and decodes one sample, some of them several copies at once. */
export interface Contender {
  readonly path: string
  readonly sample: BenchSample
  readonly threads: number
  readonly repetitions: number
  readonly codesPlanes: boolean
  /** Name of the codec that made `encoded`. */
  codecOf(encoded: Uint8Array): string
  encode(): Promise<Uint8Array>
  decode(encoded: Uint8Array): Promise<Uint8Array>
}

/** Memory that the system has handed out: it does so page by page at the first write, which would count for the first repetition. */
export function touchedBuffer(bytes: number): Uint8Array {
  return new Uint8Array(bytes).fill(1)
}

export function wrongResult(message: string): SwarmError {
  return new SwarmError('integrity', message, {
    blame: 'local',
    cure: 'run swarm doctor: this machine’s memory or processor may be faulty',
  })
}

/** Undefined where the system has no such library. */
export function openLz4(): NativeRival | undefined {
  return loadAddon().openLz4()
}

/** One block of the whole sample, at the default level. */
export function lz4(library: NativeRival, sample: BenchSample, repetitions: number): Contender {
  // The most that a block can need (LZ4_COMPRESSBOUND).
  const outBytes = sample.raw.length + Math.floor(sample.raw.length / 255) + 16
  return { ...ofLibrary(library, sample, outBytes), path: 'lz4', repetitions, codecOf: () => 'lz4' }
}

/** One frame of the whole sample. */
export function zstd(sample: BenchSample, level: number, repetitions: number): Contender {
  const common = { path: `zstd-${level}`, repetitions, codecOf: () => 'zstd' }
  const library = loadAddon().openZstd()
  if (library === undefined) return { ...ofNode(sample, level), ...common }
  // At most what zstd's own ZSTD_compressBound says.
  const outBytes = sample.raw.length + (sample.raw.length >>> 8) + 1024
  return { ...ofLibrary(library, sample, outBytes, level), ...common }
}

type Work = Omit<Contender, 'path' | 'repetitions' | 'codecOf'>

function ofLibrary(library: NativeRival, sample: BenchSample, outBytes: number, level?: number): Work {
  const { raw } = sample
  const out = touchedBuffer(outBytes)
  const back = touchedBuffer(raw.length)
  return {
    sample,
    threads: 1,
    codesPlanes: false,
    async encode() {
      const size = library.compress(raw, out, level)
      invariant(size > 0, 'a rival compresses what fits its buffer')
      return out.subarray(0, size)
    },
    async decode(encoded) {
      const size = library.decompress(encoded, back)
      return back.subarray(0, Math.max(0, size))
    },
  }
}

/** Slower, because each result is a new buffer. */
function ofNode(sample: BenchSample, level: number): Work {
  const compress = promisify(zstdCompress)
  const decompress = promisify(zstdDecompress)
  const params = { [constants.ZSTD_c_compressionLevel]: level }
  // One chunk-sized buffer, so that the calls do not spend their time on growing the output.
  const chunkSize = sample.raw.length + 1024
  return {
    sample,
    threads: 1,
    codesPlanes: false,
    encode: () => compress(sample.raw, { params, chunkSize }),
    decode: (encoded) => decompress(encoded, { chunkSize }),
  }
}

export function copy(sample: BenchSample, repetitions: number): Contender {
  const [first, second] = [touchedBuffer(sample.raw.length), touchedBuffer(sample.raw.length)]
  const into = async (to: Uint8Array, from: Uint8Array): Promise<Uint8Array> => {
    to.set(from)
    return to
  }
  const common = { path: 'memcpy', sample, threads: 1, repetitions, codesPlanes: false, codecOf: () => 'none' }
  return { ...common, encode: () => into(first, sample.raw), decode: (encoded) => into(second, encoded) }
}
