// Which of a holder's words were heard before: the highest sequence, and one bit for each of the ones below it that may
// still arrive late. Anything older counts as heard.

/** How far behind the highest sequence a word may come in, a power of two. */
const WINDOW = 512

export class SequenceWindow {
  readonly #bits = new Uint32Array(WINDOW / 32)
  #highest = 0

  /** 0 before the first word; sequences start at 1. */
  get highest(): number {
    return this.#highest
  }

  /** Whether the sequence is new. It counts as heard from now on. */
  add(sequence: number): boolean {
    if (!Number.isSafeInteger(sequence) || sequence < 1 || sequence <= this.#highest - WINDOW) return false
    if (sequence > this.#highest) {
      if (sequence - this.#highest >= WINDOW) this.#bits.fill(0)
      else for (let passed = this.#highest + 1; passed < sequence; passed++) this.#clear(passed)
      this.#highest = sequence
      this.#clear(sequence)
    }
    const word = (sequence % WINDOW) >>> 5
    const bit = 1 << (sequence % 32)
    const before = this.#bits[word] ?? 0
    if ((before & bit) !== 0) return false
    this.#bits[word] = before | bit
    return true
  }

  #clear(sequence: number): void {
    const word = (sequence % WINDOW) >>> 5
    this.#bits[word] = (this.#bits[word] ?? 0) & ~(1 << (sequence % 32))
  }
}
