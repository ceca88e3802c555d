// What the rivals that read the origin's web server have in common: one process on every host.

import type { Contender, OriginService, Transfer } from './contender.ts'
import type { HostProcess } from './host-process.ts'
import type { TestBed } from './test-bed.ts'
import { startWebServer } from './web-server.ts'

export abstract class WebContender implements Contender {
  abstract readonly name: string
  readonly receivers: readonly number[]
  readonly keepsTimes = false
  protected readonly bed: TestBed

  constructor(bed: TestBed) {
    this.bed = bed
    this.receivers = bed.hosts
  }

  abstract unavailable(): string | undefined
  protected abstract startOn(host: number): HostProcess
  /** When the process had the whole file. */
  protected abstract finished(process: HostProcess): Promise<number>

  async prepare(): Promise<void> {}

  serve(): Promise<OriginService> {
    return startWebServer(this.bed)
  }

  async start(): Promise<Transfer> {
    const processes = this.receivers.map((host) => this.startOn(host))
    return {
      finished: Promise.all(processes.map((process) => this.finished(process))),
      end: async () => {
        await Promise.all(processes.map((process) => process.end()))
        return {}
      },
    }
  }
}
