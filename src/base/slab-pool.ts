// Reusable buffers for chunk bytes. Freed memory of 8 MiB buffers reaches the operating system late and in pieces;
// reuse keeps a node's resident size flat. Sizes are rounded up to an eighth of the power of two below, at least 64 KiB: an
// encoded chunk of a little over 8 MiB would count as 16 otherwise, and the pool would keep half as many.

import { invariant } from './errors.ts'

const SLAB_BYTES_MIN = 64 * 1024
const SIZES_PER_DOUBLING = 8

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
  /** Unused memory by its size; of the size that was released last, last. */
  readonly #free = new Map<number, Buffer[]>()
  readonly #idleBytesMax: number
  readonly #allocate: (bytes: number) => Buffer
  #idleBytes = 0

  /** Keeps at most `idleBytesMax` of unused memory; what exceeds it is left to the garbage collector. */
  constructor(idleBytesMax: number, allocate: (bytes: number) => Buffer = Buffer.allocUnsafeSlow) {
    this.#idleBytesMax = idleBytesMax
    this.#allocate = allocate
  }

  /** A slab with one owner, the caller. Its contents are undefined. */
  take(length: number): Slab {
    const bytes = slabBytesFor(length)
    const memory = this.#free.get(bytes)?.pop()
    if (memory !== undefined) this.#idleBytes -= bytes
    return new Slab(memory ?? this.#allocate(bytes), length, (unused) => this.#keep(unused))
  }

  /** What was released last is kept; memory of sizes that were not for longer makes room for it. */
  #keep(memory: Buffer): void {
    const sameSize = this.#free.get(memory.length) ?? []
    this.#free.delete(memory.length)
    for (const [bytes, others] of this.#free) {
      while (this.#idleBytes + memory.length > this.#idleBytesMax && others.pop() !== undefined)
        this.#idleBytes -= bytes
      if (others.length > 0) break
      this.#free.delete(bytes)
    }
    this.#free.set(memory.length, sameSize)
    if (this.#idleBytes + memory.length > this.#idleBytesMax) return
    sameSize.push(memory)
    this.#idleBytes += memory.length
  }
}

function slabBytesFor(length: number): number {
  if (length <= SLAB_BYTES_MIN) return SLAB_BYTES_MIN
  // The greatest power of two below `length`.
  const below = 2 ** Math.floor(Math.log2(length - 1))
  const step = below / SIZES_PER_DOUBLING
  return Math.ceil(length / step) * step
}
