// Hosts with a real sshd, each a network namespace with file systems of its own for /root and /data, and without a Node on its PATH.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { type Network, networkUnavailable } from './netns.ts'
import { makeSshdFiles } from './sshd-files.ts'

const runFile = promisify(execFile)
const SSHD = '/usr/sbin/sshd'
const PROGRAMS_OF_NODE = ['node', 'nodejs', 'npm', 'npx']
const FOLDERS = ['/usr/local/bin', '/usr/bin', '/bin']

export interface HostOptions {
  /** Bytes that fit into /data. */
  readonly dataBytes?: number
  readonly dataIsReadOnly?: boolean
}

/** Why there can be no such hosts here, or undefined when there can. */
export function sshHostsUnavailable(): string | undefined {
  if (!existsSync(SSHD)) return 'has no sshd (apt-get install openssh-server)'
  return networkUnavailable()
}

export class SshHosts {
  readonly #network: Network
  readonly #folder: string
  readonly #servers = new Map<number, ChildProcess>()

  private constructor(network: Network, folder: string) {
    this.#network = network
    this.#folder = folder
  }

  /** `folder`: for keys and configuration; made. */
  static async create(network: Network, folder: string): Promise<SshHosts> {
    await makeSshdFiles(folder, ['Port 22', 'MaxStartups 100'])
    const lines = [
      'Host *',
      'User root',
      `IdentityFile ${folder}/login`,
      'IdentitiesOnly yes',
      'StrictHostKeyChecking no',
      'UserKnownHostsFile /dev/null',
      'LogLevel ERROR',
      'ConnectTimeout 3',
    ]
    await writeFile(`${folder}/ssh_config`, `${lines.join('\n')}\n`)
    return new SshHosts(network, folder)
  }

  /** For `--ssh`. */
  get command(): string {
    return `ssh -F ${this.#folder}/ssh_config`
  }

  /** Starts a host; its sshd answers when this resolves. */
  async start(host: number, options: HostOptions = {}): Promise<void> {
    const { dataBytes, dataIsReadOnly } = options
    const hidden = FOLDERS.flatMap((folder) => PROGRAMS_OF_NODE.map((name) => `${folder}/${name}`)).filter((path) =>
      existsSync(path),
    )
    const script = [
      'set -e',
      'mount -t tmpfs tmpfs /root',
      'mount -t tmpfs tmpfs /run',
      'mkdir -p /run/sshd /tmp/empty',
      ...hidden.map((path) => `mount --bind /dev/null ${path}`),
      `mount -t tmpfs ${dataBytes === undefined ? '' : `-o size=${dataBytes}`} tmpfs ${DATA}`,
      ...(dataIsReadOnly === true ? [`mount -o remount,ro ${DATA}`] : []),
      `exec ${SSHD} -D -e -f ${this.#folder}/sshd_config`,
    ].join('\n')
    const child = spawn('ip', ['netns', 'exec', this.#network.namespace(host), 'sh', '-c', script], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#servers.set(host, child)
    await new Promise<void>((resolve, reject) => {
      let said = ''
      child.stderr.on('data', (piece) => {
        said += String(piece)
        if (said.includes('Server listening')) resolve()
      })
      child.on('exit', () => reject(new Error(`sshd on host ${host} ended: ${said}`)))
    })
  }

  /** A path of that host, as this process reaches it. Only while its sshd runs. */
  path(host: number, path: string): string {
    return `/proc/${this.#servers.get(host)?.pid}/root${path}`
  }

  /** Gives a host that could not be written to, or had too little room, what it lacked. */
  async mend(host: number): Promise<void> {
    const pid = `${this.#servers.get(host)?.pid}`
    await runFile('nsenter', ['-t', pid, '-m', 'mount', '-o', 'remount,rw,size=4g', DATA])
  }

  /** What the network does not end: these are in its namespaces. */
  stop(): void {
    for (const child of this.#servers.values()) child.kill()
  }
}

/** Where the hosts' own data lies; a folder that every system has. */
export const DATA = '/mnt'
