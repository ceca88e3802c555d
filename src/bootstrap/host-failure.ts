// What a command that did not do its work on a host means for whoever has to mend it.

import { SwarmError } from '../base/errors.ts'
import type { RemoteEnd } from './ssh.ts'

/** `doing`: what failed. `folder`: where it wrote. `trial`: a command line with which a person can try the connection. */
export function hostFailure(end: RemoteEnd, doing: string, folder: string, trial: string): SwarmError {
  const lines = end.errors
    .split('\n')
    .map((line) => line.replace(/^swarm-start: /, '').trim())
    .filter((line) => line !== '')
  const full = lines.find((line) => /no space|quota/i.test(line))
  if (full !== undefined) {
    return new SwarmError('diskFull', `${folder}: ${full}`, {
      cure: 'free some space there, or give --prefix DIR on another disk',
    })
  }
  const said = lines.at(-1) ?? ''
  if (end.code !== undefined && /permission denied|read-only|another user/i.test(said)) {
    return new SwarmError('diskPermission', `${doing}: ${said}`, {
      cure: 'give --prefix DIR, a folder that this user may write to',
    })
  }
  const why = end.timedOut
    ? 'no answer'
    : said || (end.code === undefined ? 'the connection was lost' : `exit ${end.code}`)
  if (/permission denied|host key|too many authentication/i.test(said) && end.code === undefined) {
    return new SwarmError('credentialsRefused', `${doing}: ${why}`, {
      cure: `see whether this works without a question: ${trial}`,
    })
  }
  return new SwarmError('networkUnavailable', `${doing}: ${why}`, {
    cure: `see whether this works: ${trial}`,
    retry: true,
  })
}
