// Codec over the native addon: which codec a chunk gets, jobs to the worker pool, zstd beside it, results back as errors or sizes.

import { invariant, SwarmError } from '../base/errors.ts'
import {
  CHUNK_RAW_BYTES_MAX,
  type ChunkCodec,
  type ChunkInfo,
  CODEC_PATHS,
  type Codec,
  type CodecPath,
  type CodecStatus,
  type DeviceChoice,
  type ElementType,
  type EncodeOptions,
  type FileRange,
  type RestoreRange,
} from './codec.ts'
import { brokenRule, jobError } from './codec-errors.ts'
import { codecThreadCount } from './cpu-quota.ts'
import { type Again, DeviceUse } from './device-use.ts'
import { type Addon, type JobResult, loadAddon, type NativeHeader, type NativePool } from './load-addon.ts'
import { runSelfTest } from './self-test.ts'
import { compressFrame, decompressFrame, isWorthZstd, sampleZstd, takeSample } from './zstd-frames.ts'

/** Jobs that may wait for a worker. Callers bound their buffers long before; this is the backstop. */
const QUEUE_LENGTH_MAX = 1024
const SEGMENT_BYTES = 1024 * 1024

/** Positions are the numbers in the header. */
const CODECS: readonly ChunkCodec[] = ['raw', 'ans', 'zstd']
const ELEMENTS: readonly ElementType[] = ['unknown', 'bytes', 'bf16', 'fp16', 'fp32']
const RAW = 0
const ANS = 1
/** The level in the header of an ans chunk. */
const RANS_LEVEL = 0
const FAST_LEVEL = 1

const FLOATS: ReadonlySet<ElementType> = new Set(['bf16', 'fp16', 'fp32'])
const ENCODING = 'encoding a chunk'
/** A zstd frame of at most this share of what ANS seems to need is taken without making the ANS chunk. */
const CLEARLY_SMALLER = 0.75

const NO_RANGES = new Float64Array(0)

export interface NativeCodecOptions {
  /** Worker threads, 1..1024. Default: what cores, CPU quota and process limit allow. */
  readonly threads?: number
  /** Code path that must be used. Default: SWARM_CODEC_PATH, else the best that this machine has. */
  readonly path?: string
  /** Default: `cpu`. */
  readonly device?: DeviceChoice
  /** See DeviceUseInit. Default: SWARM_CODEC_DEVICE. */
  readonly standIn?: string
  /** Told when a GPU that was in use is given up, or when a large job finds none. */
  readonly warn?: (text: string) => void
}

/**
 * Starts the worker threads. Throws `internal` when the addon is missing, `usage` when a forced path is not available, and
 * `gpuUnusable` when a GPU is required and there is none.
 * A codec that is never closed does not keep the process alive; one with work under way does.
 */
export function openNativeCodec(options: NativeCodecOptions = {}): Codec {
  const addon = loadAddon()
  const available = CODEC_PATHS.filter((path) => addon.paths.includes(path))
  const forced = options.path ?? process.env['SWARM_CODEC_PATH'] ?? ''
  const path = forced === '' ? available[0] : available.find((candidate) => candidate === forced)
  if (path === undefined)
    throw new SwarmError('usage', `codec path ${forced} is not available here; there is ${available.join(', ')}`, {
      cure: 'unset SWARM_CODEC_PATH, or name one of these',
      blame: 'caller',
    })
  const pool = new addon.CodecPool(options.threads ?? codecThreadCount(), QUEUE_LENGTH_MAX, path)
  const { device = 'cpu', warn = () => undefined, standIn = process.env['SWARM_CODEC_DEVICE'] ?? '' } = options
  try {
    return new NativeCodec(addon, pool, path, new DeviceUse({ addon, pool, choice: device, standIn, warn }))
  } catch (error) {
    pool.close()
    throw error
  }
}

/** The code paths that this machine can run, fastest first. */
export function availableCodecPaths(): CodecPath[] {
  const { paths } = loadAddon()
  return CODEC_PATHS.filter((path) => paths.includes(path))
}

/** GPUs that can be used; where there are none, `reason` says why. Asks the driver, which may take some 100 ms. */
export function findGpus(): { readonly names: readonly string[]; readonly reason: string } {
  const { found, reason } = loadAddon().findDevices()
  return { names: found.map(({ name }) => name), reason }
}

