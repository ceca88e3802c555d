// Two rivals without peers: every host pulls the whole file from the origin for itself.

import type { Contender, OriginService, Transfer } from './contender.ts'
import type { HostProcess } from './host-process.ts'
import { aptCure } from './programs.ts'
import type { TestBed } from './test-bed.ts'
import { fileUrl, startWebServer } from './web-server.ts'

abstract class Download implements Contender {
  abstract readonly name: string
  readonly receivers: readonly number[]
  readonly keepsTimes = false
  protected readonly bed: TestBed

  constructor(bed: TestBed) {
    this.bed = bed
    this.receivers = bed.hosts
  }

  abstract unavailable(): string | undefined
  protected abstract download(host: number): HostProcess

  async prepare(): Promise<void> {}

  serve(): Promise<OriginService> {
    return startWebServer(this.bed)
  }

  async start(): Promise<Transfer> {
    const downloads = this.receivers.map((host) => this.download(host))
    return {
      finished: Promise.all(downloads.map((download) => download.success())),
      end: async () => {
        await Promise.all(downloads.map((download) => download.end()))
        return {}
      },
    }
  }
}

export class Rclone extends Download {
  readonly name = 'rclone'

  unavailable(): string | undefined {
    return aptCure({ rclone: 'rclone', nginx: 'nginx-light' })
  }

  protected download(host: number): HostProcess {
    const { origin, pathname } = new URL(fileUrl(this.bed))
    const url = ['--http-url', origin, `:http:${pathname.slice(1)}`]
    // Several streams also for files below rclone's own 250 MiB.
    const streams = ['--multi-thread-streams', '4', '--multi-thread-cutoff', '1M']
    return this.bed.start(host, 'rclone', 'copy', ...streams, ...url, this.bed.target(host))
  }
}

export class Aria2Http extends Download {
  readonly name = 'aria2-http'

  unavailable(): string | undefined {
    return aptCure({ aria2c: 'aria2', nginx: 'nginx-light' })
  }

  protected download(host: number): HostProcess {
    const streams = ['-x', '4', '-s', '4', '-k', '1M', '--file-allocation=none', '--no-conf', '-q']
    return this.bed.start(host, 'aria2c', ...streams, '-d', this.bed.target(host), fileUrl(this.bed))
  }
}
