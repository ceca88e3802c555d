// What moves one file from one process to another over loopback, and how it is measured whoever it is.

import { HostProcess } from '../fanout/host-process.ts'

/** Where a run happens. All paths lie in memory. */
export interface Place {
  readonly folder: string
  /** Holds one file and nothing else. */
  readonly sourceFolder: string
  readonly fileName: string
  /** Empty before each run. */
  readonly targetFolder: string
}

/** `obfuscated`: RC4 with a key that whoever knows the torrent can compute, and no check that the bytes are the sender's. */
export type Protection = 'encrypted' | 'obfuscated' | 'none'

export interface Sender {
  /** The process whose time, with that of its children, is the sender's. */
  readonly pid: number
  /** Resolves when nothing of the last transfer runs any more that could still be charged to it. */
  settled(): Promise<void>
  end(): Promise<void>
}

export interface Receiver {
  /** Resolves when the whole file is there. */
  readonly complete: Promise<unknown>
  /** Resolves when the process has ended and was waited for. */
  end(): Promise<void>
}

export interface Contender {
  readonly name: string
  readonly protection: Protection
  /** The cipher, or what stands in for one. */
  readonly cipher: string
  /** The line that installs what is missing. */
  unavailable(): string | undefined
  /** Once, before all rounds. */
  prepare(): Promise<void>
  /** Starts a sender that has read what it must and only waits to be asked. */
  serve(): Promise<Sender>
  /** Starts the end that asks. */
  fetch(): Receiver
}

export function startProcess(place: Place, program: string, ...args: readonly string[]): HostProcess {
  return new HostProcess(undefined, [program, ...args], place.folder)
}

/** A sender that serves by itself. */
export function senderOf(process: HostProcess): Sender {
  return { pid: process.pid, settled: async () => undefined, end: () => process.end() }
}
