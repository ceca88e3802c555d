// The rivals with peers: BitTorrent clients that also read the origin as a web seed. The settings matter: without them both
// look worse than they are (encryption, slow trackers, few connections, small requests).

import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { OriginService } from './contender.ts'
import type { HostProcess } from './host-process.ts'
import { aptCure, pythonModuleCure, SYSTEM_PYTHON } from './programs.ts'
import { ORIGIN } from './test-bed.ts'
import { WebContender } from './web-contender.ts'
import { fileUrl, untilListening } from './web-server.ts'

const TRACKER_PORT = 6969
const PEER_PORT = 6881
const LIBTORRENT_PEER = fileURLToPath(new URL('libtorrent-peer.py', import.meta.url))

abstract class Torrent extends WebContender {
  /** The line that a client prints when it has the whole file. */
  protected abstract readonly complete: RegExp
  /** The size that is best for this client, as a power of two. */
  protected abstract readonly pieceBits: number

  protected get torrent(): string {
    return `${this.bed.folder}/${this.name}.torrent`
  }

  override async prepare(): Promise<void> {
    const pieces = ['-l', `${this.pieceBits}`]
    const sources = ['-w', fileUrl(this.bed), '-a', `http://${this.bed.address(ORIGIN)}:${TRACKER_PORT}/announce`]
    execFileSync('mktorrent', [...pieces, ...sources, '-o', this.torrent, this.bed.sourceFile], { stdio: 'ignore' })
  }

  protected finished(process: HostProcess): Promise<number> {
    return process.line(this.complete)
  }
}

export class Libtorrent extends Torrent {
  readonly name = 'libtorrent'
  protected readonly pieceBits = 20
  protected readonly complete = /^complete$/

  unavailable(): string | undefined {
    return (
      aptCure({ nginx: 'nginx-light', mktorrent: 'mktorrent' }) ?? pythonModuleCure('libtorrent', 'python3-libtorrent')
    )
  }

  protected startOn(host: number): HostProcess {
    const others = this.bed.hosts.filter((other) => other < host)
    const peers = others.map((other) => `${this.bed.address(other)}:${PEER_PORT}`)
    const own = [this.torrent, this.bed.target(host), this.bed.address(host), `${PEER_PORT}`]
    return this.bed.start(host, SYSTEM_PYTHON, LIBTORRENT_PEER, ...own, ...peers)
  }
}

export class Aria2Torrent extends Torrent {
  readonly name = 'aria2-torrent'
  protected readonly pieceBits = 18
  protected readonly complete = /^complete$/

  unavailable(): string | undefined {
    return aptCure({ aria2c: 'aria2', nginx: 'nginx-light', mktorrent: 'mktorrent', opentracker: 'opentracker' })
  }

  override async prepare(): Promise<void> {
    await super.prepare()
    const shown = execFileSync('aria2c', ['--no-conf', '-S', this.torrent], { encoding: 'utf8' })
    const hash = /Info Hash: ([0-9a-f]{40})/.exec(shown)?.[1]
    if (hash === undefined) throw new Error(`aria2c shows no info hash: ${shown}`)
    await mkdir(this.#trackerFolder, { recursive: true })
    // The tracker serves only torrents on its list, which it reads from below its root.
    await writeFile(`${this.#trackerFolder}/list`, `${hash}\n`)
    await writeFile(this.#hook, '#!/bin/sh\necho complete\n', { mode: 0o755 })
  }

  override async serve(): Promise<OriginService> {
    const web = await super.serve()
    const where = ['-i', this.bed.address(ORIGIN), '-p', `${TRACKER_PORT}`, '-P', `${TRACKER_PORT}`]
    const root = ['-d', this.#trackerFolder, '-w', '/list', '-u', 'nobody']
    const tracker = this.bed.start(ORIGIN, 'opentracker', ...where, ...root)
    await untilListening(this.bed, tracker, TRACKER_PORT)
    return {
      pids: [...web.pids, tracker.pid],
      stop: async () => {
        await Promise.all([web.stop(), tracker.end()])
      },
    }
  }

  protected startOn(host: number): HostProcess {
    const address = this.bed.address(host)
    const web = ['-x', '4', '-s', '4', '-k', '1M', '--stream-piece-selector=random', '--file-allocation=none']
    const peers = ['--bt-max-peers=50', '--bt-request-peer-speed-limit=500M', '--seed-ratio=0', '--enable-dht=false']
    const find = ['--bt-enable-lpd=true', '--bt-lpd-interface=eth0', '--bt-tracker-interval=1', '--disable-ipv6']
    const own = [`--listen-port=${PEER_PORT}`, `--bt-external-ip=${address}`, '--no-conf', '-d', this.bed.target(host)]
    const say = ['--console-log-level=warn', '--summary-interval=0', '--show-console-readout=false']
    const hook = `--on-bt-download-complete=${this.#hook}`
    return this.bed.start(host, 'aria2c', ...web, ...peers, ...find, ...own, ...say, hook, this.torrent)
  }

  get #trackerFolder(): string {
    return `${this.bed.folder}/tracker`
  }

  get #hook(): string {
    return `${this.bed.folder}/announce-complete.sh`
  }
}
