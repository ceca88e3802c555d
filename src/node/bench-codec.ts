// Measures every code path of the codec beside its rivals (bench-rivals.ts). Rows are measured in turns, so that a machine that
// slows down slows all of them; every row's result is compared with what went in.

import { invariant } from '../base/errors.ts'
import type { Codec, CodecChoice } from '../codec/codec.ts'
import { codecThreadCount } from '../codec/cpu-quota.ts'
import { availableCodecPaths, findGpus, openNativeCodec } from '../codec/native-codec.ts'
import { type Contender, copy, lz4, openLz4, touchedBuffer, wrongResult, zstd } from './bench-rivals.ts'
import { type BenchSample, makeBenchSamples } from './bench-samples.ts'
import { codecWorks, measureScaling, median, openMachineWorks, type ScalingRow } from './bench-scaling.ts'

export interface BenchRow {
  readonly path: string
  /** What the encoder made: a codec of chunks, `zstd` or `lz4` without a chunk around it, or `none`. */
  readonly codec: string
  readonly element: string
  /** Raw bytes of a sample, which is one chunk. */
  readonly bytes: number
  readonly ratio: number
  /** Raw bytes, 10^9 per second, median of the repetitions. */
  readonly encodeGBps: number
  readonly decodeGBps: number
  readonly threads: number
  /** What the fastest and the slowest repetition reached. */
  readonly encodeSpread: readonly [number, number]
  readonly decodeSpread: readonly [number, number]
  /** Raw bytes, 10^9 per second of processor time, of all repetitions together; null where the system counted none. */
  readonly encodeCpuGBps: number | null
  readonly decodeCpuGBps: number | null
  readonly repetitions: number
  /** Order-0 entropy of the planes of each MiB, as a share of the encoded size; null for what does not code planes. */
  readonly entropyShare: number | null
}

interface Measured {
  readonly encodeGBps: number[]
  readonly decodeGBps: number[]
  encodeCpuMicros: number
  decodeCpuMicros: number
  /** Of all repetitions. */
  rawBytes: number
  encodedBytes: number
  codec: string
}

export interface BenchInit {
  /** Size of each sample; a multiple of 32. */
  readonly sampleBytes: number
  readonly repetitions: number
  /** Called with each row when all are measured. */
  readonly found: (row: BenchRow) => void
  /** Called after them, where there is more than one thread, for each codec of bf16 chunks and for the machine itself. */
  readonly scaled: (row: ScalingRow) => void
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
/** Chunks that a GPU gets at once: enough to fill it. */
const GPU_CHUNKS = 16
/** Of chunks that ANS codes. */
const PROFILES = ['auto', 'ans-fast'] as const
const SEGMENT_BYTES = 1024 * 1024

/** Throws `integrity` when a result is wrong. */
export async function benchCodec(init: BenchInit): Promise<void> {
  const lz4Library = openLz4()
  if (lz4Library === undefined) init.skipped('lz4', 'there is no lz4 library here (liblz4.so.1)')
  const samples = await makeBenchSamples(init.sampleBytes)
  const codecs = availableCodecPaths()
    .filter((path) => path !== 'host-warp')
    .map((path) => openNativeCodec({ threads: 1, path }))
  const threads = codecThreadCount()
  const all = openNativeCodec({ threads })
  const { names, reason } = findGpus()
  if (names.length === 0) init.skipped('cuda', reason)
  const gpu = names.length === 0 ? undefined : openNativeCodec({ threads, device: 'cuda' })
  const { repetitions } = init
  try {
    const contenders = samples.flatMap((sample) => [
      ...(sample.element === 'bf16' ? ownOfBf16(threads > 1 ? [...codecs, all] : codecs, sample, repetitions) : []),
      ...(sample.element === 'bf16' ? [] : codecs.map((codec) => native(codec, 'auto', sample, 1, repetitions))),
      ...(gpu === undefined || sample.element === 'text' ? [] : [native(gpu, 'ans', sample, GPU_CHUNKS, repetitions)]),
      zstd(sample, 1, repetitions),
      zstd(sample, ZSTD_LEVEL, repetitions),
      zstd({ ...sample, raw: partOf(sample.raw) }, 19, 1),
      ...(lz4Library === undefined ? [] : [lz4(lz4Library, sample, repetitions)]),
      copy(sample, repetitions),
    ])
    for (const row of await measureInTurns(contenders, init)) init.found(row)
    if (threads > 1) for (const row of await compareThreads(codecs, all, samples, init)) init.scaled(row)
  } finally {
    await Promise.all([...codecs, all, ...(gpu === undefined ? [] : [gpu])].map((codec) => codec.close()))
  }
}

async function measureInTurns(
  contenders: readonly Contender[],
  { repetitions, signal }: BenchInit,
): Promise<BenchRow[]> {
  const results = contenders.map((contender) => ({ contender, measured: noneMeasured() }))
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const { contender, measured } of results) {
      signal.throwIfAborted()
      if (repetition < contender.repetitions) await measure(contender, measured)
    }
  }
  return results.map(({ contender, measured }) => toRow(contender, measured))
}

