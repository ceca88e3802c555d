// The data connection of one link: offered by the end that was dialled, opened by the other, used for requests and answers as soon
// as both have it. Without one, or once it has ended, everything comes on the payload stream.

import type { Connection } from '@libp2p/interface'
import { tcpAddress } from './addresses.ts'
import { DATA_CAPABILITY, type DataConnector } from './data-connector.ts'
import type { DataChannel, DataEnd, DataHandlers } from './data-plane.ts'
import { DATA_OFFERS_MAX } from './limits.ts'
import type { DataOffer, Hello } from './messages.ts'
import type { OpenRequests } from './open-requests.ts'

export interface LinkDataInit {
  /** Undefined: this node opens none. */
  readonly connector: DataConnector | undefined
  readonly hello: Hello
  readonly connection: Pick<Connection, 'direction' | 'remoteAddr'>
  readonly requests: OpenRequests
  /** The peer broke the protocol. */
  readonly offend: (what: string) => void
  readonly log: (text: string) => void
}

export class LinkData implements DataHandlers {
  readonly #init: LinkDataInit
  #channel: DataChannel | undefined
  #offers = 0
  #isClosed = false
  #heardBytes = 0
  /** Of channels that this link had before. */
  #wastedBefore = 0
  #passedBefore = 0

  constructor(init: LinkDataInit) {
    this.#init = init
  }

  /**
   * What to tell the peer, now and again from time to time: undefined where it is not ours to offer, the peer could not take it up, there
   * is a connection, or it was offered too often.
   */
  offer(): DataOffer | undefined {
    const { connector, hello, connection } = this.#init
    if (connection.direction === 'outbound' || !hello.capabilities.includes(DATA_CAPABILITY)) return undefined
    return this.#mayHaveAnother() ? connector?.offer((channel) => this.#use(channel)) : undefined
  }

  /** The peer offers. */
  offered(offer: DataOffer): void {
    const { connector, connection } = this.#init
    const address = tcpAddress(connection.remoteAddr)
    if (connection.direction === 'inbound' || address === undefined || !this.#mayHaveAnother()) return
    connector?.dial(address, offer, (channel) => this.#use(channel))
  }

  /** Where answers may be expected. */
  get expecting(): DataChannel | undefined {
    return this.#channel?.isUp === true ? this.#channel : undefined
  }

  /** Where answers go that are expected there; also before this end knows that the other has the connection. */
  get answering(): DataChannel | undefined {
    return this.#channel?.isOpen === true ? this.#channel : undefined
  }

  get queuedBytes(): number {
    return this.#channel?.queuedBytes ?? 0
  }

  get passedBytes(): number {
    return this.#passedBefore + (this.#channel?.passedBytes ?? 0)
  }

  get wastedBytes(): number {
    return this.#wastedBefore + (this.#channel?.wastedBytes ?? 0)
  }

  /** Bytes that came since the last call. */
  takeHeardBytes(): number {
    const received = this.#channel?.receivedBytes ?? 0
    const news = received - this.#heardBytes
    this.#heardBytes = received
    return news
  }

  /** The peer no longer wants the answer. */
  cancel(id: number): void {
    this.#channel?.cancel(id)
  }

  close(): void {
    this.#isClosed = true
    this.#channel?.close()
  }

  up(): void {
    this.#init.log(`data connection to ${this.#init.connection.remoteAddr} is up`)
  }

  progress(id: number, bytes: number): void {
    this.#init.requests.progress(id, bytes)
  }

  complete(id: number, bytes: number): void {
    this.#init.requests.complete(id, bytes)
  }

  ended(reason: DataEnd): void {
    this.#init.requests.failOnData()
    if (reason === 'malformed') this.#init.offend('frame on the data connection that nobody asked for')
    else this.#init.log(`data connection to ${this.#init.connection.remoteAddr} has ended: ${reason}`)
  }

  #mayHaveAnother(): boolean {
    return this.answering === undefined && this.#offers++ < DATA_OFFERS_MAX
  }

  #use(channel: DataChannel): void {
    if (this.#isClosed || this.answering !== undefined) {
      channel.close()
      return
    }
    this.#wastedBefore = this.wastedBytes
    this.#passedBefore = this.passedBytes
    this.#heardBytes = 0
    this.#channel = channel
    channel.attach(this)
  }
}
