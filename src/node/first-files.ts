// `--first`: which files of a snapshot are wanted before all others, which chunks that takes, and when all of them stand.

import ignore from 'ignore'
import { Bitfield } from '../base/bitfield.ts'
import { type Manifest, slicesOf } from '../snapshot/manifest.ts'

export class FirstFiles {
  /** Files that match, by their index in the entry table. */
  readonly entries: Bitfield
  /** Every chunk that such a file needs. */
  readonly chunks: Bitfield
  /** Patterns that match no file, as they were given. */
  readonly unmatched: readonly string[]
  #next = 0
  #said = false

  /**
   * `patterns` follow the rules of .gitignore, with case: without a slash at the start or in the middle they match at any depth, and a
   * directory stands for all files below it; a later `!pattern` takes files out again. Links and directories match nothing.
   */
  constructor(manifest: Pick<Manifest, 'entries' | 'chunks'>, patterns: readonly string[]) {
    const { entries, chunks } = manifest
    this.entries = new Bitfield(entries.count)
    this.chunks = new Bitfield(chunks.count)
    const rules = makeRules(patterns)
    const unmatched = new Map(
      patterns.filter((pattern) => !pattern.startsWith('!')).map((pattern) => [pattern, makeRules([pattern])]),
    )
    for (let entry = 0; entry < entries.count && patterns.length > 0; entry++) {
      if (entries.type(entry) !== 'file') continue
      const path = entries.path(entry).toString('utf8')
      for (const [pattern, rule] of unmatched) if (rule.ignores(path)) unmatched.delete(pattern)
      if (!rules.ignores(path)) continue
      this.entries.add(entry)
      for (const { chunk } of slicesOf(entries.extents(entry), (index) => chunks.rawBytes(index)))
        this.chunks.add(chunk)
    }
    this.unmatched = [...unmatched.keys()]
  }

  /** True once: when there are such files and all of them are in `finished`. */
  arrived(finished: Bitfield): boolean {
    if (this.#said || this.entries.count === 0) return false
    while (this.#next < this.entries.size && (!this.entries.has(this.#next) || finished.has(this.#next))) this.#next++
    this.#said = this.#next === this.entries.size
    return this.#said
  }
}

function makeRules(patterns: readonly string[]) {
  return ignore({ allowRelativePaths: true, ignorecase: false }).add([...patterns])
}
