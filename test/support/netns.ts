// A small network on one machine: hosts as network namespaces around a switch, with limits and counters on their links.
// What it does to the kernel stands in netns.sh.

import { execFile, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const runFile = promisify(execFile)
const SCRIPT = join(import.meta.dirname, 'netns.sh')
const PROGRAMS = ['ip', 'tc', 'nft']
const BITS = 8

/** Hosts count from 1. */
export class Network {
  readonly #name: string

  private constructor(name: string) {
    this.#name = name
  }

  /** The caller removes it; the end of the process does so at the latest. */
  static async create(hosts: number): Promise<Network> {
    const name = `swarm-${randomBytes(4).toString('hex')}`
    const network = new Network(name)
    // Before others tidy up: what runs in the namespaces may still write.
    process.prependOnceListener('exit', () => network.remove())
    try {
      await network.#run('up', `${hosts}`)
    } catch (error) {
      network.remove()
      throw error
    }
    return network
  }

  namespace(host: number): string {
    return `${this.#name}-${host}`
  }

  address(host: number): string {
    return `10.77.0.${host}`
  }

  /** Where the other ends of the hosts' links are, as interfaces e1, e2 and so on. */
  get switchNamespace(): string {
    return `${this.#name}-sw`
  }

  /** What a host may send and receive, bytes per second with the headers of every packet. */
  async limitHost(host: number, upBytesPerSec: number, downBytesPerSec = upBytesPerSec): Promise<void> {
    await this.#run('limit', `${host}`, 'up', bits(upBytesPerSec))
    await this.#run('limit', `${host}`, 'down', bits(downBytesPerSec))
  }

  /** What one host may send to one other. */
  async limitPair(from: number, to: number, bytesPerSec: number): Promise<void> {
    await this.#run('pair', `${from}`, `${to}`, bits(bytesPerSec))
  }

  /** New TCP connections of the host use this algorithm. Throws when the machine does not have it or does not allow it. */
  async useCongestionControl(host: number, algorithm: string): Promise<void> {
    try {
      await this.#run('congestion', `${host}`, algorithm)
    } catch (cause) {
      const allowed = readFileSync('/proc/sys/net/ipv4/tcp_allowed_congestion_control', 'utf8').trim()
      const cure = `allow it with sysctl -w net.ipv4.tcp_allowed_congestion_control="${allowed} ${algorithm}"`
      throw new Error(`namespaces here may use ${allowed}, not ${algorithm}: ${cure}`, { cause })
    }
  }

  /** From now on every new connection to the host is dropped; those that it makes itself work. */
  async refuseInbound(host: number): Promise<void> {
    await this.#run('close', `${host}`)
  }

  /**
   * Bytes that have left the host. Read from the queue in front of its interface, which counts the headers of every
   * packet; the interface's own counter takes a burst of up to 64 KiB for one packet and so shows less.
   */
  async sentBytes(host: number): Promise<number> {
    const args = ['-n', this.namespace(host), '-s', '-j', 'qdisc', 'show', 'dev', 'eth0', 'root']
    const { stdout } = await runFile('tc', args)
    const shown: unknown = JSON.parse(stdout)
    const root: unknown = Array.isArray(shown) ? shown.find((queue) => queue?.kind === 'htb') : undefined
    if (typeof root !== 'object' || root === null || !('bytes' in root) || typeof root.bytes !== 'number') {
      throw new Error(`tc shows no counter: ${stdout}`)
    }
    return root.bytes
  }

  /** Bytes that have left the host by its interface's own counter, to which a burst is one packet with one header. */
  async interfaceSentBytes(host: number): Promise<number> {
    const { stdout } = await runFile('ip', ['-n', this.namespace(host), '-s', '-j', 'link', 'show', 'dev', 'eth0'])
    const bytes: unknown = JSON.parse(stdout)?.[0]?.stats64?.tx?.bytes
    if (typeof bytes !== 'number') throw new Error(`ip shows no counter: ${stdout}`)
    return bytes
  }

  /** Attempts to connect that `refuseInbound` has dropped. */
  async refusedConnections(host: number): Promise<number> {
    const rules = ['nft', 'list', 'chain', 'inet', 'closed', 'incoming']
    const { stdout } = await runFile('ip', ['netns', 'exec', this.namespace(host), ...rules])
    return Number(/counter packets (\d+)/.exec(stdout)?.[1])
  }

  /** Kills what still runs in the namespaces and deletes them. Safe to call twice. */
  remove(): void {
    execFileSync(SCRIPT, ['down', this.#name])
  }

  async #run(action: string, ...args: string[]): Promise<void> {
    await runFile(SCRIPT, [action, this.#name, ...args])
  }
}

/** What TCP connections use where nothing else is said. */
export function machineCongestionControl(): string {
  return readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim()
}

/** Why there can be no network here, or undefined when there can. */
export function networkUnavailable(): string | undefined {
  const path = (process.env['PATH'] ?? '').split(':')
  const missing = PROGRAMS.filter((program) => !path.some((folder) => existsSync(join(folder, program))))
  if (process.getuid?.() === 0 && missing.length === 0) return undefined
  const programs = missing.length === 0 ? '' : ` (apt-get install iproute2 nftables; missing: ${missing.join(', ')})`
  return `needs root and network namespaces${programs}`
}

/** The command line that runs a program in a namespace, or as it is where none is given. */
export function inNamespace(
  namespace: string | undefined,
  program: string,
  args: readonly string[],
): [string, ...string[]] {
  return namespace === undefined ? [program, ...args] : ['ip', 'netns', 'exec', namespace, program, ...args]
}

function bits(bytesPerSec: number): string {
  return `${Math.round(bytesPerSec * BITS)}`
}
