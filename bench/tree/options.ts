// The options that the benchmarks of whole trees share.

import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { countParser } from '../../src/cli/values.ts'
import type { Kind } from './workspaces.ts'

export interface TreeOptions {
  readonly kind: Kind
  readonly gib: number
  readonly files: number
  readonly rounds: number
  readonly dir: string
  /** Contenders; empty: all. */
  readonly only: readonly string[]
  readonly isJson: boolean
}

const GIB_MAX = 1024
const FILES_MAX = 10_000_000
const ROUNDS_MAX = 100

/** Reads the command line; prints the usage and ends the process where it is asked for. */
export function parseTreeOptions(script: string): TreeOptions {
  const { values } = parseArgs({
    options: {
      kind: { type: 'string', default: 'weights' },
      gib: { type: 'string', default: '4' },
      files: { type: 'string', default: '200000' },
      rounds: { type: 'string', default: '3' },
      dir: { type: 'string', default: tmpdir() },
      only: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(`usage: npm run -s ${script} -- [options]
  --kind KIND    weights: bf16 tensors; small: files of 2 KiB (weights)
  --gib N        how much of weights (4)
  --files N      how many small files (200000)
  --rounds N     each contender runs once in each round, in turn (3)
  --dir DIR      where to work; needs about three times the workspace (the system's folder for such files)
  --only NAME    this contender, as it is called in the result (repeatable)
  --json         JSON lines`)
    process.exit(0)
  }
  if (values.kind !== 'weights' && values.kind !== 'small')
    throw new Error(`--kind is weights or small, not ${values.kind}`)
  return {
    kind: values.kind,
    gib: countParser(1, GIB_MAX)(values.gib),
    files: countParser(1, FILES_MAX)(values.files),
    rounds: countParser(1, ROUNDS_MAX)(values.rounds),
    dir: values.dir,
    only: values.only,
    isJson: values.json,
  }
}
