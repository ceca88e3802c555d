// Finds the native addon, checks that it is the one this code was written for, and gives it types. Nothing else names the file.

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { describeError, SwarmError } from '../base/errors.ts'

/** native/addon/addon.cc raises its number with every change of a name, argument or result. */
const INTERFACE_VERSION = 11

/** Beside the compiled program, then beside the sources. */
const LOCATIONS = ['../../native/swarm_codec.node', '../../dist/native/swarm_codec.node']

const BUILD_CURE = "run 'npm run build', which compiles it (needs cmake and a C++ compiler)"

/** How a native job ended. `status` and `codec` are numbers of native/include/codec.h. */
export interface JobResult {
  readonly status: number
  /** errno of a failed read or write, else 0. */
  readonly error: number
  /** The range at which a read or write failed. */
  readonly rangeIndex: number
  readonly encodedBytes: number
  readonly codec: number
  readonly floatSegments: number
  /** Why GPUs were given up, once; empty or absent otherwise. */
  readonly deviceFault?: string
}

/** A job's promise never rejects; undefined when the queue is full. Buffers are held until it settles. */
type PendingJob = Promise<JobResult> | undefined

/** `ranges`: four numbers each, fd, file offset, length, offset in the chunk's raw bytes. */
export interface NativePool {
  threads(): number
  read(ranges: Float64Array, raw: Uint8Array): PendingJob
  /** `onDevice` hands it to an attached GPU, if there is one and the chunk is of codec ans. */
  encode(
    ranges: Float64Array,
    raw: Uint8Array,
    out: Uint8Array,
    codec: number,
    hint: number,
    level: number,
    onDevice: boolean,
  ): PendingJob
  seal(raw: Uint8Array, frame: Uint8Array, out: Uint8Array, level: number): PendingJob
  /** With ranges and on a device, `raw` may stay as it is. */
  decode(encoded: Uint8Array, raw: Uint8Array, ranges: Float64Array, onDevice: boolean): PendingJob
  finish(encoded: Uint8Array, frameContent: Uint8Array, raw: Uint8Array, ranges: Float64Array): PendingJob
  /**
   * Takes all GPUs into use, each with `queues` queues; with a stand-in the processor in place of one, which after so many batches
   * fails, or refuses all chunks. Resolves with why that was not possible, or an empty string.
   */
  attach(standIn: StandIn | undefined, queues: number, batchBytes: number, limitMillis: number): Promise<string>
  /** The processor does everything from now on. */
  retire(): void
  /** Ends the threads. Throws while a job is pending. */
  close(): void
}

export interface NativeHeader {
  readonly status: number
  readonly codec: number
  readonly level: number
  readonly hint: number
  readonly rawBytes: number
  readonly encodedBytes: number
}

/** A library to be measured against. Both calls are synchronous and return how many bytes they wrote, 0 or less when it went wrong. */
export interface NativeRival {
  readonly version: string
  /** `level` is for zstd. */
  compress(raw: Uint8Array, out: Uint8Array, level?: number): number
  decompress(encoded: Uint8Array, raw: Uint8Array): number
}

/** ChaCha20-Poly1305 with one key. Both calls are synchronous and throw TypeError for buffers of the wrong sizes. */
export interface NativeAead {
  /** `out` is as long as the parts together and a tag of 16 bytes, and overlaps none of them. */
  seal(parts: readonly Uint8Array[], nonce: Uint8Array, ad: Uint8Array, out: Uint8Array): void
  /** `out` may be where the parts are, but for the tag. False, and zeros there, when the tag is wrong. */
  open(parts: readonly Uint8Array[], nonce: Uint8Array, ad: Uint8Array, out: Uint8Array): boolean
}

/** Data connections, each on one of its threads. Numbers are what native/addon/data-plane.h says. */
export interface NativeDataPlane {
  /**
   * A connection over the socket with this descriptor, which the caller closes: its number, or the negative errno. With a hello, of any
   * length but 0, this end dialled.
   */
  add(descriptor: number, sealKey: Uint8Array, openKey: Uint8Array, hello: Uint8Array): number
  expect(connection: number, id: number, offset: number, into: Uint8Array): boolean
  forget(connection: number, id: number): number
  send(connection: number, id: number, offset: number, bytes: Uint8Array, isShort: boolean): boolean
  cancel(connection: number, id: number): boolean
  /** Bytes received, wasted, sent and waiting. */
  counters(connection: number): Float64Array
  remove(connection: number): void
  close(): void
}

