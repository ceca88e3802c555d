// Values inside text that a POSIX shell reads.

import { invariant } from '../base/errors.ts'

/** One word of a shell's command line, whatever is in it. */
export function shellWord(value: string): string {
  invariant(!value.includes('\0'), 'a word with a zero byte')
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`
}

/**
 * A script as one argument for a login shell of any kind, sh, csh or fish: between single quotes, so it may have none, and on one line.
 */
export function remoteShell(script: string): string {
  invariant(!/['\n!]/.test(script), 'a quote, a line break or an exclamation mark in a remote command')
  return `sh -c '${script}'`
}
