// What a serving or joining node tells, as lines for whoever reads this command's output.

import type { NodeEvent } from '../node/join-events.ts'
import type { Context } from './context.ts'
import { ProgressView } from './progress.ts'
import { formatSeconds } from './values.ts'

const NOT_THERE = {
  snapshot: 'the snapshot is not in the store yet',
  source: 'nobody has the snapshot yet, or can be reached',
}

/** One view of a node's events, for whoever reads this command's output. */
export function makeEmit(context: Context): (event: NodeEvent) => void {
  const { output } = context
  const progress = new ProgressView(output)
  return (event) => {
    switch (event.type) {
      case 'progress':
        progress.show(event)
        return
      case 'warning':
        output.warn(event.message)
        return
      case 'waiting':
        output.line({ ...event })
        output.note(`${NOT_THERE[event.for]}: waiting for up to ${formatSeconds(event.seconds)}`)
        return
      case 'listening':
        output.line({ ...event })
        output.log(`listening on ${event.addrs.join(', ') || 'nothing: dialling only'}`)
        return
      case 'first':
        output.line({ ...event })
        output.note(`${event.files} files of --first are in place after ${formatSeconds(event.seconds)}`)
        return
      case 'ready':
        output.line({ ...event })
        output.note(
          `ready after ${formatSeconds(event.seconds)}${event.peers > 0 ? '; serving peers while they need it' : ''}`,
        )
    }
  }
}
