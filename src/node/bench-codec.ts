// Measures every code path of the codec beside its rivals (bench-rivals.ts). Rows are measured in turns, so that a machine that
// slows down slows all of them; every row's result is compared with what went in.

import { invariant, SwarmError } from '../base/errors.ts'
import type { Codec } from '../codec/codec.ts'
import { codecThreadCount } from '../codec/cpu-quota.ts'
import { availableCodecPaths, openNativeCodec } from '../codec/native-codec.ts'
import { type Contender, copy, lz4, openLz4, zstd } from './bench-rivals.ts'
import { type BenchSample, makeBenchSamples } from './bench-samples.ts'

export interface BenchRow {
  readonly path: string
  readonly element: string
  /** Raw bytes of one repetition. */
  readonly bytes: number
  readonly ratio: number
  /** Raw bytes, 10^9 per second, median of the repetitions. */
  readonly encodeGBps: number
  readonly decodeGBps: number
  readonly threads: number
  /** What the fastest and the slowest repetition reached. */
  readonly encodeSpread: readonly [number, number]
  readonly decodeSpread: readonly [number, number]
  readonly repetitions: number
  /** Order-0 entropy of the planes of each MiB, as a share of the encoded size; null for what does not code planes. */
  readonly entropyShare: number | null
}

interface Measured {
  readonly encodeGBps: number[]
  readonly decodeGBps: number[]
  encodedBytes: number
}

export interface BenchInit {
  /** Size of each sample; a multiple of 32. */
  readonly sampleBytes: number
  readonly repetitions: number
  /** Called with each row when all are measured. */
  readonly found: (row: BenchRow) => void
  /** Called before them for each rival that this machine does not have. */
  readonly skipped: (path: string, reason: string) => void
  readonly signal: AbortSignal
}

/** One chunk of the default size. */
export const BENCH_SAMPLE_BYTES = 8 * 1024 * 1024
export const BENCH_REPETITIONS = 7
const ZSTD_LEVEL = 3
/** zstd -19 takes seconds for a MiB: once, and of a part. */
const SLOW_ZSTD_BYTES = 1024 * 1024
/** Chunks under way for each thread, where more than one thread is measured. */
const CHUNKS_PER_THREAD = 2
const SEGMENT_BYTES = 1024 * 1024

/** Throws `integrity` when a result is wrong. */
export async function benchCodec({ sampleBytes, repetitions, found, skipped, signal }: BenchInit): Promise<void> {
  const lz4Library = openLz4()
  if (lz4Library === undefined) skipped('lz4', 'there is no lz4 library here (liblz4.so.1)')
  const samples = await makeBenchSamples(sampleBytes)
  const paths = availableCodecPaths()
  const codecs = paths.map((path) => openNativeCodec({ threads: 1, path }))
  const threads = codecThreadCount()
  const all = openNativeCodec({ threads })
  try {
    const contenders = samples.flatMap((sample) => [
      ...codecs.map((codec) => native(codec, sample, 1, repetitions)),
      ...(threads > 1 && sample.element === 'bf16'
        ? [native(all, sample, threads * CHUNKS_PER_THREAD, repetitions)]
        : []),
      zstd(sample, 1, repetitions),
      zstd(sample, ZSTD_LEVEL, repetitions),
      zstd({ ...sample, raw: partOf(sample.raw) }, 19, 1),
      ...(lz4Library === undefined ? [] : [lz4(lz4Library, sample, repetitions)]),
      copy(sample, repetitions),
    ])
    const results = contenders.map((): Measured => ({ encodeGBps: [], decodeGBps: [], encodedBytes: 0 }))
    for (let repetition = 0; repetition < repetitions; repetition++) {
      for (const [index, contender] of contenders.entries()) {
        signal.throwIfAborted()
        const result = results[index]
        if (result !== undefined && repetition < contender.repetitions) await measure(contender, result)
      }
    }
    for (const [index, contender] of contenders.entries()) {
      const result = results[index]
      if (result !== undefined) found(toRow(contender, result))
    }
  } finally {
    await Promise.all([...codecs, all].map((codec) => codec.close()))
  }
}

