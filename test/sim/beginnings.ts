// What one simulated node keeps of chunks whose requests were given up, as events.ts has it of the shell.

import type { ChunkIndex } from '../../src/base/ids.ts'

export interface Beginning {
  readonly bytes: number
  /** Whether they are what the chunk begins with. */
  readonly isRight: boolean
}

export class Beginnings {
  readonly #kept = new Map<ChunkIndex, Beginning>()

  get count(): number {
    return this.#kept.size
  }

  chunks(): IterableIterator<ChunkIndex> {
    return this.#kept.keys()
  }

  /** Keeps the longer one. Returns how many bytes are thrown away. */
  keep(chunk: ChunkIndex, beginning: Beginning): number {
    const before = this.#kept.get(chunk)?.bytes ?? 0
    if (beginning.bytes <= before) return beginning.bytes
    this.#kept.set(chunk, beginning)
    return before
  }

  take(chunk: ChunkIndex): Beginning | undefined {
    const kept = this.#kept.get(chunk)
    this.#kept.delete(chunk)
    return kept
  }
}
