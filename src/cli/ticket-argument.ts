// The argument that names a snapshot, when it is a ticket that is given elsewhere.

import { SwarmError } from '../base/errors.ts'

/** A ticket may come from stdin, a file or the environment, because arguments show in process lists. */
export async function readTicketArgument(snapshot: string): Promise<string> {
  if (snapshot === '-') {
    const fromEnvironment = process.env['SWARM_TICKET']
    if (fromEnvironment !== undefined) return fromEnvironment.trim()
    return (await readAll(process.stdin)).trim()
  }
  if (!snapshot.startsWith('@')) return snapshot
  const { readFile } = await import('node:fs/promises')
  try {
    return (await readFile(snapshot.slice(1), 'utf8')).trim()
  } catch (cause) {
    throw new SwarmError('usage', `cannot read the ticket file ${snapshot.slice(1)}`, {
      blame: 'caller',
      cure: 'check the path after @',
      cause,
    })
  }
}

const TICKET_INPUT_MAX = 64 * 1024

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const piece of stream) {
    text += String(piece)
    if (text.length > TICKET_INPUT_MAX) break
  }
  return text
}
