// The environment that this machine or container was started with. Shells that come later, over ssh or in tmux, lack the
// variables that a provider sets for the start alone. Read literally: nothing is run, and only known names are kept.

import { open } from 'node:fs/promises'
import { LAUNCH_ENVIRONMENT_BYTES_MAX } from './limits.ts'
import { type Environment, isPlaceVariable } from './place-addresses.ts'

/** Later ones win: what the first process has was set for this very start. */
const LAUNCH_FILES = ['/etc/environment', '/proc/1/environ']

/** The variables of `isPlaceVariable` at launch. Files that are missing or may not be read count as empty. */
export async function readLaunchEnvironment(paths: readonly string[] = LAUNCH_FILES): Promise<Environment> {
  const texts = await Promise.all(paths.map(readStart))
  return Object.assign({}, ...texts.map(parseLaunchEnvironment))
}

/**
 * `NAME=value` each, ended by NUL bytes as the kernel gives them, or by line ends; then `export` in front and quotes
 * around the value are taken off, and lines that begin with # are left out. Nothing is expanded.
 */
export function parseLaunchEnvironment(text: string): Environment {
  const isFromKernel = text.includes('\0')
  const found: Record<string, string> = {}
  for (const entry of text.split(isFromKernel ? '\0' : '\n')) {
    const [, name = '', value = ''] = (isFromKernel ? KERNEL_ENTRY : FILE_ENTRY).exec(entry) ?? []
    if (!isPlaceVariable(name)) continue
    found[name] = isFromKernel ? value : unquoted(value)
  }
  return found
}

const KERNEL_ENTRY = /^([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/
const FILE_ENTRY = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*?)\s*$/

function unquoted(value: string): string {
  const [, , inner] = /^(["'])(.*)\1$/.exec(value) ?? []
  return inner ?? value
}

async function readStart(path: string): Promise<string> {
  try {
    const file = await open(path)
    try {
      const into = Buffer.alloc(LAUNCH_ENVIRONMENT_BYTES_MAX)
      let length = 0
      for (;;) {
        const { bytesRead } = await file.read(into, length, into.length - length, null)
        length += bytesRead
        if (bytesRead === 0) return into.toString('utf8', 0, length)
      }
    } finally {
      await file.close()
    }
  } catch {
    // Most machines let nobody but root read what the first process has, and that is all right.
    return ''
  }
}
