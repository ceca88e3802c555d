// How a node that held everything from the start gives it out: each chunk is shown to one neighbour until it has left once,
// so that its uplink carries no chunk twice before each once, while the neighbours trade what they got. After John
// Hoffman's super-seeding (BEP 16).

import { Bitfield } from '../base/bitfield.ts'
import { chunkIndex, type PeerId } from '../base/ids.ts'
import { IndexBuckets, NO_BUCKET } from './index-buckets.ts'
import type { Peer } from './peer-table.ts'
import type { SwarmState } from './swarm-state.ts'

const HIDDEN = 0
/** While uploads would fit in beside those under way, a neighbour has this part of the patience to get what it was shown. */
const IDLE_PART = 10
/** Chunks looked at on each tick for being with nobody. */
const LOOKED_AT_MAX = 1024

interface Shown {
  readonly chunk: number
  readonly at: number
}

export class InjectionPolicy {
  readonly #state: SwarmState
  /** Chunks that nobody was shown, as far as we know. */
  readonly #hidden: IndexBuckets
  /** What each neighbour was shown and has not been sent. */
  readonly #shown = new Map<PeerId, Shown[]>()
  /**
   * Neighbours that got something since they were shown what others had been shown: they make use of it. Who has been so for
   * longest is first.
   */
  readonly #eager = new Set<PeerId>()
  /** When a chunk left that we have not heard of since. */
  readonly #sentAt = new Map<number, number>()
  #cursor = 0
  #isActive: boolean

