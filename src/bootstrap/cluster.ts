// Brings one snapshot onto every host: looks, installs, starts, follows, each host on its own, so that none holds up another. What has been done
// already is found and left alone; everything can be repeated.

import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { isSwarmError, SwarmError } from '../base/errors.ts'
import type { JoinJob, OfferJob } from './agent.ts'
import { offeredUrls, readTold } from './agent-words.ts'
import { hostFailure } from './host-failure.ts'
import type { HostState } from './host-state.ts'
import type { HostEntry } from './hosts-file.ts'
import {
  archivePath,
  DAMAGED_EXIT,
  fetchScript,
  isPlainPath,
  programPath,
  unpackScript,
  uploadCommand,
} from './install.ts'
import type { PackageFile } from './own-package.ts'
import { type HostFacts, ProbeAnswer, probeScript } from './probe.ts'
import { remoteShell } from './quoting.ts'
import { type Giver, PackageSpread } from './spread.ts'
import type { RemoteEnd, RemoteInit, Ssh } from './ssh.ts'

export interface ClusterInit {
  readonly hosts: readonly HostEntry[]
  readonly ssh: Ssh
  readonly package: PackageFile
  /** On every host; absolute, or from the user's home folder there. */
  readonly directory: string
  /** Where the program goes; undefined: the user's data folder. */
  readonly prefix: string | undefined
  readonly root: string
  /** Bytes of the restored tree, if known. */
  readonly rawBytes: number | undefined
  /** The command line of the join after `swarm`, for a directory on the host. */
  readonly joinArgs: (directory: string) => readonly string[]
  /** Secrets and settings for the join. */
  readonly env: Readonly<Record<string, string>>
  /** Hosts that are looked at or installed at a time. */
  readonly parallel: number
  /** The port at which hosts try to offer the package to each other. */
  readonly packagePort: number
  readonly changed: (host: HostEntry, state: HostState) => void
  readonly signal: AbortSignal
}

export interface ClusterOutcome {
  /** In the order of the hosts. */
  readonly states: readonly HostState[]
  /** How often the whole package left this machine. */
  readonly packageSends: number
}

const LOOK_IDLE_MS_MAX = 60_000
const TRANSFER_IDLE_MS_MAX = 120_000
/** A host that has not offered the package by then is not waited for by those that lack it. */
const OFFER_MS_MAX = 30_000
/** Connections to a host that follow a join and break are made again so often without any word from the join in between. */
const RECONNECTS_MAX = 5
/** Before the first of them; before each next one so much longer. */
const RECONNECT_MS = 1000
/** The agent on a host says something every ALIVE_MS, also where its join has nothing to say. */
const FOLLOW_IDLE_MS_MAX = 60_000
const NONCE_BYTES = 8
const TOKEN_BYTES = 16
const HERE = 'this machine'

/** Resolves when every host is ready or has failed. Rejects with the signal's reason, or `usage` when there is no ssh here. */
export async function bringUpCluster(init: ClusterInit): Promise<ClusterOutcome> {
  const spread = new PackageSpread()
  const offers = new AbortController()
  const slots = new Slots(init.parallel)
  let installing = init.hosts.length
  const installed = (): void => {
    installing--
    if (installing === 0) offers.abort()
  }
  await init.ssh.check()
  const runs = init.hosts.map((host) => new HostRun(host, init, spread, slots, offers.signal, installed).run())
  const states = await Promise.race([Promise.all(runs), whenAborted(init.signal)])
  return { states, packageSends: spread.sentFromHere }
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** So many at a time. */
class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#free--
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}

class HostRun {
  readonly #host: HostEntry
  readonly #init: ClusterInit
  readonly #spread: PackageSpread
  readonly #slots: Slots
  readonly #offers: AbortSignal
  readonly #installed: () => void
  readonly #startedAtMs = performance.now()
  #hasInstalled = false
  #addresses: readonly string[] = []

