// How values that a user gave get into a text that another program reads: as POSIX sh words, YAML scalars and comments.
// Control characters are refused before, by checkPlainText, because a newline ends a comment, an #SBATCH line or a here-document.

import { invariant, SwarmError } from '../base/errors.ts'

const CONTROL_CHARACTER = /\p{Cc}|[\u2028\u2029]/u
const SAFE_WORD = /^[A-Za-z0-9_@%+=:,./-]+$/

/** Returns `text`; throws `usage` when it is empty or holds a control character. `what` names it for a person. */
export function checkPlainText(what: string, text: string): string {
  if (text !== '' && !CONTROL_CHARACTER.test(text)) return text
  throw new SwarmError('usage', `${what} is empty or holds a line break or another control character`, {
    blame: 'caller',
    cure: 'give one line of printable text',
  })
}

/** One word of POSIX sh that means exactly `text`. */
export function shellWord(text: string): string {
  return SAFE_WORD.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/**
 * A script as one argument for a login shell of any kind, sh, csh or fish: between single quotes, so it may have none, on one line, and without
 * an exclamation mark.
 */
export function remoteShell(script: string): string {
  invariant(!/['\n!]/.test(script), 'a quote, a line break or an exclamation mark in a remote command')
  return `sh -c '${script}'`
}

/** Several words, with blanks between. */
export function shellWords(words: readonly string[]): string {
  return words.map(shellWord).join(' ')
}

/** A shell word in which `%n` is the Slurm node's name and `%j` the job's number; everything else is literal. */
export function slurmPath(text: string): string {
  const parts = text.split(/(%n|%j)/).filter((part) => part !== '')
  return parts
    .map((part) => (part === '%n' ? '"$SLURMD_NODENAME"' : part === '%j' ? '"$SLURM_JOB_ID"' : shellWord(part)))
    .join('')
}

/** A double-quoted YAML scalar: every JSON string is one. */
export function yamlText(text: string): string {
  return JSON.stringify(text)
}

/** A literal block (`|`) that holds `text`, its lines indented by so many blanks. `text` ends with a newline. */
export function yamlBlock(text: string, indent: number): string {
  const margin = ' '.repeat(indent)
  const lines = text.trimEnd().split('\n')
  return `|\n${lines.map((line) => (line === '' ? '' : margin + line)).join('\n')}`
}

/** Each line of `text` as a comment. */
export function comment(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => (line === '' ? '#' : `# ${line}`))
    .join('\n')
}
