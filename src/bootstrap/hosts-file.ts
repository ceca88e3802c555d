// The hosts of a cluster, one a line, as people write them for ssh.

import { SwarmError } from '../base/errors.ts'

export interface HostEntry {
  /** As it stands in the file; unique there. */
  readonly name: string
  /** What ssh takes: `host`, `user@host`, or an alias of its configuration. Never begins with a dash. */
  readonly destination: string
  /** Undefined: what ssh's configuration says. */
  readonly port: number | undefined
}

export const HOSTS_MAX = 1024

/** Letters, digits and what addresses need; nothing that a shell or ssh takes for something else. */
const WORD =
  /^(?:([A-Za-z0-9._%+-]+)@)?(?:\[([0-9A-Fa-f:.%a-z]+)\]|([A-Za-z0-9._-]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*))(?::(\d{1,5}))?$/

/**
 * Reads `user@host:port` lines; `#` begins a comment. An IPv6 address with a port stands in brackets. Throws `usage`, naming the line, for
 * anything else, for a host that stands there twice, and for a file without hosts.
 */
export function parseHosts(text: string, path: string): HostEntry[] {
  const hosts = new Map<string, HostEntry>()
  for (const [index, line] of text.split('\n').entries()) {
    const word = line.replace(/#.*/, '').trim()
    if (word === '') continue
    const host = parseHost(word)
    if (host === undefined) {
      throw wrong(
        `${path}, line ${index + 1}: ${JSON.stringify(word.slice(0, 200))} is no host`,
        'write host, user@host or user@host:port',
      )
    }
    if (hosts.has(word))
      throw wrong(`${path}, line ${index + 1}: ${word} stands there twice`, 'leave one of the lines out')
    hosts.set(word, host)
    if (hosts.size > HOSTS_MAX) throw wrong(`${path} names more than ${HOSTS_MAX} hosts`, 'split the file')
  }
  if (hosts.size === 0) throw wrong(`${path} names no host`, 'write one host a line: host, user@host or user@host:port')
  return [...hosts.values()]
}

function parseHost(word: string): HostEntry | undefined {
  const match = WORD.exec(word)
  if (match === null) return undefined
  const [, user, bracketed, plain, portText] = match
  const host = bracketed ?? plain ?? ''
  if (host === '' || host.startsWith('-') || user?.startsWith('-') === true) return undefined
  const port = portText === undefined ? undefined : Number(portText)
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined
  return { name: word, destination: user === undefined ? host : `${user}@${host}`, port }
}

function wrong(message: string, cure: string): SwarmError {
  return new SwarmError('usage', message, { blame: 'caller', cure })
}
