// rsync over ssh: a server of our own on loopback with keys of its own, the receiver asks. Nothing of the system's configuration is
// read or changed.

import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { makeSshdFiles } from '../../test/support/sshd-files.ts'
import type { HostProcess } from '../fanout/host-process.ts'
import { aptCure } from '../fanout/programs.ts'
import { type Contender, type Place, type Receiver, type Sender, startProcess } from './contender.ts'
import { freePort } from './free-port.ts'

const SSHD = '/usr/sbin/sshd'
/** The cheapest where the processor has AES. */
const CIPHER = 'aes128-gcm@openssh.com'
const CHECK_MS = 5
const LISTEN_CHECKS_MAX = 1000

export class RsyncEnds implements Contender {
  readonly name = 'rsync-ssh'
  readonly protection = 'encrypted'
  readonly cipher = 'AES-128-GCM'
  readonly #place: Place
  #port = 0

  constructor(place: Place) {
    this.#place = place
  }

  unavailable(): string | undefined {
    return aptCure({ rsync: 'rsync', ssh: 'openssh-client', 'ssh-keygen': 'openssh-client', sshd: 'openssh-server' })
  }

  async prepare(): Promise<void> {
    this.#port = await freePort()
    await makeSshdFiles(this.#folder, [`Port ${this.#port}`, 'ListenAddress 127.0.0.1'])
  }

  async serve(): Promise<Sender> {
    const server = startProcess(this.#place, SSHD, '-D', '-e', '-f', `${this.#folder}/sshd_config`)
    await untilListening(this.#port, server)
    return {
      pid: server.pid,
      // What a session took is the server's as soon as it has waited for it.
      settled: async () => {
        while (childrenOf(server.pid) !== '') await wait(CHECK_MS)
      },
      end: () => server.end(),
    }
  }

  fetch(): Receiver {
    const login = `-i ${this.#folder}/login -o IdentitiesOnly=yes -o StrictHostKeyChecking=no`
    const quiet = `-q -F /dev/null -o UserKnownHostsFile=/dev/null -c ${CIPHER} -p ${this.#port}`
    const source = `${userInfo().username}@127.0.0.1:${this.#place.sourceFolder}/${this.#place.fileName}`
    const flags = ['--whole-file', '--inplace', '-e', `ssh ${quiet} ${login}`]
    const complete = startProcess(this.#place, 'rsync', ...flags, source, `${this.#place.targetFolder}/`).success()
    return {
      complete,
      end: async () => {
        await complete
      },
    }
  }

  get #folder(): string {
    return `${this.#place.folder}/ssh`
  }
}

function childrenOf(pid: number): string {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
}

async function untilListening(port: number, server: HostProcess): Promise<void> {
  const died = server.ended.then((code) => Promise.reject(new Error(`${SSHD} ended with ${code}`)))
  for (let checks = 0; checks < LISTEN_CHECKS_MAX; checks++) {
    const answered = new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.on('connect', () => resolve(true))
      socket.on('error', () => resolve(false))
      socket.on('close', () => socket.destroy())
      socket.on('connect', () => socket.destroy())
    })
    if (await Promise.race([answered, died])) return
    await Promise.race([wait(CHECK_MS), died])
  }
  throw new Error(`nothing listens on port ${port}`)
}
