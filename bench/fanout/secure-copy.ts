// scp: the first host has the file and sends it to the others in turn. Kind to scp, which need not fetch it first.

import { makeSshdFiles } from '../../test/support/sshd-files.ts'
import { type Contender, NOTHING_SERVED, type OriginService, type Transfer } from './contender.ts'
import type { HostProcess } from './host-process.ts'
import { aptCure } from './programs.ts'
import type { TestBed } from './test-bed.ts'
import { untilListening } from './web-server.ts'

const SSH_PORT = 22
const SSHD = '/usr/sbin/sshd'
/** The cheapest cipher where the processor has AES. */
const CIPHER = 'aes128-gcm@openssh.com'

export class SecureCopy implements Contender {
  readonly name = 'scp'
  readonly receivers: readonly number[]
  readonly keepsTimes = false
  readonly #bed: TestBed
  readonly #sender: number

  constructor(bed: TestBed) {
    this.#bed = bed
    const [sender = 0, ...receivers] = bed.hosts
    this.#sender = sender
    this.receivers = receivers
  }

  unavailable(): string | undefined {
    return aptCure({ scp: 'openssh-client', sshd: 'openssh-server' })
  }

  async prepare(): Promise<void> {
    await makeSshdFiles(this.#folder, [`Port ${SSH_PORT}`, 'Subsystem sftp internal-sftp'])
  }

  async serve(): Promise<OriginService> {
    return NOTHING_SERVED
  }

  async start(): Promise<Transfer> {
    const servers: HostProcess[] = []
    for (const host of this.receivers) {
      const server = this.#bed.start(host, SSHD, '-D', '-e', '-f', `${this.#folder}/sshd_config`)
      servers.push(server)
      await untilListening(this.#bed, server, SSH_PORT)
    }
    const copies: HostProcess[] = []
    return {
      finished: this.#copyToAll(copies),
      end: async () => {
        await Promise.all([...copies, ...servers].map((running) => running.end()))
        return {}
      },
    }
  }

  async #copyToAll(copies: HostProcess[]): Promise<number[]> {
    const finished: number[] = []
    const login = ['-i', `${this.#folder}/login`, '-o', 'IdentitiesOnly=yes', '-o', 'StrictHostKeyChecking=no']
    const quiet = ['-q', '-F', '/dev/null', '-o', 'UserKnownHostsFile=/dev/null', '-c', CIPHER]
    for (const host of this.receivers) {
      const target = `root@${this.#bed.address(host)}:${this.#bed.target(host)}/`
      const copy = this.#bed.start(this.#sender, 'scp', ...quiet, ...login, this.#bed.sourceFile, target)
      copies.push(copy)
      finished.push(await copy.success())
    }
    return finished
  }

  get #folder(): string {
    return `${this.#bed.folder}/ssh`
  }
}
