// Append-only columns for tables of up to millions of rows: a few typed arrays instead of an object per row.

import { invariant } from './errors.ts'

/** Numbers that a double holds exactly; 8 bytes a row. */
export class NumberColumn {
  #values: Float64Array<ArrayBuffer>
  #length = 0

  constructor(capacity = 64) {
    this.#values = new Float64Array(Math.max(capacity, 1))
  }

  get length(): number {
    return this.#length
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(this.#values.length * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.#length++] = value
  }

  get(index: number): number {
    const value = index < this.#length ? this.#values[index] : undefined
    invariant(value !== undefined, `row ${index} of ${this.#length}`)
    return value
  }
}

/** Byte strings, back to back in one buffer. */
export class BytesColumn {
  #bytes = Buffer.allocUnsafeSlow(1024)
  #used = 0
  readonly #ends = new NumberColumn()

  get length(): number {
    return this.#ends.length
  }

  /** The bytes are copied. */
  push(value: Uint8Array): void {
    if (this.#used + value.length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#used + value.length))
      larger.set(this.#bytes.subarray(0, this.#used))
      this.#bytes = larger
    }
    this.#bytes.set(value, this.#used)
    this.#used += value.length
    this.#ends.push(this.#used)
  }

  /** A view that stays valid; the caller must not write to it. */
  get(index: number): Buffer {
    return this.#bytes.subarray(index === 0 ? 0 : this.#ends.get(index - 1), this.#ends.get(index))
  }
}
