// The flags with which a user's swarm runs, for processes that a benchmark starts.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const LAUNCHER = fileURLToPath(new URL('../.ci/launcher.sh', import.meta.url))

/** Those of the launcher. Throws when it names none. */
export function launcherFlags(): string[] {
  const flags = /^flags='(.*)'$/m.exec(readFileSync(LAUNCHER, 'utf8'))?.[1]
  if (flags === undefined) throw new Error(`${LAUNCHER} names no flags`)
  return flags.split(' ').filter((flag) => !flag.startsWith('--disable-warning'))
}