  constructor(state: SwarmState) {
    this.#state = state
    this.#isActive = state.held.complete
    this.#hidden = new IndexBuckets(this.#isActive ? state.chunkCount : 0, 1)
    if (this.#isActive) for (let chunk = 0; chunk < state.chunkCount; chunk++) this.#hidden.move(chunk, HIDDEN)
  }

  /** Whether some chunk is shown to nobody or to one neighbour only. */
  get isActive(): boolean {
    return this.#isActive
  }

  /** What a new neighbour may be told that we hold. */
  advertised(): Bitfield {
    return this.#isActive ? new Bitfield(this.#state.chunkCount) : this.#state.held
  }

  peerUp(peer: Peer): void {
    if (!this.#isActive) return
    if (peer.have.complete) this.#end()
    else {
      this.#shown.set(peer.id, [])
      this.#show()
    }
  }

  peerDown(id: PeerId): void {
    for (const { chunk } of this.#shown.get(id) ?? []) this.#hide(chunk)
    this.#shown.delete(id)
    this.#eager.delete(id)
    if (this.#isActive) this.#show()
  }

  /** A neighbour is complete: others can have everything from it. */
  peerDone(): void {
    if (this.#isActive) this.#end()
  }

  /** A chunk has left, or not: it is shown again. */
  served(id: PeerId, chunk: number, isSent: boolean): void {
    if (!this.#isActive) return
    // A neighbour may ask for what it was not shown: see expectFirst.
    if (isSent) {
      this.#hidden.move(chunk, NO_BUCKET)
      this.#sentAt.set(chunk, this.#state.now)
      if (this.#shown.has(id)) this.#eager.add(id)
    }
    const shown = this.#shown.get(id)
    if (shown === undefined) return
    this.#shown.set(
      id,
      shown.filter((one) => one.chunk !== chunk),
    )
    if (!isSent) this.#hide(chunk)
    this.#show()
  }

  /** Shows others what a neighbour did not ask for, and what has left and is with nobody. Called on every tick. */
  watch(): void {
    if (!this.#isActive) return
    this.#hideLost()
    const { limits, now } = this.#state
    for (const [id, shown] of this.#shown) {
      const [late, rest] = [[] as Shown[], [] as Shown[]]
      for (const one of shown) (now - one.at > limits.injectionPatienceMs * 1000 ? late : rest).push(one)
      if (late.length === 0) continue
      this.#shown.set(id, rest)
      for (const { chunk } of late) this.#hide(chunk)
    }
    this.#show()
  }

  /**
   * Whoever was sent a chunk may have given it up meanwhile, or have left since. It would be asked for again, but only where
   * it was shown.
   */
  #hideLost(): void {
    const { limits, picker, chunkCount, now } = this.#state
    const shown = new Set([...this.#shown.values()].flatMap((all) => all.map(({ chunk }) => chunk)))
    for (let step = 0; step < Math.min(chunkCount, LOOKED_AT_MAX); step++) {
      const chunk = this.#cursor++ % chunkCount
      const sentAt = this.#sentAt.get(chunk) ?? 0
      if (picker.availability(chunk) > 0) this.#sentAt.delete(chunk)
      else if (!shown.has(chunk) && now - sentAt > limits.injectionPatienceMs * 1000) this.#hide(chunk)
    }
  }

  /** Fills up what each neighbour is shown, one at a time in turn; ends when every chunk has left. */
  #show(): void {
    const { limits, uploads } = this.#state
    const each = Math.floor(limits.injectionWindow / Math.max(1, this.#shown.size))
    const window = Math.min(limits.injectionPerPeerMax, Math.max(limits.injectionPerPeerMin, each))
    this.#dropObtained()
    const told = new Map<PeerId, number[]>()
    const show = (id: PeerId, shown: Shown[], chunk: number): void => {
      shown.push({ chunk, at: this.#state.now })
      told.set(id, [...(told.get(id) ?? []), chunk])
    }
    for (let depth = 0; depth < window && this.#hidden.count(HIDDEN) > 0; depth++)
      for (const [id, shown] of this.#shown) {
        if (shown.length > depth) continue
        const chunk = this.#next()
        if (chunk === undefined) break
        show(id, shown, chunk)
      }
    if (this.#hidden.count(HIDDEN) === 0 && uploads.serving < limits.uploadSlots && this.#isSomeOld())
      for (const id of [...this.#eager]) {
        const shown = this.#shown.get(id)
        if (shown?.length !== 0 || uploads.isClient(id)) continue
        for (const chunk of this.#takeBack(id, window)) show(id, shown, chunk)
      }
    for (const [id, chunks] of told)
      this.#state.actions.push({ type: 'tellHave', chunks: chunks.map(chunkIndex), to: [id] })
    if (this.#hidden.count(HIDDEN) === 0 && [...this.#shown.values()].every((shown) => shown.length === 0)) this.#end()
  }

  #isOld({ at }: Shown): boolean {
    const { limits, now } = this.#state
    return now - at > (limits.injectionPatienceMs * 1000) / IDLE_PART
  }

  /** The first that a neighbour was shown is its oldest. */
  #isSomeOld(): boolean {
    for (const [oldest] of this.#shown.values()) if (oldest !== undefined && this.#isOld(oldest)) return true
    return false
  }

  /** What came to a neighbour from others it does not ask for. */
  #dropObtained(): void {
    const { peers } = this.#state
    for (const [id, shown] of this.#shown) {
      const have = peers.find(id)?.have
      const rest = shown.filter(({ chunk }) => have?.has(chunk) !== true)
      if (rest.length === shown.length) continue
      this.#shown.set(id, rest)
      this.#eager.add(id)
    }
  }

  /**
   * Of what others were shown and have not got for a while, up to `count` that the neighbour lacks, the oldest first: they are
   * slow, and it has got all that it was shown.
   */
  #takeBack(id: PeerId, count: number): number[] {
    const have = this.#state.peers.find(id)?.have
    const lacking = [...this.#shown].flatMap(([other, shown]) =>
      shown.filter((one) => this.#isOld(one) && have?.has(one.chunk) === false).map((one) => ({ other, ...one })),
    )
    if (lacking.length > 0) this.#eager.delete(id)
    const taken = lacking.sort((left, right) => left.at - right.at).slice(0, count)
    for (const { other, chunk } of taken) {
      const rest = this.#shown.get(other)?.filter((one) => one.chunk !== chunk) ?? []
      this.#shown.set(other, rest)
    }
    return taken.map(({ chunk }) => chunk)
  }

  /** A hidden chunk that no neighbour holds; those that some hold need no injection. */
  #next(): number | undefined {
    for (let count = this.#hidden.count(HIDDEN); count > 0; count = this.#hidden.count(HIDDEN)) {
      const chunk = this.#hidden.at(HIDDEN, this.#state.random.below(count))
      this.#hidden.move(chunk, NO_BUCKET)
      if (this.#state.picker.availability(chunk) === 0) return chunk
    }
    return undefined
  }

  #hide(chunk: number): void {
    this.#hidden.move(chunk, HIDDEN)
  }

  /** From now on everyone may ask for everything. */
  #end(): void {
    this.#isActive = false
    this.#shown.clear()
    this.#eager.clear()
    this.#sentAt.clear()
    const to = this.#state.peers.ids()
    if (to.length > 0) this.#state.actions.push({ type: 'tellStatus', progress: 'done', to })
  }
}