async function measure(contender: Contender, result: Measured): Promise<void> {
  const { sample } = contender
  const begun = performance.now()
  const encoded = await contender.encode()
  const between = performance.now()
  const decoded = await contender.decode(encoded)
  const ended = performance.now()
  if (Buffer.compare(decoded.subarray(0, sample.raw.length), sample.raw) !== 0)
    throw new SwarmError('integrity', `${contender.path} decoded ${sample.element} to other bytes`, {
      blame: 'local',
      cure: 'run swarm doctor: this machine’s memory or processor may be faulty',
    })
  const bytes = decoded.length
  result.encodeGBps.push(bytes / (between - begun) / 1e6)
  result.decodeGBps.push(bytes / (ended - between) / 1e6)
  result.encodedBytes = encoded.length
}

/** `copies` chunks at once; their raw bytes come back one after the other. */
function native(codec: Codec, sample: BenchSample, copies: number, repetitions: number): Contender {
  const { raw } = sample
  const outs = Array.from({ length: copies }, () => new Uint8Array(codec.maxEncodedBytes(raw.length)))
  const backs = new Uint8Array(raw.length * copies)
  const { path, threads } = codec.status
  const options = { codec: 'auto', element: sample.hint, zstdLevel: ZSTD_LEVEL } as const
  return {
    path,
    sample,
    threads,
    repetitions,
    codesPlanes: sample.element !== 'text',
    async encode() {
      const sizes = await Promise.all(outs.map((out) => codec.encode(raw, out, options)))
      const [out, size] = [outs[0], sizes[0]]
      invariant(out !== undefined && size !== undefined, 'at least one copy')
      return out.subarray(0, size)
    },
    async decode(encoded) {
      const places = outs.map((_, index) => backs.subarray(index * raw.length, (index + 1) * raw.length))
      await Promise.all(places.map((place) => codec.decode(encoded, place)))
      return backs
    },
  }
}

/** Equal parts of all tensors, together SLOW_ZSTD_BYTES; all of what is not larger. */
function partOf(raw: Uint8Array): Uint8Array {
  const step = Math.ceil(raw.length / SLOW_ZSTD_BYTES)
  const windows: Uint8Array[] = []
  for (let start = 0; start < raw.length; start += SEGMENT_BYTES)
    windows.push(raw.subarray(start, start + Math.floor(SEGMENT_BYTES / step)))
  return new Uint8Array(Buffer.concat(windows))
}

function toRow({ path, sample, threads, repetitions, codesPlanes }: Contender, result: Measured): BenchRow {
  const encode = result.encodeGBps.toSorted((a, b) => a - b)
  const decode = result.decodeGBps.toSorted((a, b) => a - b)
  const { encodedBytes } = result
  return {
    path,
    element: sample.element,
    bytes: sample.raw.length,
    ratio: sample.raw.length / encodedBytes,
    encodeGBps: encode[encode.length >> 1] ?? 0,
    decodeGBps: decode[decode.length >> 1] ?? 0,
    threads,
    encodeSpread: [encode[0] ?? 0, encode.at(-1) ?? 0],
    decodeSpread: [decode[0] ?? 0, decode.at(-1) ?? 0],
    repetitions,
    entropyShare: codesPlanes ? entropyBytes(sample) / encodedBytes : null,
  }
}

/** What an ideal coder with one table for each plane of each MiB would need, tables not counted. */
function entropyBytes({ raw, width, rotated }: BenchSample): number {
  let bits = 0
  for (let start = 0; start < raw.length; start += SEGMENT_BYTES) {
    const segment = raw.subarray(start, start + SEGMENT_BYTES)
    const counts = Array.from({ length: width }, () => new Uint32Array(256))
    for (let at = 0; at + width <= segment.length; at += width) {
      for (let plane = 0; plane < width; plane++) {
        const byte = segment[at + plane] ?? 0
        // The bit that a rotation brings in: from the byte below, or the sign.
        const below = (segment[at + ((plane + width - 1) % width)] ?? 0) >>> 7
        const symbol = rotated ? ((byte << 1) & 0xff) | below : byte
        const count = counts[plane]
        if (count !== undefined) count[symbol] = (count[symbol] ?? 0) + 1
      }
    }
    const elements = Math.floor(segment.length / width)
    for (const count of counts) for (const seen of count) if (seen > 0) bits += seen * Math.log2(elements / seen)
  }
  return bits / 8
}
