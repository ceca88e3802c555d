// Where figures come from: what every benchmark writes next to them.

import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'

export function machine(): string {
  return `${cpus()[0]?.model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`
}

/** Of the code in the working tree now. */
export function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}
