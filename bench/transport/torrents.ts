// BitTorrent clients, one that has the file and one that wants it, with no web seed and nobody else. The settings matter: without
// them they look worse than they are (waiting for trackers, checking the whole file before serving it).

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { HostProcess } from '../fanout/host-process.ts'
import { aptCure, pythonModuleCure, SYSTEM_PYTHON } from '../fanout/programs.ts'
import {
  type Contender,
  type Place,
  type Protection,
  type Receiver,
  type Sender,
  senderOf,
  startProcess,
} from './contender.ts'
import { freePort } from './free-port.ts'
import { Tracker } from './tracker.ts'

/** 1 MiB. */
const PIECE_BITS = 20
const RC4 = 'RC4'
const LIBTORRENT_END = fileURLToPath(new URL('libtorrent-end.py', import.meta.url))
const WEBTORRENT_END = fileURLToPath(new URL('webtorrent-end.mjs', import.meta.url))
const WITHOUT_WEBRTC = new URL('without-webrtc.mjs', import.meta.url).href

abstract class Torrent implements Contender {
  abstract readonly name: string
  readonly protection: Protection
  readonly cipher: string
  protected readonly place: Place
  protected readonly isObfuscated: boolean
  protected senderPort = 0

  constructor(place: Place, isObfuscated = false) {
    this.place = place
    this.isObfuscated = isObfuscated
    this.protection = isObfuscated ? 'obfuscated' : 'none'
    this.cipher = isObfuscated ? RC4 : ''
  }

  abstract unavailable(): string | undefined
  abstract serve(): Promise<Sender>
  abstract fetch(): Receiver

  async prepare(): Promise<void> {
    await this.makeTorrent('http://127.0.0.1:1/announce')
  }

  protected get torrent(): string {
    return `${this.place.folder}/${this.name}.torrent`
  }

  protected async makeTorrent(tracker: string): Promise<void> {
    const file = `${this.place.sourceFolder}/${this.place.fileName}`
    execFileSync('mktorrent', ['-l', `${PIECE_BITS}`, '-a', tracker, '-o', this.torrent, file], { stdio: 'ignore' })
  }

  /** A receiver that says `complete` and goes on until it is ended. */
  protected receiverOf(process: HostProcess): Receiver {
    return { complete: process.line(/^complete$/), end: () => process.end() }
  }

  protected async senderWhen(process: HostProcess, ready: RegExp): Promise<Sender> {
    await process.line(ready)
    return senderOf(process)
  }
}

export class Libtorrent extends Torrent {
  get name(): string {
    return this.isObfuscated ? 'libtorrent-rc4' : 'libtorrent'
  }

  unavailable(): string | undefined {
    return aptCure({ mktorrent: 'mktorrent' }) ?? pythonModuleCure('libtorrent', 'python3-libtorrent')
  }

  async serve(): Promise<Sender> {
    this.senderPort = await freePort()
    const process = this.#start('seed', this.place.sourceFolder, this.senderPort)
    return this.senderWhen(process, /^serving$/)
  }

  fetch(): Receiver {
    return this.receiverOf(this.#start('fetch', this.place.targetFolder, this.senderPort))
  }

  #start(role: 'seed' | 'fetch', folder: string, senderPort: number): HostProcess {
    const security = this.isObfuscated ? 'rc4' : 'plain'
    return startProcess(
      this.place,
      SYSTEM_PYTHON,
      LIBTORRENT_END,
      role,
      security,
      this.torrent,
      folder,
      `${senderPort}`,
    )
  }
}

export class Aria2 extends Torrent {
  #tracker: Tracker | undefined

  get name(): string {
    return this.isObfuscated ? 'aria2-rc4' : 'aria2'
  }

  unavailable(): string | undefined {
    return aptCure({ aria2c: 'aria2', mktorrent: 'mktorrent' })
  }

  override async prepare(): Promise<void> {
    this.senderPort = await freePort()
    this.#tracker = await Tracker.start(this.senderPort)
    await this.makeTorrent(this.#tracker.url)
    await writeFile(this.#hook, '#!/bin/sh\necho complete\n', { mode: 0o755 })
  }

  async serve(): Promise<Sender> {
    const process = this.#start(this.place.sourceFolder, this.senderPort, '--bt-seed-unverified=true')
    const died = process.ended.then((code) => Promise.reject(new Error(`aria2c ended with ${code}`)))
    await Promise.race([this.#tracker?.announced(), died])
    return senderOf(process)
  }

  fetch(): Receiver {
    return this.receiverOf(this.#start(this.place.targetFolder, 0, `--on-bt-download-complete=${this.#hook}`))
  }

  /** Port 0: aria2 chooses one. */
  #start(folder: string, port: number, ...more: readonly string[]): HostProcess {
    const own = ['--no-conf', '-d', folder, ...(port === 0 ? [] : [`--listen-port=${port}`]), ...more]
    const peers = ['--seed-ratio=0', '--enable-dht=false', '--enable-dht6=false', '--enable-peer-exchange=false']
    const find = ['--bt-tracker-interval=1', '--disable-ipv6', '--bt-request-peer-speed-limit=1000M']
    const files = ['--file-allocation=none', '--allow-overwrite=true', '--auto-save-interval=0']
    const security = this.isObfuscated ? ['--bt-force-encryption=true'] : []
    const say = ['--console-log-level=warn', '--summary-interval=0', '--show-console-readout=false']
    return startProcess(this.place, 'aria2c', ...own, ...peers, ...find, ...files, ...security, ...say, this.torrent)
  }

  get #hook(): string {
    return `${this.place.folder}/${this.name}-complete.sh`
  }
}

export class Webtorrent extends Torrent {
  readonly name = 'webtorrent'
  readonly #packages: string | undefined

  /** `packages`: the folder in which it was installed. */
  constructor(place: Place, packages: string | undefined) {
    super(place)
    this.#packages = packages
  }

  unavailable(): string | undefined {
    const isThere = this.#packages !== undefined && existsSync(`${this.#packages}/node_modules/webtorrent/package.json`)
    if (!isThere)
      return 'npm install --ignore-scripts --prefix FOLDER webtorrent, in a folder outside the repository; then --webtorrent FOLDER'
    return aptCure({ mktorrent: 'mktorrent' })
  }

  async serve(): Promise<Sender> {
    this.senderPort = await freePort()
    return this.senderWhen(this.#start('seed', this.place.sourceFolder), /^serving$/)
  }

  fetch(): Receiver {
    return this.receiverOf(this.#start('fetch', this.place.targetFolder))
  }

  #start(role: 'seed' | 'fetch', folder: string): HostProcess {
    const own = [`${this.#packages}/node_modules/webtorrent/index.js`, role, this.torrent, folder, `${this.senderPort}`]
    return startProcess(this.place, process.execPath, '--import', WITHOUT_WEBRTC, WEBTORRENT_END, ...own)
  }
}