  constructor(
    host: HostEntry,
    init: ClusterInit,
    spread: PackageSpread,
    slots: Slots,
    offers: AbortSignal,
    installed: () => void,
  ) {
    this.#host = host
    this.#init = init
    this.#spread = spread
    this.#slots = slots
    this.#offers = offers
    this.#installed = installed
  }

  /** Rejects only when aborted, or for a fault of ours. */
  async run(): Promise<HostState> {
    const { root } = this.#init
    this.#change({ stage: 'waiting' })
    try {
      const facts = await this.#slots.use(() => this.#look())
      if (facts.readyRoot === root)
        return this.#change({ stage: 'ready', seconds: this.#seconds(), already: true, installedFrom: '', addrs: [] })
      const from = facts.isInstalled ? '' : await this.#install(facts)
      this.#markInstalled()
      this.#change({ stage: 'starting' })
      await this.#join(facts)
      return this.#change({
        stage: 'ready',
        seconds: this.#seconds(),
        already: false,
        installedFrom: from,
        addrs: this.#addresses,
      })
    } catch (error) {
      if (this.#init.signal.aborted || !isSwarmError(error)) throw error
      return this.#change({ stage: 'failed', error, seconds: this.#seconds() })
    } finally {
      this.#markInstalled()
    }
  }

  #markInstalled(): void {
    if (this.#hasInstalled) return
    this.#hasInstalled = true
    this.#installed()
  }

  #change(state: HostState): HostState {
    this.#init.changed(this.#host, state)
    return state
  }

  #seconds(): number {
    return (performance.now() - this.#startedAtMs) / 1000
  }

  #run(remote: string, init: Omit<RemoteInit, 'signal'> & { readonly signal?: AbortSignal }): Promise<RemoteEnd> {
    return this.#init.ssh.run(this.#host, remote, { signal: this.#init.signal, ...init })
  }

  async #look(): Promise<HostFacts> {
    this.#change({ stage: 'looking' })
    const { directory, prefix, package: file, rawBytes, root } = this.#init
    const answer = new ProbeAnswer()
    const end = await this.#run('sh -s', {
      input: probeScript({ directory, prefix, packageId: file.id }),
      onLine: (line) => answer.take(line),
      idleMsMax: LOOK_IDLE_MS_MAX,
    })
    if (!answer.isWhole) throw this.#lost(end, 'looking at the host', directory)
    const facts = answer.facts(file.machine, rawBytes, root)
    if (facts.readyRoot === root) return facts
    if (!isPlainPath(facts.prefix)) {
      throw new SwarmError('diskPermission', `${facts.prefix} has characters that not every login shell takes`, {
        cure: 'give --prefix DIR, of letters, digits and . _ - / alone',
      })
    }
    if (!facts.isInstalled && file.compression === 'xz' && !facts.tools.has('xz')) {
      throw new SwarmError('unsupportedVersion', 'it has no xz to unpack the package with', {
        cure: 'install xz-utils there, or leave out --package',
      })
    }
    return facts
  }

  /** Resolves with who gave the package. */
  async #install(facts: HostFacts): Promise<string> {
    for (let insistsOnHere = false; ; insistsOnHere = true) {
      const giver = await this.#spread.ask(insistsOnHere)
      let worked = false
      try {
        this.#change({ stage: 'installing', from: giver.host ?? HERE })
        worked = await this.#slots.use(() => this.#receive(facts, giver))
      } finally {
        this.#spread.ended(giver, worked)
      }
      if (!worked) continue
      this.#offer(facts)
      return giver.host ?? HERE
    }
  }

  /** False: this giver cannot be reached from there. */
  async #receive(facts: HostFacts, giver: Giver): Promise<boolean> {
    const { package: file } = this.#init
    const nonce = randomBytes(NONCE_BYTES).toString('hex')
    const idleMsMax = TRANSFER_IDLE_MS_MAX
    if (giver.urls === undefined) {
      const end = await this.#run(uploadCommand(facts.prefix, nonce), { input: createReadStream(file.path), idleMsMax })
      if (end.code !== 0) throw this.#lost(end, 'sending the program', facts.prefix)
    } else {
      // The host says nothing while it fetches; curl and wget have limits of their own.
      const end = await this.#run('sh -s', { input: fetchScript(facts.prefix, nonce, giver.urls) })
      if (end.code === undefined) throw this.#lost(end, 'fetching the program', facts.prefix)
      if (end.code !== 0) return false
    }
    let installed = false
    const end = await this.#run('sh -s', {
      input: unpackScript(facts.prefix, nonce, file),
      onLine: (line) => {
        if (line === 'installed=yes') installed = true
      },
      idleMsMax,
    })
    if (installed) return true
    if (end.code === DAMAGED_EXIT && giver.host !== undefined) return false
    if (end.code === DAMAGED_EXIT)
      throw new SwarmError('integrity', 'the program arrived there damaged', {
        cure: 'run the command again',
        retry: true,
      })
    throw this.#lost(end, 'unpacking the program', facts.prefix)
  }

  /** Lets other hosts have the package from this one, as long as some are without. Failure only means that they get it elsewhere. */
  #offer(facts: HostFacts): void {
    const { package: file, packagePort } = this.#init
    const job: OfferJob = {
      kind: 'offer',
      path: archivePath(facts.prefix, file),
      token: randomBytes(TOKEN_BYTES).toString('hex'),
      port: packagePort,
    }
    let isOpen = false
    const opening = new AbortController()
    const late = setTimeout(() => opening.abort(), OFFER_MS_MAX)
    const ended = this.#run(remoteShell(`exec ${programPath(facts.prefix, file)} bootstrap agent`), {
      input: `${JSON.stringify(job)}\n`,
      keepsInputOpen: true,
      signal: AbortSignal.any([this.#init.signal, this.#offers, opening.signal]),
      onLine: (line) => {
        const urls = offeredUrls(line, this.#host, job.token)
        if (isOpen || urls === undefined) return
        clearTimeout(late)
        isOpen = urls.length > 0
        if (isOpen) this.#spread.offer(this.#host.name, urls)
        else opening.abort()
      },
    })
    const close = (): void => {
      clearTimeout(late)
      if (isOpen) this.#spread.withdraw(this.#host.name)
      else this.#spread.offersNothing()
    }
    ended.then(close, close)
  }

  /** Resolves when the tree is ready; throws the join's own error. A lost connection is made again: the join goes on meanwhile. */
  async #join(facts: HostFacts): Promise<void> {
    const { package: file, joinArgs, env, root } = this.#init
    const job: JoinJob = {
      kind: 'join',
      runs: `${facts.prefix}/runs`,
      directory: facts.directory,
      root,
      args: joinArgs(facts.directory),
      env,
    }
    for (let attempts = 0; ; attempts++) {
      let outcome: SwarmError | 'ready' | undefined
      const end = await this.#run(remoteShell(`exec ${programPath(facts.prefix, file)} bootstrap agent`), {
        input: `${JSON.stringify(job)}\n`,
        keepsInputOpen: true,
        idleMsMax: FOLLOW_IDLE_MS_MAX,
        onLine: (line) => {
          const told = readTold(line)
          if (told === undefined) return
          attempts = 0
          if (told instanceof SwarmError || told === 'ready') outcome = told
          else if (told.stage === 'listening') this.#addresses = told.addrs
          else this.#change(told)
        },
      })
      if (outcome === 'ready') return
      if (outcome !== undefined) throw outcome
      if (end.code !== undefined || attempts >= RECONNECTS_MAX)
        throw this.#lost(end, 'following the join', facts.directory)
      const { signal } = this.#init
      await delay(RECONNECT_MS * (attempts + 1), undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }

  #lost(end: RemoteEnd, doing: string, folder: string): SwarmError {
    this.#init.signal.throwIfAborted()
    return hostFailure(end, doing, folder, this.#init.ssh.trial(this.#host))
  }
}
