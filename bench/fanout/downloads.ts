// Two rivals without peers: every host pulls the whole file from the origin for itself.

import type { HostProcess } from './host-process.ts'
import { aptCure } from './programs.ts'
import { WebContender } from './web-contender.ts'
import { fileUrl } from './web-server.ts'

abstract class Download extends WebContender {
  protected finished(process: HostProcess): Promise<number> {
    return process.success()
  }
}

export class Rclone extends Download {
  readonly name = 'rclone'

  unavailable(): string | undefined {
    return aptCure({ rclone: 'rclone', nginx: 'nginx-light' })
  }

  protected startOn(host: number): HostProcess {
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

  protected startOn(host: number): HostProcess {
    const streams = ['-x', '4', '-s', '4', '-k', '1M', '--file-allocation=none', '--no-conf', '-q']
    return this.bed.start(host, 'aria2c', ...streams, '-d', this.bed.target(host), fileUrl(this.bed))
  }
}
