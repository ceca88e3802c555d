// Counts what really passed between this process and the store, below the retries: repeated and failed reads included.

export type StoreRequestKind = 'get' | 'put' | 'size' | 'list' | 'delete'

export interface MeterReading {
  /** Payload bytes received, also those of reads that failed later or were repeated. */
  readonly readBytes: number
  /** Payload bytes of uploads that were started. */
  readonly writtenBytes: number
  readonly requests: Readonly<Record<StoreRequestKind, number>>
}

export class Meter {
  #readBytes = 0
  #writtenBytes = 0
  readonly #requests: Record<StoreRequestKind, number> = { get: 0, put: 0, size: 0, list: 0, delete: 0 }

  countRequest(kind: StoreRequestKind): void {
    this.#requests[kind]++
  }

  countRead(bytes: number): void {
    this.#readBytes += bytes
  }

  countWritten(bytes: number): void {
    this.#writtenBytes += bytes
  }

  /** A copy; it does not change afterwards. */
  read(): MeterReading {
    return { readBytes: this.#readBytes, writtenBytes: this.#writtenBytes, requests: { ...this.#requests } }
  }
}
