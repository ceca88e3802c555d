// Which programs are installed, and what installs those that are not.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Debian's own interpreter, for which python3-libtorrent is built; another one may come first in PATH. */
export const SYSTEM_PYTHON = '/usr/bin/python3'

/** `packages` by program. Undefined when all programs are there. */
export function aptCure(packages: Readonly<Record<string, string>>): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':')
  const missing = Object.entries(packages).filter(
    ([program]) => !folders.some((folder) => existsSync(join(folder, program))),
  )
  return missing.length === 0 ? undefined : install(missing.map(([, name]) => name))
}

export function pythonModuleCure(module: string, name: string): string | undefined {
  try {
    execFileSync(SYSTEM_PYTHON, ['-c', `import ${module}`], { stdio: 'ignore' })
    return undefined
  } catch {
    return install([name])
  }
}

function install(packages: readonly string[]): string {
  return `apt-get install --no-install-recommends ${[...new Set(packages)].join(' ')}`
}
