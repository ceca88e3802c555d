// Which relative paths a snapshot may hold. One judge for what push writes and for what a stranger's manifest claims.

import { NAME_BYTES_MAX, PATH_BYTES_MAX, PATH_DEPTH_MAX } from './limits.ts'

const SLASH = 0x2f
const BACKSLASH = 0x5c
const COLON = 0x3a

/** Directory inside a destination that belongs to this program and to no snapshot. */
export const STATE_DIRECTORY = '.swarm'

/** Why `path` may not be in a snapshot, or undefined when it may. The path is raw bytes with `/` between components. */
export function pathProblem(path: Uint8Array): string | undefined {
  if (path.length === 0) return 'is empty'
  if (path.length > PATH_BYTES_MAX) return `is longer than ${PATH_BYTES_MAX} bytes`
  if (path[0] === SLASH || path[0] === BACKSLASH) return 'is absolute'
  if (path.length >= 2 && path[1] === COLON && isLetter(path[0]) && (path[2] === BACKSLASH || path[2] === SLASH)) {
    return 'is absolute'
  }
  let depth = 0
  for (let start = 0; start <= path.length; ) {
    const slash = path.indexOf(SLASH, start)
    const end = slash === -1 ? path.length : slash
    const problem = componentProblem(path.subarray(start, end))
    if (problem !== undefined) return problem
    depth++
    start = end + 1
  }
  if (depth > PATH_DEPTH_MAX) return `has more than ${PATH_DEPTH_MAX} components`
  const first = path.indexOf(SLASH)
  if (Buffer.from(path.subarray(0, first === -1 ? path.length : first)).toString('latin1') === STATE_DIRECTORY) {
    return `lies in ${STATE_DIRECTORY}, which belongs to swarm itself`
  }
  return undefined
}

function componentProblem(component: Uint8Array): string | undefined {
  if (component.length === 0) return 'has an empty component'
  if (component.length > NAME_BYTES_MAX) return `has a name longer than ${NAME_BYTES_MAX} bytes`
  if (component.includes(0)) return 'holds a NUL byte'
  // A backslash is an ordinary byte on Linux, a separator elsewhere: `..` must not hide behind either.
  for (const name of Buffer.from(component).toString('latin1').split('\\')) {
    if (name === '..') return 'leads upwards with ..'
  }
  if (component.length === 1 && component[0] === 0x2e) return 'has a component "."'
  return undefined
}

function isLetter(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a))
}

/**
 * The path in Unicode normal form C as text, or undefined when it is in that form already or is not UTF-8. Two paths of
 * one snapshot may not share a normal form: some file systems take them for the same name.
 */
export function normalForm(path: Uint8Array): string | undefined {
  if (path.every((byte) => byte < 0x80)) return undefined
  const bytes = Buffer.from(path.buffer, path.byteOffset, path.byteLength)
  const text = bytes.toString('utf8')
  const normal = text.normalize('NFC')
  return normal === text || !Buffer.from(text).equals(bytes) ? undefined : normal
}

/** For messages: the path as text, control characters and invalid UTF-8 made visible. */
export function printablePath(path: Uint8Array): string {
  const text = Buffer.from(path).toString('utf8')
  let safe = ''
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    safe += code < 0x20 || (code >= 0x7f && code < 0xa0) ? `\\x${code.toString(16).padStart(2, '0')}` : character
  }
  return safe
}
