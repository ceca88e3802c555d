// Links of the simulated network. A sending link serves its flows in turn, block by block; a receiving one takes blocks in
// the order in which they arrive. Small messages use the same links without waiting behind payload.

import type { VirtualClock } from './clock.ts'

/** How many bytes of one flow may be under way before the receiver has taken them; two blocks at least. */
const WINDOW_BYTES = 2 * 1_048_576

/** Bytes on their way from one link to another. */
export class Flow {
  readonly total: number
  readonly to: ReceivingLink
  readonly delayUs: number
  /** Most that one connection carries, bytes per ms. */
  readonly rateMax: number
  /** A link on the way that others share: the origin's total, or one between two sites. */
  readonly beyond: ReceivingLink | undefined
  readonly arrived: (bytes: number) => void
  left: number
  underWay = 0
  readyAt = 0
  cancelled = false

  constructor(init: {
    bytes: number
    to: ReceivingLink
    delayUs: number
    rateMax?: number
    beyond?: ReceivingLink | undefined
    arrived: (bytes: number) => void
  }) {
    this.total = init.bytes
    this.left = init.bytes
    this.to = init.to
    this.delayUs = init.delayUs
    this.rateMax = init.rateMax ?? Number.POSITIVE_INFINITY
    this.beyond = init.beyond
    this.arrived = init.arrived
  }
}

export class ReceivingLink {
  readonly #clock: VirtualClock
  rate: number
  #freeAt = 0

  constructor(clock: VirtualClock, rate: number) {
    this.#clock = clock
    this.rate = rate
  }

  /** When `bytes` that arrive after `delayUs` are through. */
  take(bytes: number, delayUs: number): number {
    this.#freeAt = Math.max(this.#freeAt, this.#clock.now + delayUs) + (bytes * 1000) / this.rate
    return this.#freeAt
  }

  /** A small message: it takes its time on the link, but does not wait behind blocks. */
  takeSmall(bytes: number): number {
    const us = (bytes * 1000) / this.rate
    this.#freeAt = Math.max(this.#freeAt, this.#clock.now) + us
    return us
  }
}

export class SendingLink {
  readonly #clock: VirtualClock
  readonly #blockBytes: number
  /** First come, first served, instead of in turn. */
  readonly #inOrder: boolean
  readonly #windowBytes: number
  #rate: number
  /** Every byte that left, also of flows given up later. */
  sentBytes = 0
  #flows: Flow[] = []
  /** Of which a block is being sent; it may be missing among the others meanwhile. */
  #current: Flow | undefined
  #busy = false
  #debtBytes = 0
  #wakeAt = Number.POSITIVE_INFINITY

  constructor(clock: VirtualClock, rate: number, blockBytes: number, inOrder = false) {
    this.#clock = clock
    this.#rate = rate
    this.#blockBytes = blockBytes
    this.#windowBytes = Math.max(WINDOW_BYTES, 2 * blockBytes)
    this.#inOrder = inOrder
  }

  get rate(): number {
    return this.#rate
  }

  /** For tests of the simulation itself: how many flows there are, and whether a block is being sent. */
  get flowCount(): number {
    return this.#flows.length + (this.#busy ? 1 : 0)
  }

  get isBusy(): boolean {
    return this.#busy
  }

  setRate(rate: number): void {
    this.#rate = rate
    this.#kick()
  }

  add(flow: Flow): void {
    this.#flows.push(flow)
    this.#kick()
  }

  cancel(flow: Flow): void {
    flow.cancelled = true
    this.#flows = this.#flows.filter((other) => other !== flow)
  }

  clear(): void {
    for (const flow of this.#flows) flow.cancelled = true
    if (this.#current !== undefined) this.#current.cancelled = true
    this.#flows = []
  }

  /** A small message: microseconds that it takes. Payload is held up by as much. */
  takeSmall(bytes: number): number {
    this.#debtBytes += bytes
    return this.#rate > 0 ? (bytes * 1000) / this.#rate : 0
  }

  #kick(): void {
    if (this.#busy || this.#rate <= 0) return
    const now = this.#clock.now
    let soonest = Number.POSITIVE_INFINITY
    for (const [position, flow] of this.#flows.entries()) {
      if (flow.underWay >= this.#windowBytes) continue
      if (flow.readyAt <= now) {
        if (!this.#inOrder) this.#flows.splice(position, 1)
        this.#send(flow)
        return
      }
      soonest = Math.min(soonest, flow.readyAt)
    }
    if (soonest >= this.#wakeAt || soonest === Number.POSITIVE_INFINITY) return
    this.#wakeAt = soonest
    this.#clock.at(soonest, () => {
      this.#wakeAt = Number.POSITIVE_INFINITY
      this.#kick()
    })
  }

  #send(flow: Flow): void {
    const bytes = Math.min(this.#blockBytes, flow.left)
    const us = ((bytes + this.#debtBytes) * 1000) / this.#rate
    this.#debtBytes = 0
    this.#busy = true
    this.#current = flow
    flow.readyAt = this.#clock.now + (bytes * 1000) / flow.rateMax
    this.#clock.after(us, () => {
      this.#busy = false
      this.sentBytes += bytes
      if (!flow.cancelled) this.#sent(flow, bytes)
      this.#kick()
    })
  }

  #sent(flow: Flow, bytes: number): void {
    flow.left -= bytes
    flow.underWay += bytes
    if (flow.left === 0 && this.#inOrder) this.#flows = this.#flows.filter((other) => other !== flow)
    if (flow.left > 0 && !this.#inOrder) this.#flows.push(flow)
    if (flow.beyond === undefined) this.#arrive(flow, bytes)
    // A link takes blocks as they come to it; one that is still on its way holds up nothing.
    else this.#clock.at(flow.beyond.take(bytes, 0), () => this.#arrive(flow, bytes))
  }

  #arrive(flow: Flow, bytes: number): void {
    this.#clock.at(flow.to.take(bytes, flow.delayUs), () => {
      flow.underWay -= bytes
      flow.arrived(bytes)
      this.#kick()
    })
  }
}