class NativeCodec implements Codec {
  readonly #addon: Addon
  readonly #pool: NativePool
  readonly #path: CodecPath
  readonly #threads: number
  readonly #devices: DeviceUse
  readonly #underWay = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  constructor(addon: Addon, pool: NativePool, path: CodecPath, devices: DeviceUse) {
    this.#addon = addon
    this.#pool = pool
    this.#path = path
    this.#threads = pool.threads()
    this.#devices = devices
  }

  get status(): CodecStatus {
    return { device: this.#devices.device, path: this.#path, threads: this.#threads }
  }

  maxEncodedBytes(rawBytes: number): number {
    return rawBytes + this.#addon.headerBytes
  }

  read(ranges: readonly FileRange[], raw: Uint8Array): Promise<void> {
    return this.#track(async () => {
      await this.#job('reading a chunk from its files', this.#pool.read(flatten(backToBack(ranges, raw), raw), raw))
    })
  }

  encode(raw: Uint8Array, out: Uint8Array, options: EncodeOptions): Promise<number> {
    return this.#track(() => this.#encode(NO_RANGES, raw, out, options))
  }

  readAndEncode(
    ranges: readonly FileRange[],
    raw: Uint8Array,
    out: Uint8Array,
    options: EncodeOptions,
  ): Promise<number> {
    return this.#track(() => this.#encode(flatten(backToBack(ranges, raw), raw), raw, out, options))
  }

  inspect(encoded: Uint8Array): ChunkInfo {
    const header = this.#addon.inspect(encoded)
    return parseInfo(header, this.#statusName(header.status))
  }

  decode(encoded: Uint8Array, raw: Uint8Array): Promise<void> {
    return this.#track(() => this.#decode('decoding a chunk', encoded, raw, NO_RANGES))
  }

  restore(encoded: Uint8Array, raw: Uint8Array, ranges: readonly RestoreRange[]): Promise<void> {
    return this.#track(() => this.#decode('restoring a chunk', encoded, raw, flatten(ranges, raw)))
  }

  selfTest(): Promise<void> {
    return runSelfTest(this)
  }

  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#underWay)
      .then(() => this.#devices.end())
      .then(() => this.#pool.close())
    return this.#closing
  }

  async #encode(ranges: Float64Array, raw: Uint8Array, out: Uint8Array, options: EncodeOptions): Promise<number> {
    invariant(
      raw.length <= CHUNK_RAW_BYTES_MAX,
      `a chunk has at most ${CHUNK_RAW_BYTES_MAX} raw bytes, not ${raw.length}`,
    )
    invariant(out.length >= this.maxEncodedBytes(raw.length), `${out.length} bytes are too few to encode ${raw.length}`)
    const { codec, zstdLevel } = options
    invariant(Number.isInteger(zstdLevel) && zstdLevel >= 1 && zstdLevel <= 19, `zstd level ${zstdLevel}`)
    if (codec === 'raw' || codec === 'zstd') {
      if (codec === 'zstd' && ranges.length > 0) await this.#job(ENCODING, this.#pool.read(ranges, raw))
      const frame = codec === 'zstd' ? await compressFrame(raw, zstdLevel) : undefined
      const places = codec === 'zstd' ? NO_RANGES : ranges
      if (frame === undefined)
        return this.#encodedBytes(ENCODING, this.#pool.encode(places, raw, out, RAW, 0, 0, false))
      return this.#encodedBytes(ENCODING, this.#pool.seal(raw, frame, out, zstdLevel))
    }
    if (codec === 'ans') return (await this.#encodeAns(ranges, raw, out, options.element)).encodedBytes
    if (codec === 'ans-fast') return (await this.#encodeAns(ranges, raw, out, options.element, FAST_LEVEL)).encodedBytes
    return this.#encodeAuto(ranges, raw, out, options)
  }

  /** Takes what is smaller by a sample, so that text does not pay for an ANS encoding that is thrown away. */
  async #encodeAuto(ranges: Float64Array, raw: Uint8Array, out: Uint8Array, options: EncodeOptions): Promise<number> {
    const { element, zstdLevel } = options
    if (FLOATS.has(element)) {
      const ans = await this.#encodeAns(ranges, raw, out, element)
      if (ans.floatSegments * 2 >= Math.ceil(raw.length / SEGMENT_BYTES)) return ans.encodedBytes
    } else if (ranges.length > 0) {
      await this.#job(ENCODING, this.#pool.read(ranges, raw))
    }
    const sample = takeSample(raw)
    // Of a small chunk the sample is the chunk: its encoding is the result already.
    const sampleOut = sample === raw ? out : new Uint8Array(this.maxEncodedBytes(sample.length))
    const sampleAns = await this.#encodeAns(NO_RANGES, sample, sampleOut, element)
    const zstd = await sampleZstd(sample, sampleAns, zstdLevel)
    // One table for all of the sample flatters zstd where the data changes: a small advantage is looked at again below.
    let frame = zstd < CLEARLY_SMALLER ? await compressFrame(raw, zstdLevel) : undefined
    if (frame !== undefined && frame.length * sample.length < sampleAns.encodedBytes * raw.length * CLEARLY_SMALLER)
      return this.#encodedBytes(ENCODING, this.#pool.seal(raw, frame, out, zstdLevel))
    const ans = sample === raw ? sampleAns : await this.#encodeAns(NO_RANGES, raw, out, element)
    const zstdBytes = (zstd * sampleAns.encodedBytes * raw.length) / sample.length
    if (frame === undefined && isWorthZstd(zstdBytes, ans.encodedBytes)) frame = await compressFrame(raw, zstdLevel)
    if (frame === undefined || !isWorthZstd(frame.length, ans.encodedBytes)) return ans.encodedBytes
    return this.#encodedBytes(ENCODING, this.#pool.seal(raw, frame, out, zstdLevel))
  }

  async #encodeAns(
    ranges: Float64Array,
    raw: Uint8Array,
    out: Uint8Array,
    element: ElementType,
    level = RANS_LEVEL,
  ): Promise<JobResult> {
    const hint = ELEMENTS.indexOf(element)
    const onDevice = await this.#devices.ask()
    const result = await this.#job(ENCODING, this.#pool.encode(ranges, raw, out, ANS, hint, level, onDevice))
    this.#devices.note(result, raw.length, () => {
      const copy = raw.slice()
      return again((device) => {
        const own = new Uint8Array(this.maxEncodedBytes(copy.length))
        return this.#pool.encode(NO_RANGES, copy, own, ANS, hint, level, device)
      })
    })
    return result
  }

  async #decode(doing: string, encoded: Uint8Array, raw: Uint8Array, ranges: Float64Array): Promise<void> {
    if (this.inspect(encoded).codec !== 'zstd') {
      const onDevice = await this.#devices.ask()
      const result = await this.#job(doing, this.#pool.decode(encoded, raw, ranges, onDevice))
      this.#devices.note(result, raw.length, () => {
        const copy = encoded.slice()
        return again((device) => this.#pool.decode(copy, new Uint8Array(raw.length), NO_RANGES, device))
      })
      return
    }
    const content = await decompressFrame(encoded.subarray(this.#addon.headerBytes), raw.length, doing)
    await this.#job(doing, this.#pool.finish(encoded, content, raw, ranges))
  }

  async #encodedBytes(doing: string, pending: Promise<JobResult> | undefined): Promise<number> {
    return (await this.#job(doing, pending)).encodedBytes
  }

  async #job(doing: string, pending: Promise<JobResult> | undefined): Promise<JobResult> {
    if (pending === undefined)
      throw new SwarmError('internal', `${doing}: ${QUEUE_LENGTH_MAX} jobs are waiting already`, {
        blame: 'caller',
        retry: true,
      })
    const result = await pending
    if (result.status !== 0) throw jobError(doing, this.#statusName(result.status), result)
    return result
  }

  #statusName(status: number): string {
    return this.#addon.statusNames[status] ?? `status ${status}`
  }

  /** Runs `work` unless closing, and lets close() wait for it. */
  async #track<Result>(work: () => Promise<Result>): Promise<Result> {
    invariant(this.#closing === undefined, 'the codec is closed')
    const running = work()
    this.#underWay.add(running)
    try {
      return await running
    } finally {
      this.#underWay.delete(running)
    }
  }
}

