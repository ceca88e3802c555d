// One end of a data connection, written from protocols/exchange.md alone with Node's own cipher, for tests of the other end.

import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'

export const READY = 0
export const FRAME = 1

export interface PlainRecord {
  readonly kind: number
  readonly id: number
  readonly offset: number
  readonly body: Buffer
}

const TAG_BYTES = 16
const HEADER_BYTES = 16

function keyOf(secret: Uint8Array, direction: 'I' | 'R'): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `/swarm/exchange/1.0.0 data ${direction}`, 32))
}

function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64BE(BigInt(number), 4)
  return nonce
}

/** What the end that dialled says first. */
export function plainHello(token: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('swarm-data/0\n'), token])
}

export class PlainDataEnd {
  readonly socket: Socket
  readonly #sealKey: Buffer
  readonly #openKey: Buffer
  readonly #records: PlainRecord[] = []
  #sealed = 0
  #opened = 0
  #heard = Buffer.alloc(0)
  #isOver = false
  #change = Promise.withResolvers<void>()

  /** `role`: whether this end dialled (I) or was dialled (R). Takes over the socket; a hello must have been read before. */
  constructor(socket: Socket, secret: Uint8Array, role: 'I' | 'R') {
    this.socket = socket
    this.#sealKey = keyOf(secret, role)
    this.#openKey = keyOf(secret, role === 'I' ? 'R' : 'I')
    socket.on('data', (bytes: Buffer) => {
      this.#heard = Buffer.concat([this.#heard, bytes])
      this.#open()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#isOver = true
      this.#changed()
    })
  }

  /** The bytes of the next record. */
  seal(kind: number, id: number, offset: number, body: Uint8Array): Buffer {
    const header = Buffer.alloc(HEADER_BYTES)
    header.writeUInt32BE(kind, 0)
    header.writeUInt32BE(id, 4)
    header.writeUInt32BE(offset, 8)
    const cipher = createCipheriv('aes-256-gcm', this.#sealKey, nonceOf(this.#sealed++))
    const sealed = Buffer.concat([cipher.update(header), cipher.update(body), cipher.final(), cipher.getAuthTag()])
    const length = Buffer.alloc(4)
    length.writeUInt32BE(sealed.length)
    return Buffer.concat([length, sealed])
  }

  ready(): void {
    this.socket.write(this.seal(READY, 0, 0, Buffer.alloc(0)))
  }

  frame(id: number, offset: number, body: Uint8Array): void {
    this.socket.write(this.seal(FRAME, id, offset, body))
  }

  /** The next record; undefined when the connection has ended. */
  async next(): Promise<PlainRecord | undefined> {
    while (this.#records.length === 0 && !this.#isOver) await this.#change.promise
    return this.#records.shift()
  }

  /** All that comes for one answer, until it has so many bytes or an empty frame ends it. */
  async answer(id: number, bytes: number): Promise<Buffer> {
    const parts: Buffer[] = []
    for (let received = 0; received < bytes; ) {
      const record = await this.next()
      if (record === undefined) throw new Error('the connection has ended')
      if (record.kind !== FRAME || record.id !== id) continue
      if (record.body.length === 0) break
      parts.push(record.body)
      received += record.body.length
    }
    return Buffer.concat(parts)
  }

  /** Settles when the other end has closed the connection. */
  async closed(): Promise<void> {
    if (!this.#isOver) await once(this.socket, 'close')
  }

  #open(): void {
    while (this.#heard.length >= 4 && this.#heard.length >= 4 + this.#heard.readUInt32BE(0)) {
      const sealed = this.#heard.subarray(4, 4 + this.#heard.readUInt32BE(0))
      this.#heard = this.#heard.subarray(4 + sealed.length)
      const decipher = createDecipheriv('aes-256-gcm', this.#openKey, nonceOf(this.#opened++))
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
      const plain = Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()])
      this.#records.push({
        kind: plain.readUInt32BE(0),
        id: plain.readUInt32BE(4),
        offset: plain.readUInt32BE(8),
        body: plain.subarray(HEADER_BYTES),
      })
    }
    this.#changed()
  }

  #changed(): void {
    this.#change.resolve()
    this.#change = Promise.withResolvers()
  }
}
