// The outside of this process that commands share: stores by URL, the codec on this machine's processors, system calls.

import { SwarmError } from '../base/errors.ts'
import type { Codec, FileSystemCalls } from '../codec/codec.ts'
import { openFileSystemCalls } from '../codec/file-system-calls.ts'
import { openNativeCodec } from '../codec/native-codec.ts'
import { type OpenedStore, openStore } from '../store/open-store.ts'
import { FileTrace, type Trace } from '../telemetry/trace.ts'

export interface StoreLocationOptions {
  readonly url: string
  readonly endpoint?: string
  readonly region?: string
}

export interface Machine {
  /** `limitBytesPerSec` bounds all reads together. The caller closes the store. */
  openStore(location: StoreLocationOptions, limitBytesPerSec?: number): Promise<OpenedStore>
  /** `cuda` is an error where it cannot be used; `auto` takes what there is. The caller closes the codec. */
  openCodec(device: Device): Codec
  readonly calls: FileSystemCalls
}

export type Device = 'auto' | 'cpu' | 'cuda'

export function openMachine(env: NodeJS.ProcessEnv): Machine {
  return {
    openStore: (location, limitBytesPerSec) =>
      openStore({ ...location, env, ...(limitBytesPerSec === undefined ? {} : { limitBytesPerSec }) }),
    openCodec: (device) => openCodec(device),
    calls: openFileSystemCalls(),
  }
}

function openCodec(device: Device): Codec {
  if (device !== 'cuda') return openNativeCodec()
  throw new SwarmError('gpuUnusable', 'this build of swarm has no CUDA decoder', {
    blame: 'caller',
    cure: 'use --device auto or --device cpu: decoding on the CPU keeps up with most links',
  })
}

/** Records the scheduler's steps into a file; the caller closes it. */
export function openTrace(path: string): Trace {
  return new FileTrace(path)
}
