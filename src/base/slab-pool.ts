// Reusable buffers for chunk bytes. Freed memory of 8 MiB buffers reaches the operating system late and in pieces;
// reuse keeps a node's resident size flat. Sizes are rounded up to a power of two, at least 64 KiB.

import { invariant } from './errors.ts'

const SLAB_BYTES_MIN = 64 * 1024

/** A buffer with counted owners. `bytes` may be used until the last owner has called release(). */
export class Slab {
  bytes: Buffer
  readonly #home: (memory: Buffer) => void
  readonly #memory: Buffer
  #owners = 1

  constructor(memory: Buffer, length: number, home: (memory: Buffer) => void) {
    this.#memory = memory
    this.#home = home
    this.bytes = memory.subarray(0, length)
  }

  /** Shortens `bytes` for all owners once its real length is known; returns the same slab. */
  narrow(length: number): this {
    invariant(length <= this.bytes.length, `a slab of ${this.bytes.length} bytes cannot grow to ${length}`)
    this.bytes = this.bytes.subarray(0, length)
    return this
  }

  /** Adds an owner, who must release() as well. */
  retain(): this {
    invariant(this.#owners > 0, 'a released slab was retained')
    this.#owners++
    return this
  }

  release(): void {
    invariant(this.#owners > 0, 'a slab was released too often')
    this.#owners--
    if (this.#owners === 0) this.#home(this.#memory)
  }
}

export class SlabPool {
  readonly #free = new Map<number, Buffer[]>()
  readonly #idleBytesMax: number
  #idleBytes = 0

  /** Keeps at most `idleBytesMax` of unused memory; what exceeds it is left to the garbage collector. */
  constructor(idleBytesMax: number) {
    this.#idleBytesMax = idleBytesMax
  }

  /** A slab with one owner, the caller. Its contents are undefined. */
  take(length: number): Slab {
    const bytes = slabBytesFor(length)
    const memory = this.#free.get(bytes)?.pop()
    if (memory !== undefined) this.#idleBytes -= bytes
    return new Slab(memory ?? Buffer.allocUnsafeSlow(bytes), length, (unused) => this.#keep(unused))
  }

  #keep(memory: Buffer): void {
    if (this.#idleBytes + memory.length > this.#idleBytesMax) return
    const sameSize = this.#free.get(memory.length)
    if (sameSize === undefined) this.#free.set(memory.length, [memory])
    else sameSize.push(memory)
    this.#idleBytes += memory.length
  }
}

function slabBytesFor(length: number): number {
  let bytes = SLAB_BYTES_MIN
  while (bytes < length) bytes *= 2
  return bytes
}
