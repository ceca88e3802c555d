// Whether GPUs do the work: what was asked for, what there is, and, for `auto`, what is faster here.

import { SwarmError } from '../base/errors.ts'
import type { CodecStatus, DeviceChoice } from './codec.ts'
import type { Addon, JobResult, NativePool, StandIn } from './load-addon.ts'

/** Queues of a GPU: one copies in, one computes, one copies out. */
const QUEUES = 3
/** Raw bytes of a batch at most. */
const BATCH_BYTES = 128 * 1024 * 1024
/** A batch takes milliseconds; a GPU that needs this long hangs. */
const BATCH_LIMIT_MS = 20_000
/** `auto` looks for a GPU once a job has had so many raw bytes: starting one takes about a second. */
const AUTO_AFTER_BYTES = 256 * 1024 * 1024
/** Chunks that are measured, and how large they are at least. */
const MEASURED_CHUNKS = 16
const MEASURED_BYTES_MIN = 1024 * 1024

const CURE =
  'use --device auto or --device cpu: the processor keeps up with most links; swarm doctor shows what there is'

export interface DeviceUseInit {
  readonly addon: Addon
  readonly pool: NativePool
  readonly choice: DeviceChoice
  /**
   * For tests: `host-warp` has the processor do a GPU's work, `host-warp:N` for N batches until it fails, `host-warp:N:refuse`
   * until it refuses all chunks. Empty: real GPUs.
   */
  readonly standIn: string
  /** Told once when a GPU that was in use is given up, or a large job finds none. */
  readonly warn: (text: string) => void
}

/** Does a chunk once more, on a GPU or not, and resolves when it is done. For measuring. */
export type Again = (onDevice: boolean) => Promise<unknown>

export class DeviceUse {
  readonly #init: DeviceUseInit
  readonly #standIn: StandIn | undefined
  #attached: Promise<void> | undefined
  #deciding: Promise<void> | undefined
  #isInUse = false
  #isEnding = false
  #seenBytes = 0

  /** Throws `gpuUnusable` when `cuda` is asked for and there is none. */
  constructor(init: DeviceUseInit) {
    this.#init = init
    this.#standIn = parseStandIn(init.standIn)
    if (init.choice !== 'cuda') return
    const { found, reason } = this.#standIn !== undefined ? HOST_DEVICES : init.addon.findDevices()
    if (found.length === 0) throw unusable(reason)
    this.#isInUse = true
    this.#attached = this.#attach().then((failure) => {
      if (failure !== '') throw unusable(failure)
    })
    // Whoever needs it awaits it; until then nobody does.
    this.#attached.catch(() => undefined)
  }

  get device(): CodecStatus['device'] {
    if (!this.#isInUse) return 'cpu'
    return this.#standIn !== undefined ? 'host-warp' : 'cuda'
  }

  /** Whether the next chunk goes to a GPU. Throws `gpuUnusable`. */
  async ask(): Promise<boolean> {
    await this.#attached
    return this.#isInUse
  }

  /** Called with each result. `again` is called after it, if at all, until the promise of decided() resolves. */
  note(result: JobResult, rawBytes: number, again: () => Again): void {
    const fault = result.deviceFault ?? ''
    if (fault !== '') {
      this.#isInUse = false
      this.#init.warn(`the GPU is not used any more: ${fault}; the processor goes on`)
    }
    this.#seenBytes += rawBytes
    if (this.#init.choice !== 'auto' || this.#deciding !== undefined) return
    if (this.#seenBytes < AUTO_AFTER_BYTES || rawBytes < MEASURED_BYTES_MIN) return
    this.#deciding = this.#decide(again()).catch(() => undefined)
  }

  /** Resolves when what note() started has ended. */
  async decided(): Promise<void> {
    await this.#deciding
  }

  /** Measures nothing more; resolves when the pool may be closed. */
  async end(): Promise<void> {
    this.#isEnding = true
    await this.#attached?.catch(() => undefined)
    await this.decided()
  }

  #attach(): Promise<string> {
    return this.#init.pool.attach(this.#standIn, QUEUES, BATCH_BYTES, BATCH_LIMIT_MS)
  }

  async #decide(again: Again): Promise<void> {
    const failure = await this.#attach()
    if (failure !== '') return this.#init.warn(`no GPU is used: ${failure}; the processor does the work`)
    this.#isInUse = await this.#isFaster(again)
    if (!this.#isInUse) this.#init.pool.retire()
  }

  /** False, too, for a job that ends meanwhile. */
  async #isFaster(again: Again): Promise<boolean> {
    if (this.#isEnding) return false
    // The first time, memory is allocated.
    await secondsFor(again, true)
    if (this.#isEnding) return false
    const device = await secondsFor(again, true)
    return !this.#isEnding && device < (await secondsFor(again, false))
  }
}

const UINT32_MAX = 2 ** 32 - 1
const HOST_DEVICES = { found: [{ index: 0, name: 'host-warp', memoryBytes: 0 }], reason: '' }

function parseStandIn(value: string): StandIn | undefined {
  if (value === '') return undefined
  const match = /^host-warp(?::([0-9]{1,9})(:refuse)?)?$/.exec(value)
  if (match === null)
    throw new SwarmError('usage', `nothing called ${value} stands in for a GPU`, {
      cure: 'unset SWARM_CODEC_DEVICE, or set it to host-warp',
      blame: 'caller',
    })
  return [match[1] === undefined ? UINT32_MAX : Number(match[1]), match[2] !== undefined]
}

function unusable(reason: string): SwarmError {
  return new SwarmError('gpuUnusable', `no GPU can be used: ${reason}`, { blame: 'caller', cure: CURE })
}

async function secondsFor(again: Again, onDevice: boolean): Promise<number> {
  const begun = performance.now()
  await Promise.all(Array.from({ length: MEASURED_CHUNKS }, () => again(onDevice)))
  return performance.now() - begun
}
