// The outside of this process that commands share: stores by URL, the codec on this machine's processors, system calls.

import type { Codec, DeviceChoice, FileSystemCalls } from '../codec/codec.ts'
import { openFileSystemCalls } from '../codec/file-system-calls.ts'
import { findGpus, openNativeCodec } from '../codec/native-codec.ts'
import { type OpenedStore, openStore } from '../store/open-store.ts'
import { FileTrace, type Trace } from '../telemetry/trace.ts'
import { type DeclaredRate, readLinkRate } from './link-rate.ts'

export interface StoreLocationOptions {
  readonly url: string
  readonly endpoint?: string
  readonly region?: string
}

export interface Machine {
  /** `limitBytesPerSec` bounds all reads together. The caller closes the store. */
  openStore(location: StoreLocationOptions, limitBytesPerSec?: number): Promise<OpenedStore>
  /** `cuda` is an error where it cannot be used; `warn` is told when a GPU is given up. The caller closes the codec. */
  openCodec(device: DeviceChoice, warn?: (text: string) => void): Codec
  /** GPUs that can be used; where there are none, `reason` says why. Asks the driver, which may take some 100 ms. */
  findGpus(): { readonly names: readonly string[]; readonly reason: string }
  /** What the network interface of the default route states. */
  linkRate(): Promise<DeclaredRate | undefined>
  readonly calls: FileSystemCalls
}

export function openMachine(env: NodeJS.ProcessEnv): Machine {
  return {
    openStore: (location, limitBytesPerSec) =>
      openStore({ ...location, env, ...(limitBytesPerSec === undefined ? {} : { limitBytesPerSec }) }),
    openCodec: (device, warn) => openNativeCodec({ device, ...(warn === undefined ? {} : { warn }) }),
    findGpus,
    linkRate: () => readLinkRate(),
    calls: openFileSystemCalls(),
  }
}

/** Records the scheduler's steps into a new file; the caller closes it. `warn` hears when it cannot go on. */
export function openTrace(path: string, warn: (text: string) => void): Trace {
  return new FileTrace(path, warn)
}