/** Batches, and whether it refuses chunks afterwards instead of failing. */
export type StandIn = readonly [batches: number, refuses: boolean]

export interface NativeDevices {
  readonly found: readonly { readonly index: number; readonly name: string; readonly memoryBytes: number }[]
  /** Why there are none. */
  readonly reason: string
}

export interface Addon {
  readonly interfaceVersion: number
  readonly formatVersion: number
  readonly rawBytesMax: number
  readonly headerBytes: number
  /** Name of each status, by number; the rules of protocols/chunk.md. */
  readonly statusNames: readonly string[]
  /** Code paths that this machine can run, best first. */
  readonly paths: readonly string[]
  inspect(encoded: Uint8Array): NativeHeader
  /** errno, 0 for success. */
  setModifiedTime(path: Uint8Array, seconds: number, nanos: number): number
  /** errno, 0 for success. */
  syncFileSystem(fd: number): Promise<number>
  /** Many files at once, as native/addon/file-batches.h says; [row, errno] of the first that failed, row -1 for none. */
  readFiles(paths: Uint8Array, rows: Float64Array, raw: Uint8Array): Promise<readonly [number, number]>
  writeFiles(paths: Uint8Array, rows: Float64Array, raw: Uint8Array): Promise<readonly [number, number]>
  moveFiles(paths: Uint8Array, rows: Float64Array): Promise<readonly [number, number]>
  /** errno, names, and six numbers for each name. */
  listFolder(path: Uint8Array): Promise<readonly [number, Buffer, Float64Array]>
  /** Zeros at a multiple of 2 MiB, in huge pages where there are any; throws RangeError when there is no memory. */
  allocatePages(bytes: number): Buffer
  /** The system's library; undefined where there is none. */
  openLz4(): NativeRival | undefined
  /** Node's own; undefined where its binary does not let others call it. */
  openZstd(): NativeRival | undefined
  /** Undefined where Node does not let others call its OpenSSL. Buffers are used during a call only. */
  readonly Aead: (new (key: Uint8Array) => NativeAead) | undefined
  /** Undefined where the system or Node's OpenSSL does not allow it. `onEvents`: four numbers for each event. */
  readonly DataPlane: (new (threads: number, onEvents: (events: Float64Array) => void) => NativeDataPlane) | undefined
  /** errno, 0 for success. */
  limitUnsent(descriptor: number, bytes: number): number
  /** Asks the driver, which may take some 100 ms. */
  findDevices(): NativeDevices
  readonly CodecPool: new (threads: number, queueLengthMax: number, path: string) => NativePool
}

/** Loads the addon; `internal` with a cure when it is missing, does not load, or belongs to another version. */
export function loadAddon(locations: readonly string[] = LOCATIONS): Addon {
  const paths = locations.map((location) => fileURLToPath(new URL(location, import.meta.url)))
  const path = paths.find((candidate) => existsSync(candidate))
  if (path === undefined)
    throw new SwarmError('internal', `the native codec is missing: looked for ${paths.join(' and ')}`, {
      cure: BUILD_CURE,
    })
  return parseAddon(requireAddon(path), path)
}

function requireAddon(path: string): unknown {
  try {
    return createRequire(import.meta.url)(path)
  } catch (cause) {
    throw new SwarmError('internal', `loading the native codec ${path}: ${describeError(cause)}`, {
      cure: BUILD_CURE,
      cause,
    })
  }
}

function parseAddon(loaded: unknown, path: string): Addon {
  const version =
    typeof loaded === 'object' && loaded !== null && 'interfaceVersion' in loaded ? loaded.interfaceVersion : undefined
  if (version !== INTERFACE_VERSION)
    throw new SwarmError(
      'internal',
      `the native codec ${path} has interface version ${String(version)}, this program needs ${INTERFACE_VERSION}`,
      { cure: BUILD_CURE },
    )
  return loaded as Addon
}