function noneMeasured(): Measured {
  return {
    encodeGBps: [],
    decodeGBps: [],
    encodeCpuMicros: 0,
    decodeCpuMicros: 0,
    rawBytes: 0,
    encodedBytes: 0,
    codec: '',
  }
}

/** Both profiles on each codec. */
function ownOfBf16(codecs: readonly Codec[], sample: BenchSample, repetitions: number): Contender[] {
  return PROFILES.flatMap((choice) =>
    codecs.map((codec) => native(codec, choice, sample, codec.status.threads, repetitions)),
  )
}

/** Both profiles on bf16, and the machine itself. */
async function compareThreads(
  codecs: readonly Codec[],
  all: Codec,
  samples: readonly BenchSample[],
  { sampleBytes, repetitions, signal }: BenchInit,
): Promise<ScalingRow[]> {
  const { path, threads } = all.status
  const one = codecs.find((codec) => codec.status.path === path)
  const bf16 = samples.find(({ element }) => element === 'bf16')
  invariant(one !== undefined && bf16 !== undefined, 'every path is measured, and bf16')
  const machine = openMachineWorks(threads, sampleBytes)
  try {
    const works = await codecWorks(one, all, bf16, PROFILES, ZSTD_LEVEL)
    return await measureScaling([...works, ...machine.works], threads, repetitions, signal)
  } finally {
    await machine.close()
  }
}

async function measure(contender: Contender, result: Measured): Promise<void> {
  const { sample } = contender
  // Once for nothing: while the others were measured, the memory of this one became cold, and some systems even take it back.
  if (contender.repetitions > 1) await contender.decode(await contender.encode())
  const cpuBegun = cpuMicros()
  const begun = performance.now()
  const encoded = await contender.encode()
  const between = performance.now()
  const cpuBetween = cpuMicros()
  const decodeBegun = performance.now()
  const decoded = await contender.decode(encoded)
  const ended = performance.now()
  const cpuEnded = cpuMicros()
  if (Buffer.compare(decoded.subarray(0, sample.raw.length), sample.raw) !== 0)
    throw wrongResult(`${contender.path} decoded ${sample.element} to other bytes`)
  const bytes = decoded.length
  result.encodeGBps.push(bytes / (between - begun) / 1e6)
  result.decodeGBps.push(bytes / (ended - decodeBegun) / 1e6)
  result.encodeCpuMicros += cpuBetween - cpuBegun
  result.decodeCpuMicros += cpuEnded - cpuBetween
  result.rawBytes += bytes
  result.encodedBytes = encoded.length
  result.codec = contender.codecOf(encoded)
}

/** Of all threads of this process. */
function cpuMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** `copies` chunks at once; their raw bytes come back one after the other. */
function native(
  codec: Codec,
  choice: CodecChoice,
  sample: BenchSample,
  copies: number,
  repetitions: number,
): Contender {
  const { raw } = sample
  const outs = Array.from({ length: copies }, () => touchedBuffer(codec.maxEncodedBytes(raw.length)))
  const backs = touchedBuffer(raw.length * copies)
  const { device, path, threads } = codec.status
  const options = { codec: choice, element: sample.hint, zstdLevel: ZSTD_LEVEL } as const
  return {
    path: device === 'cpu' ? path : device,
    sample,
    threads,
    repetitions,
    codesPlanes: sample.element !== 'text',
    codecOf: (encoded) => codec.inspect(encoded).codec,
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
  const { encodeGBps: encode, decodeGBps: decode, encodedBytes, codec, rawBytes } = result
  return {
    path,
    codec,
    element: sample.element,
    bytes: sample.raw.length,
    ratio: sample.raw.length / encodedBytes,
    encodeGBps: median(encode),
    decodeGBps: median(decode),
    threads,
    encodeSpread: [Math.min(...encode), Math.max(...encode)],
    decodeSpread: [Math.min(...decode), Math.max(...decode)],
    encodeCpuGBps: result.encodeCpuMicros === 0 ? null : rawBytes / result.encodeCpuMicros / 1e3,
    decodeCpuGBps: result.decodeCpuMicros === 0 ? null : rawBytes / result.decodeCpuMicros / 1e3,
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