/** A full queue does not count. */
function again(work: (onDevice: boolean) => Promise<JobResult> | undefined): Again {
  return (onDevice) => work(onDevice) ?? Promise.resolve()
}

function parseInfo(header: NativeHeader, statusName: string): ChunkInfo {
  const isFast = header.codec === ANS && header.level === FAST_LEVEL
  const codec = isFast ? 'ans-fast' : CODECS[header.codec]
  const element = ELEMENTS[header.hint]
  if (statusName !== 'ok' || codec === undefined || element === undefined)
    throw brokenRule('reading the header of a chunk', statusName)
  return { codec, element, rawBytes: header.rawBytes, encodedBytes: header.encodedBytes }
}

/** Gives each range its place in the chunk's raw bytes, one after the other. */
function backToBack(ranges: readonly FileRange[], raw: Uint8Array): RestoreRange[] {
  let rawOffset = 0
  const placed = ranges.map((range) => {
    const at = rawOffset
    rawOffset += range.length
    return { ...range, rawOffset: at }
  })
  invariant(rawOffset === raw.length, `ranges of ${rawOffset} bytes for a buffer of ${raw.length}`)
  return placed
}

/** The addon's flat form of ranges, each checked. */
function flatten(ranges: readonly RestoreRange[], raw: Uint8Array): Float64Array {
  const flat = new Float64Array(ranges.length * 4)
  ranges.forEach(({ fd, offset, length, rawOffset }, index) => {
    invariant(
      [fd, offset, length, rawOffset].every((value) => Number.isSafeInteger(value) && value >= 0),
      'file range',
    )
    invariant(rawOffset + length <= raw.length, `range ${rawOffset}+${length} of a chunk of ${raw.length} bytes`)
    invariant(Number.isSafeInteger(offset + length), `range ends past 2^53`)
    flat.set([fd, offset, length, rawOffset], index * 4)
  })
  return flat
}
