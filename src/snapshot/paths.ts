// Which relative paths a snapshot may hold. One judge for what push writes and for what a stranger's manifest claims.

import { NAME_BYTES_MAX, PATH_BYTES_MAX, PATH_DEPTH_MAX } from './limits.ts'

const SLASH = 0x2f
const BACKSLASH = 0x5c
const COLON = 0x3a
const DOT = 0x2e

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
    const problem = componentProblem(path, start, end)
    if (problem !== undefined) return problem
    depth++
    start = end + 1
  }
  if (depth > PATH_DEPTH_MAX) return `has more than ${PATH_DEPTH_MAX} components`
  const first = path.indexOf(SLASH)
  const isState =
    path[0] === DOT && Buffer.from(first === -1 ? path : path.subarray(0, first)).toString('latin1') === STATE_DIRECTORY
  if (isState) return `lies in ${STATE_DIRECTORY}, which belongs to swarm itself`
  return undefined
}

/** What is wrong with the component from `start` to before `end`. Looks at the bytes where they are: a tree has a million paths. */
function componentProblem(path: Uint8Array, start: number, end: number): string | undefined {
  if (end === start) return 'has an empty component'
  if (end - start > NAME_BYTES_MAX) return `has a name longer than ${NAME_BYTES_MAX} bytes`
  let nameStart = start
  let leadsUpwards = false
  for (let at = start; at < end; at++) {
    const byte = path[at]
    if (byte === 0) return 'holds a NUL byte'
    // A backslash is an ordinary byte on Linux, a separator elsewhere: `..` must not hide behind either.
    if (byte !== BACKSLASH) continue
    leadsUpwards ||= isTwoDots(path, nameStart, at)
    nameStart = at + 1
  }
  if (leadsUpwards || isTwoDots(path, nameStart, end)) return 'leads upwards with ..'
  if (end - start === 1 && path[start] === DOT) return 'has a component "."'
  return undefined
}

function isTwoDots(path: Uint8Array, start: number, end: number): boolean {
  return end - start === 2 && path[start] === DOT && path[start + 1] === DOT
}

function isLetter(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a))
}

/**
 * The path in Unicode normal form C as text, or undefined when it is in that form already or is not UTF-8. Two paths of
 * one snapshot may not share a normal form: some file systems take them for the same name.
 */
export function normalForm(path: Uint8Array): string | undefined {
  if (isAscii(path)) return undefined
  const bytes = Buffer.from(path.buffer, path.byteOffset, path.byteLength)
  const text = bytes.toString('utf8')
  const normal = text.normalize('NFC')
  return normal === text || !Buffer.from(text).equals(bytes) ? undefined : normal
}

function isAscii(path: Uint8Array): boolean {
  for (let at = 0; at < path.length; at++) if ((path[at] ?? 0) >= 0x80) return false
  return true
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
