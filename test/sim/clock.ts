// The virtual clock of a simulation: what is to happen, in order of time, then of scheduling. Integer microseconds.

interface Due {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

export class VirtualClock {
  readonly #heap: Due[] = []
  #order = 0
  #now = 0

  get now(): number {
    return this.#now
  }

  get pending(): number {
    return this.#heap.length
  }

  /** Runs `run` at `at`, or now when that has passed. */
  at(at: number, run: () => void): void {
    const due = { at: Math.max(Math.ceil(at), this.#now), order: this.#order++, run }
    const heap = this.#heap
    let position = heap.length
    heap.push(due)
    while (position > 0) {
      const above = (position - 1) >>> 1
      const parent = heap[above]
      if (parent === undefined || before(parent, due)) break
      heap[position] = parent
      position = above
    }
    heap[position] = due
  }

  after(delayUs: number, run: () => void): void {
    this.at(this.#now + delayUs, run)
  }

  /** Goes on to what is next and runs it. False when nothing is left. */
  advance(): boolean {
    const first = this.#heap[0]
    const last = this.#heap.pop()
    if (first === undefined || last === undefined) return false
    if (last !== first) this.#sink(last)
    this.#now = first.at
    first.run()
    return true
  }

  #sink(due: Due): void {
    const heap = this.#heap
    let position = 0
    for (;;) {
      let below = position * 2 + 1
      const left = heap[below]
      const right = heap[below + 1]
      if (left === undefined) break
      let child = left
      if (right !== undefined && before(right, left)) {
        child = right
        below++
      }
      if (before(due, child)) break
      heap[position] = child
      position = below
    }
    heap[position] = due
  }
}

function before(left: Due, right: Due): boolean {
  return left.at === right.at ? left.order < right.order : left.at < right.at
}
