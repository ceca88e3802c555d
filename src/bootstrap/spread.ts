// Who gives the package to whom. This machine sends it to the first two hosts; from then on those that have it pass it on, so that its uplink
// is not the limit. A host that cannot reach those gets it from here after all.

export interface Giver {
  /** Undefined: this machine, over ssh. */
  readonly urls: readonly string[] | undefined
  /** Name of the host that gives it; undefined: this machine. */
  readonly host: string | undefined
}

const FROM_HERE: Giver = { urls: undefined, host: undefined }
const FIRST_SENDS = 2
const SENDS_AT_ONCE_MAX = 4
const FROM_A_HOST_AT_ONCE_MAX = 4

interface Waiting {
  readonly insistsOnHere: boolean
  readonly start: (giver: Giver) => void
}

interface Server {
  readonly host: string
  readonly urls: readonly string[]
  busy: number
}

/** Not thread-safe across awaits by design: every method finishes at once. */
export class PackageSpread {
  readonly #waiting: Waiting[] = []
  readonly #servers: Server[] = []
  #sending = 0
  #sent = 0
  /** Hosts that have the package and are about to offer it. */
  #offering = 0
  /** Hosts that have it and could not offer it. */
  #unable = 0

  /** How often this machine sent the whole package. */
  get sentFromHere(): number {
    return this.#sent
  }

  /** Resolves with who gives it; the caller says how that ended. `insistsOnHere`: a host has been tried in vain. */
  ask(insistsOnHere: boolean): Promise<Giver> {
    return new Promise((start) => {
      this.#waiting.push({ insistsOnHere, start })
      this.#next()
    })
  }

  /** A transfer ended. With `worked`, the receiver may go on to `offer`, or must call `offersNothing`. */
  ended(giver: Giver, worked: boolean): void {
    if (giver.host === undefined) {
      this.#sending--
      if (worked) this.#sent++
    } else {
      const server = this.#servers.find(({ host }) => host === giver.host)
      if (server !== undefined) server.busy--
    }
    if (worked) this.#offering++
    this.#next()
  }

  offer(host: string, urls: readonly string[]): void {
    this.#offering--
    this.#servers.push({ host, urls, busy: 0 })
    this.#next()
  }

  offersNothing(): void {
    this.#offering--
    this.#unable++
    this.#next()
  }

  /** A host that had offered it no longer does. */
  withdraw(host: string): void {
    const index = this.#servers.findIndex((server) => server.host === host)
    if (index >= 0) this.#servers.splice(index, 1)
    this.#next()
  }

  #next(): void {
    for (let index = 0; index < this.#waiting.length; ) {
      const waiting = this.#waiting[index]
      const giver = waiting === undefined ? undefined : this.#giverFor(waiting.insistsOnHere)
      if (waiting === undefined || giver === undefined) {
        index++
        continue
      }
      this.#waiting.splice(index, 1)
      waiting.start(giver)
    }
  }

  #giverFor(insistsOnHere: boolean): Giver | undefined {
    if (!insistsOnHere) {
      const free = this.#servers
        .filter(({ busy }) => busy < FROM_A_HOST_AT_ONCE_MAX)
        .sort((left, right) => left.busy - right.busy)[0]
      if (free !== undefined) {
        free.busy++
        return { urls: free.urls, host: free.host }
      }
      const canHope =
        this.#servers.length > 0 || this.#offering > 0 || (this.#sending > 0 && this.#unable < FIRST_SENDS)
      if (canHope && this.#sending + this.#sent >= FIRST_SENDS) return undefined
    }
    if (this.#sending >= SENDS_AT_ONCE_MAX) return undefined
    this.#sending++
    return FROM_HERE
  }
}
